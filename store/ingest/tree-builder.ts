/** Ring: store. A tree while its entries come in, in any order that has parents first; nodes only, contents went to the blob store. */
import { entryNameProblem, encodeDirectory, makeDirectory } from '../../castore/directory.ts'
import type { FileNode, Node, SymlinkNode } from '../../castore/nodes.ts'
import { FirnError } from '../../contract/errors.ts'
import type { BlobUpload } from '../blobs/interface.ts'

interface OpenDirectory {
  readonly kind: 'open'
  readonly entries: Map<string, OpenDirectory | FileNode | SymlinkNode>
}

type BuiltNode = OpenDirectory | FileNode | SymlinkNode

export class TreeBuilder {
  #root: BuiltNode | undefined

  /** A directory that is there already stays as it is. */
  addDirectory(path: string): void {
    if (this.#at(path)?.kind !== 'open') this.#set(path, { kind: 'open', entries: new Map() })
  }

  /** What was at the path before is replaced, as unpacking an archive would. */
  addLeaf(path: string, node: FileNode | SymlinkNode): void {
    this.#set(path, node)
  }

  /** The file at a path; for hard links. */
  file(path: string): FileNode | undefined {
    const node = this.#at(path)
    return node?.kind === 'file' ? node : undefined
  }

  /** Stores the directories, the deepest first, and gives the root. */
  async finish(upload: BlobUpload): Promise<Node> {
    if (this.#root === undefined) throw new FirnError('invalid-input', 'there is nothing in it')
    return await this.#close(this.#root, upload)
  }

  async #close(node: BuiltNode, upload: BlobUpload): Promise<Node> {
    if (node.kind !== 'open') return node
    const entries: { name: string; node: Node }[] = []
    let size = node.entries.size
    for (const [name, child] of node.entries) {
      const closed = child.kind === 'open' ? await this.#close(child, upload) : child
      if (closed.kind === 'directory') size += closed.size
      entries.push({ name, node: closed })
    }
    const { digest } = await upload.add(encodeDirectory(makeDirectory(entries)))
    return { kind: 'directory', digest, size }
  }

  #at(path: string): BuiltNode | undefined {
    if (path === '') return this.#root
    let node = this.#root
    for (const name of path.split('/')) {
      if (node?.kind !== 'open') return undefined
      node = node.entries.get(name)
    }
    return node
  }

  #set(path: string, node: BuiltNode): void {
    if (path === '') {
      this.#root = node
      return
    }
    const slash = path.lastIndexOf('/')
    const parent = this.#at(slash === -1 ? '' : path.slice(0, slash))
    const name = path.slice(slash + 1)
    const problem = entryNameProblem(name)
    if (problem !== undefined) throw new FirnError('invalid-input', problem)
    if (parent?.kind !== 'open') throw new FirnError('invalid-input', `'${path}' lies below something that isn't a directory`)
    parent.entries.set(name, node)
  }
}
