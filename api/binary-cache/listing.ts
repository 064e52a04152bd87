/** Ring: api. `<hash>.ls`: a path's files with their offsets in the NAR, in Nix's format (version 1). Upstream: libutil/nar-listing.cc. */
import type { Node } from '../../castore/nodes.ts'
import type { Tree } from './kept.ts'
import { narSegments } from './nar-layout.ts'

type Listed =
  | { readonly type: 'directory'; readonly entries: Record<string, Listed> }
  | { readonly type: 'regular'; readonly size: number; readonly narOffset: number; readonly executable?: true }
  | { readonly type: 'symlink'; readonly target: string }

export function narListing(root: Node, directories: Tree): { readonly version: 1; readonly root: Listed } {
  const open = new Map<string, Record<string, Listed>>()
  let top: Listed | undefined
  const walk = narSegments(root, directories, {
    node(path, name, node, offset) {
      const listed = listedNode(node, offset)
      if (listed.type === 'directory') open.set(path, listed.entries)
      if (path === '') top = listed
      else open.get(path.slice(0, Math.max(0, path.length - name.length - 1)))![utf8(name)] = listed
    },
  })
  while (walk.next().done !== true) { /* the visitor gathers */ }
  return { version: 1, root: top! }
}

function listedNode(node: Node, narOffset: number): Listed {
  switch (node.kind) {
    // without a prototype, so that a file may be called __proto__
    case 'directory': return { type: 'directory', entries: Object.create(null) as Record<string, Listed> }
    case 'file': return { type: 'regular', ...(node.executable && { executable: true }), size: node.size, narOffset }
    case 'symlink': return { type: 'symlink', target: utf8(node.target) }
  }
}

/** A byte string as text, for JSON. */
export function utf8(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString('utf8')
}
