/**
 * Ring: api. A NAR as a sequence of segments, computed from castore's directories alone: what lies between the files as
 * bytes, and the files by digest and size. So sizes and offsets are known before any content is read: a range starts in the
 * middle without reading what comes before, and the listing (`.ls`) carries each file's offset.
 * Upstream counterpart: libutil/archive.cc and nar-listing.cc.
 */
import type { Directory } from '../../castore/directory.ts'
import type { Digest } from '../../castore/digest.ts'
import type { Node } from '../../castore/nodes.ts'

export type NarSegment =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly kind: 'content'; readonly digest: Digest; readonly size: number }

/** A place in the archive, as told while walking it. */
export interface NarVisitor {
  /** Path is '' for the root, else names joined by '/'. Byte strings. `offset` is where a file's content starts. */
  node(path: string, name: string, node: Node, offset: number): void
}

const encoder = (texts: readonly string[]): string => texts.map(token).join('')
const MAGIC = encoder(['nix-archive-1'])
const REGULAR = encoder(['(', 'type', 'regular', 'contents'])
const EXECUTABLE = encoder(['(', 'type', 'regular', 'executable', '', 'contents'])
const DIRECTORY = encoder(['(', 'type', 'directory'])
const SYMLINK = encoder(['(', 'type', 'symlink', 'target'])
const ENTRY = encoder(['entry', '(', 'name'])
const NODE = encoder(['node'])
const CLOSE = encoder([')'])

/** Bytes strings are joined as they are and encoded once a segment. */
function token(text: string): string {
  return number(text.length) + text + '\0'.repeat(padding(text.length))
}

function number(value: number): string {
  let text = ''
  for (let rest = value, index = 0; index < 8; index++) {
    text += String.fromCharCode(rest % 256)
    rest = Math.floor(rest / 256)
  }
  return text
}

function padding(length: number): number {
  return (8 - (length % 8)) % 8
}

/** The segments in order. A file of no bytes has no content segment. */
export function* narSegments(root: Node, directories: ReadonlyMap<Digest, Directory>, visitor?: NarVisitor): Generator<NarSegment, void, undefined> {
  let pending = MAGIC
  let offset = 0
  const FLUSH_LENGTH = 32 * 1024

  function* walk(path: string, name: string, node: Node): Generator<NarSegment, void, undefined> {
    if (node.kind === 'symlink') {
      visitor?.node(path, name, node, 0)
      pending += SYMLINK + token(node.target) + CLOSE
      return
    }
    if (node.kind === 'file') {
      pending += (node.executable ? EXECUTABLE : REGULAR) + number(node.size)
      visitor?.node(path, name, node, offset + pending.length)
      if (node.size > 0) {
        yield flush()
        yield { kind: 'content', digest: node.digest, size: node.size }
        offset += node.size
      }
      pending += '\0'.repeat(padding(node.size)) + CLOSE
      return
    }
    visitor?.node(path, name, node, 0)
    pending += DIRECTORY
    for (const entry of directories.get(node.digest)!.entries) {
      pending += ENTRY + token(entry.name) + NODE
      yield* walk(path === '' ? entry.name : `${path}/${entry.name}`, entry.name, entry.node)
      pending += CLOSE
      if (pending.length > FLUSH_LENGTH) yield flush()
    }
    pending += CLOSE
  }
  function flush(): NarSegment {
    const bytes = Buffer.from(pending, 'latin1')
    pending = ''
    offset += bytes.length
    return { kind: 'bytes', bytes }
  }
  yield* walk('', '', root)
  yield flush()
}
