/** Ring: api. Looking into a store path without laying it out: one directory, a whole tree, or one node by its path. */
import { type Directory, findEntry } from '../../castore/directory.ts'
import type { Node } from '../../castore/nodes.ts'
import { FirnError } from '../../contract/errors.ts'
import type { BlobStore } from '../../store/blobs/interface.ts'
import { utf8 } from '../binary-cache/listing.ts'
import { readDirectories, readDirectory } from '../../store/tree.ts'
import type { DirectoryListing } from '../../contract/api.ts'

type ListedEntry = DirectoryListing['entries'][number]

/**
 * The node at a path below a root; '' is the root itself. Symlinks on the way aren't followed: they may lead anywhere.
 * 'not-found' where nothing is.
 */
export async function nodeAt(root: Node, subpath: string, blobs: BlobStore): Promise<Node> {
  let node = root
  const walked: string[] = []
  for (const name of subpath.split('/').filter((part) => part !== '' && part !== '.')) {
    if (node.kind === 'symlink') throw new FirnError('conflict', `'${walked.join('/')}' is a symlink to '${utf8(node.target)}', which is not followed`)
    const found: Node | undefined = node.kind === 'directory' ? findEntry(await readDirectory(node.digest, blobs), Buffer.from(name, 'utf8').toString('latin1')) : undefined
    walked.push(name)
    if (!found) throw new FirnError('not-found', `there is no '${walked.join('/')}' here`)
    node = found
  }
  return node
}

/** What is in a directory, or the thing itself under the name ''. */
export async function listNode(node: Node, recursive: boolean, blobs: BlobStore): Promise<ListedEntry[]> {
  if (node.kind !== 'directory') return [listed('', node)]
  if (!recursive) return (await readDirectory(node.digest, blobs)).entries.map((entry) => listed(utf8(entry.name), entry.node))
  const directories = await readDirectories([node], blobs)
  const entries: ListedEntry[] = []
  const walk = (directory: Directory, prefix: string): void => {
    for (const { name, node: inner } of directory.entries) {
      const path = prefix + utf8(name)
      entries.push(listed(path, inner))
      if (inner.kind === 'directory') walk(directories.get(inner.digest)!, `${path}/`)
    }
  }
  walk(directories.get(node.digest)!, '')
  return entries
}

function listed(name: string, node: Node): ListedEntry {
  switch (node.kind) {
    case 'directory': return { name, type: 'directory' }
    case 'file': return { name, type: 'regular', size: node.size, executable: node.executable }
    case 'symlink': return { name, type: 'symlink', target: utf8(node.target) }
  }
}
