/**
 * Ring: store. Packs: many pieces in one object, so that a path with 20,000 small files costs tens of requests. The layout is: the
 * pieces' bytes one after the other; a table with 32 bytes of digest and 4 bytes of length (big-endian) for each; the number
 * of entries as 4 bytes; four bytes of magic. Readers go by the index and never need the table; it lets a pack be checked, or
 * compacted by a garbage collection, from itself alone.
 */
import { randomBytes } from 'node:crypto'

import { digestOfBytes } from '../../castore/digest.ts'
import { FirnError } from '../../contract/errors.ts'
import type { ObjectStore } from '../objects/interface.ts'
import type { Piece } from './index-interface.ts'

const MAGIC = Uint8Array.of(0x46, 0x50, 0x6b, 0x31) // "FPk1"
const ENTRY = 36
const TRAILER = 8

/** A key that nobody has used; the folder keeps any one of them small. */
export function newPackKey(): string {
  const name = randomBytes(16).toString('hex')
  return `packs/${name.slice(0, 2)}/${name}`
}

/** The object of a pack. */
export function encodePack(parts: readonly Uint8Array[], pieces: readonly Piece[]): Uint8Array {
  const size = parts.reduce((sum, part) => sum + part.length, 0)
  const bytes = new Uint8Array(size + pieces.length * ENTRY + TRAILER)
  let offset = 0
  for (const part of parts) {
    bytes.set(part, offset)
    offset += part.length
  }
  const table = Buffer.from(bytes.buffer)
  for (const { digest, length } of pieces) {
    table.write(digest, offset, 'hex')
    table.writeUInt32BE(length, offset + 32)
    offset += ENTRY
  }
  table.writeUInt32BE(pieces.length, offset)
  bytes.set(MAGIC, offset + 4)
  return bytes
}

/** What a pack says that it holds, in order; 'corrupt' if it isn't a whole pack. */
export async function readPackTable(objects: ObjectStore, key: string, objectSize: number): Promise<Piece[]> {
  const broken = (reason: string) => new FirnError('corrupt', `pack '${key}' ${reason}`, { data: { key } })
  if (objectSize < TRAILER) throw broken('is too short')
  const trailer = await objects.read(key, { start: objectSize - TRAILER })
  if (trailer.length !== TRAILER || MAGIC.some((byte, index) => trailer[4 + index] !== byte)) throw broken('has no end')
  const count = new DataView(trailer.buffer, trailer.byteOffset).getUint32(0)
  const start = objectSize - TRAILER - count * ENTRY
  if (start < 0) throw broken('has a table larger than itself')
  const table = await objects.read(key, { start, end: start + count * ENTRY })
  const view = new DataView(table.buffer, table.byteOffset, table.length)
  const pieces: Piece[] = []
  let length = 0
  for (let offset = 0; offset < table.length; offset += ENTRY) {
    const piece = { digest: digestOfBytes(table.subarray(offset, offset + 32)), length: view.getUint32(offset + 32) }
    pieces.push(piece)
    length += piece.length
  }
  if (length !== start) throw broken('does not hold what its table says')
  return pieces
}
