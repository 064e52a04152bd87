/**
 * Ring: castore. What a name stands for in a directory, and what the root of a store path is. Upstream counterpart: tvix
 * castore/src/nodes.
 */
import { bytesOfDigest, digestOfBytes, isDigest, DIGEST_SIZE, type Digest } from './digest.ts'
import { CastoreFormatError } from './errors.ts'

export interface FileNode {
  readonly kind: 'file'
  /** Of the file's bytes. */
  readonly digest: Digest
  /** Bytes. */
  readonly size: number
  readonly executable: boolean
}

export interface DirectoryNode {
  readonly kind: 'directory'
  /** Of the encoded directory (see directory.ts). */
  readonly digest: Digest
  /** Number of nodes below, at any depth; what a traversal will meet. */
  readonly size: number
}

export interface SymlinkNode {
  readonly kind: 'symlink'
  /** A byte string: a character is a byte. */
  readonly target: string
}

export type Node = FileNode | DirectoryNode | SymlinkNode

/** No system allows longer targets, and a malformed length must not become an allocation. */
export const TARGET_LIMIT = 4096

/** Why it can't be a node; undefined where it can. */
export function nodeProblem(node: Node): string | undefined {
  if (node.kind === 'symlink') {
    if (node.target === '') return 'a symlink has an empty target'
    if (node.target.length > TARGET_LIMIT) return `the target of a symlink is longer than ${TARGET_LIMIT} bytes`
    return /^[\x01-\xff]+$/.test(node.target) ? undefined : 'the target of a symlink holds a zero byte or is not a byte string'
  }
  if (!isDigest(node.digest)) return `not a digest: '${String(node.digest)}'`
  return Number.isSafeInteger(node.size) && node.size >= 0 ? undefined : `not a size: ${node.size}`
}

/** A node that came as JSON (a database row, an API), checked. */
export function parseNode(value: unknown): Node {
  if (typeof value !== 'object' || value === null || !('kind' in value)) throw new CastoreFormatError('a node is an object with a kind')
  const fields = value as Partial<Record<'kind' | 'digest' | 'size' | 'executable' | 'target', unknown>>
  const node = nodeOfFields(fields)
  if (node === undefined) throw new CastoreFormatError(`not a node: ${JSON.stringify(value)}`)
  const problem = nodeProblem(node)
  if (problem !== undefined) throw new CastoreFormatError(problem)
  return node
}

function nodeOfFields({ kind, digest, size, executable, target }: Partial<Record<'kind' | 'digest' | 'size' | 'executable' | 'target', unknown>>): Node | undefined {
  if (kind === 'symlink' && typeof target === 'string') return { kind, target }
  if (typeof digest !== 'string' || typeof size !== 'number') return undefined
  if (kind === 'file' && typeof executable === 'boolean') return { kind, digest: digest as Digest, size, executable }
  if (kind === 'directory') return { kind, digest: digest as Digest, size }
  return undefined
}

export function nodesEqual(left: Node, right: Node): boolean {
  if (left.kind === 'symlink' || right.kind === 'symlink') return left.kind === right.kind && (left as SymlinkNode).target === (right as SymlinkNode).target
  return left.kind === right.kind && left.digest === right.digest && left.size === right.size
    && (left.kind !== 'file' || left.executable === (right as FileNode).executable)
}

// Binary form: a tag, then 32 bytes of digest and an 8-byte little-endian size, or a 4-byte length and the target.
const TAG = { file: 1, executable: 2, directory: 3, symlink: 4 } as const
const SIZED_LENGTH = 1 + DIGEST_SIZE + 8

export function encodedNodeLength(node: Node): number {
  return node.kind === 'symlink' ? 5 + node.target.length : SIZED_LENGTH
}

/** Writes the node at `offset`; gives the offset after it. */
export function encodeNode(node: Node, into: Uint8Array, offset: number): number {
  const view = new DataView(into.buffer, into.byteOffset, into.byteLength)
  if (node.kind === 'symlink') {
    into[offset] = TAG.symlink
    view.setUint32(offset + 1, node.target.length, true)
    for (let index = 0; index < node.target.length; index++) into[offset + 5 + index] = node.target.charCodeAt(index)
    return offset + 5 + node.target.length
  }
  into[offset] = node.kind === 'directory' ? TAG.directory : node.executable ? TAG.executable : TAG.file
  into.set(bytesOfDigest(node.digest), offset + 1)
  view.setBigUint64(offset + 1 + DIGEST_SIZE, BigInt(node.size), true)
  return offset + SIZED_LENGTH
}

/** Reads the node at `offset`. */
export function decodeNode(bytes: Uint8Array, offset: number): { readonly node: Node; readonly end: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const fail = (message: string): never => { throw new CastoreFormatError(message, { position: offset }) }
  const tag = bytes[offset]
  if (tag === TAG.symlink) {
    if (offset + 5 > bytes.length) fail('truncated node')
    const length = view.getUint32(offset + 1, true)
    const end = offset + 5 + length
    if (length > TARGET_LIMIT || end > bytes.length) fail('truncated symlink')
    const node: Node = { kind: 'symlink', target: String.fromCharCode(...bytes.subarray(offset + 5, end)) }
    const problem = nodeProblem(node)
    if (problem !== undefined) fail(problem)
    return { node, end }
  }
  if (tag !== TAG.file && tag !== TAG.executable && tag !== TAG.directory) return fail(tag === undefined ? 'truncated node' : `unknown node tag ${tag}`)
  const end = offset + SIZED_LENGTH
  if (end > bytes.length) fail('truncated node')
  const digest = digestOfBytes(bytes.subarray(offset + 1, offset + 1 + DIGEST_SIZE))
  const size = Number(view.getBigUint64(offset + 1 + DIGEST_SIZE, true))
  if (!Number.isSafeInteger(size)) fail('a size is beyond what can be counted')
  return { node: tag === TAG.directory ? { kind: 'directory', digest, size } : { kind: 'file', digest, size, executable: tag === TAG.executable }, end }
}
