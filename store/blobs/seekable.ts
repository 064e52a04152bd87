/**
 * Ring: store. Compressed bytes that can be read from any place: zstd frames of a megabyte, and after them a table of where each begins, so
 * that the end of a gigabyte costs two small reads. Any zstd program decompresses the whole, since the table is a frame that they skip.
 * Upstream counterpart: zstd's seekable format (contrib/seekable_format), to which one skippable frame is added for a note of the writer's.
 */
import { promisify } from 'node:util'
import { createZstdDecompress, zstdCompress, zstdDecompress } from 'node:zlib'
import { Readable } from 'node:stream'
import type { Digest } from '../../castore/digest.ts'
import { FirnError } from '../../contract/errors.ts'
import { collectBytes, concatBytes } from '../bytes.ts'
import type { BlobStore } from './interface.ts'

export const FRAME_BYTES = 1024 * 1024
const NOTE_MAGIC = 0x184D2A50
const TABLE_MAGIC = 0x184D2A5E
const FOOTER_MAGIC = 0x8F92EAB1
const HEADER = 8
const FOOTER = 9
const ENTRY = 8
/** Holds the table of a log of 8 GB. */
const FIRST_READ = 64 * 1024

/** By default zlib hands out 16 KB at a time, each by a thread of its own: twice the time. */
const ONE_PIECE = { chunkSize: FRAME_BYTES + 64 }
const compress = promisify(zstdCompress)
const decompress = promisify(zstdDecompress)

/** Content as frames. What `note` gives, once all content has been seen, is kept beside it. */
export async function* compressSeekable(content: AsyncIterable<Uint8Array>, note?: () => Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  const entries: { readonly compressed: number; readonly plain: number }[] = []
  let held: Uint8Array[] = []
  let size = 0
  const frame = async (): Promise<Uint8Array> => {
    const compressed = await compress(concatBytes(held))
    entries.push({ compressed: compressed.length, plain: size })
    held = []
    size = 0
    return compressed
  }
  for await (const part of content) {
    for (let from = 0; from < part.length;) {
      const piece = part.subarray(from, from + FRAME_BYTES - size)
      held.push(piece)
      size += piece.length
      from += piece.length
      if (size === FRAME_BYTES) yield await frame()
    }
  }
  if (size > 0) yield await frame()
  if (note) {
    const framed = skippable(NOTE_MAGIC, note())
    entries.push({ compressed: framed.length, plain: 0 })
    yield framed
  }
  const table = Buffer.alloc(entries.length * ENTRY + FOOTER)
  for (const [index, { compressed, plain }] of entries.entries()) {
    table.writeUInt32LE(compressed, index * ENTRY)
    table.writeUInt32LE(plain, index * ENTRY + 4)
  }
  table.writeUInt32LE(entries.length, table.length - FOOTER)
  table.writeUInt32LE(FOOTER_MAGIC, table.length - 4)
  yield skippable(TABLE_MAGIC, table)
}

function skippable(magic: number, content: Uint8Array): Uint8Array {
  const framed = Buffer.alloc(HEADER + content.length)
  framed.writeUInt32LE(magic, 0)
  framed.writeUInt32LE(content.length, 4)
  framed.set(content, HEADER)
  return framed
}

export interface SeekablePart {
  /** Offset of the first byte in the content. */
  readonly position: number
  readonly bytes: Uint8Array
}

interface Frame {
  /** Where it begins in the blob, and its content in the content. */
  readonly at: number
  readonly compressed: number
  readonly position: number
  readonly plain: number
}

/** A blob that `compressSeekable` made, or one of a single frame without a table, which has to be read from its beginning. */
export class SeekableBlob {
  readonly #blobs: BlobStore
  readonly #digest: Digest
  /** Undefined where the blob has no table. */
  readonly #frames: readonly Frame[] | undefined
  readonly note: Uint8Array | undefined

  private constructor(blobs: BlobStore, digest: Digest, frames: readonly Frame[] | undefined, note: Uint8Array | undefined) {
    this.#blobs = blobs
    this.#digest = digest
    this.#frames = frames
    this.note = note
  }

  /** Errors: 'not-found', 'corrupt'. */
  static async open(blobs: BlobStore, digest: Digest): Promise<SeekableBlob> {
    const size = await blobs.size(digest)
    let end = await readRange(blobs, digest, Math.max(0, size - FIRST_READ), size)
    if (end.length < HEADER + FOOTER || end.readUInt32LE(end.length - 4) !== FOOTER_MAGIC) return new SeekableBlob(blobs, digest, undefined, undefined)
    const count = end.readUInt32LE(end.length - FOOTER)
    const tableBytes = HEADER + count * ENTRY + FOOTER
    if (tableBytes > size) throw new FirnError('corrupt', `blob ${digest} has a table of ${count} frames, more than fit into it`, { data: { digest } })
    if (tableBytes > end.length) end = await readRange(blobs, digest, size - tableBytes, size)
    const table = end.subarray(end.length - tableBytes + HEADER)
    const frames: Frame[] = []
    let at = 0
    let position = 0
    for (let index = 0; index < count; index++) {
      const compressed = table.readUInt32LE(index * ENTRY)
      const plain = table.readUInt32LE(index * ENTRY + 4)
      frames.push({ at, compressed, position, plain })
      at += compressed
      position += plain
    }
    if (at !== size - tableBytes) throw new FirnError('corrupt', `blob ${digest} has a table that does not fit its frames`, { data: { digest } })
    const last = frames.at(-1)
    if (last?.plain !== 0 || last.compressed < HEADER) return new SeekableBlob(blobs, digest, frames, undefined)
    const inEnd = last.at - (size - end.length)
    const note = inEnd >= 0 ? end.subarray(inEnd, inEnd + last.compressed) : await readRange(blobs, digest, last.at, last.at + last.compressed)
    return new SeekableBlob(blobs, digest, frames.slice(0, -1), note.readUInt32LE(0) === NOTE_MAGIC ? note.subarray(HEADER) : undefined)
  }

  /** Content from `start` on, up to `end`; reads no frame that holds nothing of it. */
  async* read(start: number, end = Infinity): AsyncGenerator<SeekablePart, void, undefined> {
    if (this.#frames === undefined) {
      yield* within(this.#fromBeginning(), start, end)
      return
    }
    const wanted = this.#frames.filter((frame) => frame.position + frame.plain > start && frame.position < end)
    if (wanted.length > 0) yield* within(this.#decompressed(wanted), start, end)
  }

  async* #decompressed(frames: readonly Frame[]): AsyncGenerator<SeekablePart, void, undefined> {
    const last = frames.at(-1)!
    let held: Buffer = Buffer.alloc(0)
    let next = 0
    for await (const bytes of this.#blobs.open(this.#digest, { start: frames[0]!.at, end: last.at + last.compressed })) {
      held = held.length === 0 ? asBuffer(bytes) : Buffer.concat([held, bytes])
      for (let frame = frames[next]; frame !== undefined && held.length >= frame.compressed; frame = frames[++next]) {
        const plain = await decompress(held.subarray(0, frame.compressed), ONE_PIECE)
        if (plain.length !== frame.plain) throw new FirnError('corrupt', `blob ${this.#digest} has a frame of ${plain.length} bytes where its table says ${frame.plain}`, { data: { digest: this.#digest } })
        held = held.subarray(frame.compressed)
        yield { position: frame.position, bytes: plain }
      }
    }
  }

  async* #fromBeginning(): AsyncGenerator<SeekablePart, void, undefined> {
    const decompressor = createZstdDecompress()
    const compressed = Readable.from(this.#blobs.open(this.#digest), { objectMode: false })
    compressed.once('error', (error) => decompressor.destroy(error))
    compressed.pipe(decompressor)
    let position = 0
    try {
      for await (const bytes of decompressor as AsyncIterable<Buffer>) {
        yield { position, bytes }
        position += bytes.length
      }
    } finally {
      compressed.destroy()
      decompressor.destroy()
    }
  }
}

async function* within(parts: AsyncIterable<SeekablePart>, start: number, end: number): AsyncGenerator<SeekablePart, void, undefined> {
  for await (const { position, bytes } of parts) {
    const from = Math.max(0, start - position)
    const to = Math.min(bytes.length, end - position)
    if (from < to) yield { position: position + from, bytes: bytes.subarray(from, to) }
    if (position + bytes.length >= end) return
  }
}

async function readRange(blobs: BlobStore, digest: Digest, start: number, end: number): Promise<Buffer> {
  if (start >= end) return Buffer.alloc(0)
  return asBuffer(await collectBytes(blobs.open(digest, { start, end })))
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
}
