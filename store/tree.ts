/** Ring: store. Trees of castore: all directories under a root, and walks over them. */
import { type Directory, decodeDirectory, EMPTY_DIRECTORY, findEntry } from '../castore/directory.ts'
import type { Digest } from '../castore/digest.ts'
import type { Node } from '../castore/nodes.ts'
import { FirnError } from '../contract/errors.ts'
import type { BlobStore } from './blobs/interface.ts'

/** Every directory under these roots, by digest; one round of requests for each level of depth. */
export async function readDirectories(roots: readonly Node[], blobs: BlobStore): Promise<Map<Digest, Directory>> {
  const directories = new Map<Digest, Directory>()
  let level = new Set<Digest>()
  for (const root of roots) if (root.kind === 'directory') level.add(root.digest)
  while (level.size > 0) {
    const next = new Set<Digest>()
    for (const [digest, bytes] of await blobs.readMany([...level])) {
      const directory = decodeDirectory(bytes)
      directories.set(digest, directory)
      for (const { node } of directory.entries) if (node.kind === 'directory' && !directories.has(node.digest)) next.add(node.digest)
    }
    level = next.difference(directories)
  }
  return directories
}

/** One node of a tree, with its path from the root ('' for the root itself). */
export interface TreeNode {
  readonly path: string
  readonly node: Node
}

/** All nodes under a root in the order of a NAR: by name, parents first. */
export function* walkTree(root: Node, directories: ReadonlyMap<Digest, Directory>, path = ''): Generator<TreeNode, void, undefined> {
  yield { path, node: root }
  if (root.kind !== 'directory') return
  const directory = directories.get(root.digest) ?? EMPTY_DIRECTORY
  for (const { name, node } of directory.entries) yield* walkTree(node, directories, path === '' ? name : `${path}/${name}`)
}

/**
 * The node at a path below a root; undefined where there is none. Symlinks on the way aren't followed. The path is
 * relative, names as byte strings; '' is the root.
 */
export async function findNode(root: Node, path: string, blobs: BlobStore): Promise<Node | undefined> {
  let node: Node | undefined = root
  for (const name of path.split('/').filter((name) => name !== '')) {
    if (node?.kind !== 'directory') return undefined
    node = findEntry(await readDirectory(node.digest, blobs), name)
  }
  return node
}

/** A small text at a path below a root; undefined where there is no file. 'limit' where it is larger than `limit` bytes. */
export async function readTextAt(root: Node, path: string, blobs: BlobStore, limit: number): Promise<string | undefined> {
  const node = await findNode(root, Buffer.from(path, 'utf8').toString('latin1'), blobs)
  return node?.kind === 'file' ? Buffer.from(await blobs.read(node.digest, limit)).toString('utf8') : undefined
}

/** One directory. Errors: 'not-found', 'corrupt'. */
export async function readDirectory(digest: Digest, blobs: BlobStore): Promise<Directory> {
  const bytes = await blobs.read(digest)
  try {
    return decodeDirectory(bytes)
  } catch (cause) {
    throw new FirnError('corrupt', `blob ${digest} is not a directory`, { cause, data: { digest } })
  }
}
