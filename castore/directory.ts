/**
 * Ring: castore. Directories: names and nodes, sorted by bytes, in one canonical encoding whose digest is the
 * directory's name. Upstream counterpart: tvix castore/src/directoryservice.
 *
 * The encoding is our own and not protobuf, since protobuf promises no canonical bytes and two encoders could give one
 * directory two digests. It is: magic, 4-byte count, then for each entry a 2-byte length, the name, the node.
 */
import { digestOf, type Digest } from './digest.ts'
import { CastoreFormatError } from './errors.ts'
import { decodeNode, encodedNodeLength, encodeNode, nodeProblem, type DirectoryNode, type Node } from './nodes.ts'

export interface DirectoryEntry {
  /** A byte string: a character is a byte. */
  readonly name: string
  readonly node: Node
}

export interface Directory {
  /** Sorted by the bytes of their names, each once. */
  readonly entries: readonly DirectoryEntry[]
}

export const EMPTY_DIRECTORY: Directory = { entries: [] }

const MAGIC = Uint8Array.of(0x46, 0x44, 0x69, 0x31) // "FDi1"
const HEADER = MAGIC.length + 4
const NAME_LIMIT = 255

/** Why it can't be the name of an entry; undefined where it can. */
export function entryNameProblem(name: string): string | undefined {
  if (name === '' || name === '.' || name === '..') return `'${name}' can't be a name in a directory`
  if (name.length > NAME_LIMIT) return `a name is longer than ${NAME_LIMIT} bytes`
  return /^[\x01-\x2e\x30-\xff]+$/.test(name) ? undefined : `the name '${name}' holds a slash or a zero byte, or is not a byte string`
}

/** A directory of entries in any order. CastoreFormatError on a bad name or one that is there twice. */
export function makeDirectory(entries: readonly DirectoryEntry[]): Directory {
  const sorted = [...entries].sort((left, right) => (left.name < right.name ? -1 : left.name > right.name ? 1 : 0))
  checkEntries(sorted)
  return { entries: sorted }
}

function checkEntries(entries: readonly DirectoryEntry[]): void {
  let previous = ''
  for (const { name, node } of entries) {
    const problem = entryNameProblem(name) ?? nodeProblem(node)
    if (problem !== undefined) throw new CastoreFormatError(problem)
    if (name <= previous) throw new CastoreFormatError(`the name '${name}' is there twice or out of order`)
    previous = name
  }
}

/** The canonical bytes. */
export function encodeDirectory(directory: Directory): Uint8Array {
  checkEntries(directory.entries)
  let length = HEADER
  for (const { name, node } of directory.entries) length += 2 + name.length + encodedNodeLength(node)
  const bytes = new Uint8Array(length)
  const view = new DataView(bytes.buffer)
  bytes.set(MAGIC)
  view.setUint32(MAGIC.length, directory.entries.length, true)
  let offset = HEADER
  for (const { name, node } of directory.entries) {
    view.setUint16(offset, name.length, true)
    for (let index = 0; index < name.length; index++) bytes[offset + 2 + index] = name.charCodeAt(index)
    offset = encodeNode(node, bytes, offset + 2 + name.length)
  }
  return bytes
}

/** Reads what `encodeDirectory` gave. Anything else, and anything not canonical, is a CastoreFormatError. */
export function decodeDirectory(bytes: Uint8Array): Directory {
  if (bytes.length < HEADER || MAGIC.some((byte, index) => bytes[index] !== byte)) throw new CastoreFormatError('not a directory', { position: 0 })
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const count = view.getUint32(MAGIC.length, true)
  const entries: DirectoryEntry[] = []
  let offset = HEADER
  let previous = ''
  for (let index = 0; index < count; index++) {
    if (offset + 2 > bytes.length) throw new CastoreFormatError('truncated directory', { position: offset })
    const nameEnd = offset + 2 + view.getUint16(offset, true)
    if (nameEnd > bytes.length || nameEnd - offset - 2 > NAME_LIMIT) throw new CastoreFormatError('truncated directory', { position: offset })
    const name = String.fromCharCode(...bytes.subarray(offset + 2, nameEnd))
    const problem = entryNameProblem(name)
    if (problem !== undefined) throw new CastoreFormatError(problem, { position: offset })
    if (name <= previous) throw new CastoreFormatError(`the name '${name}' is out of order`, { position: offset })
    previous = name
    const { node, end } = decodeNode(bytes, nameEnd)
    entries.push({ name, node })
    offset = end
  }
  if (offset !== bytes.length) throw new CastoreFormatError('something follows the end of a directory', { position: offset })
  return { entries }
}

/** The digest by which a directory is stored. */
export function directoryDigest(directory: Directory): Digest {
  return digestOf(encodeDirectory(directory))
}

/** The node that stands for it, with the count of nodes below. */
export function directoryNode(directory: Directory, digest: Digest = directoryDigest(directory)): DirectoryNode {
  let size = directory.entries.length
  for (const { node } of directory.entries) if (node.kind === 'directory') size += node.size
  return { kind: 'directory', digest, size }
}

/** The entry of a name, by binary search. */
export function findEntry(directory: Directory, name: string): Node | undefined {
  let low = 0
  let high = directory.entries.length - 1
  while (low <= high) {
    const middle = (low + high) >> 1
    const entry = directory.entries[middle]!
    if (entry.name === name) return entry.node
    if (entry.name < name) low = middle + 1
    else high = middle - 1
  }
  return undefined
}
