import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, describe, it } from 'node:test'
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import type { Digest } from '../../castore/digest.ts'
import { FirnError } from '../../contract/errors.ts'
import { collectBytes } from '../bytes.ts'
import { MemoryObjectStore } from '../objects/memory.ts'
import { MemoryBlobIndex } from './memory-index.ts'
import { PackedBlobStore } from './packed.ts'
import { compressSeekable, FRAME_BYTES, SeekableBlob } from './seekable.ts'

/** Counts the bytes that are read of blobs. */
class CountedStore extends PackedBlobStore {
  bytesRead = 0
  override async* open(digest: Digest, range?: { readonly start: number; readonly end?: number }): AsyncGenerator<Uint8Array> {
    for await (const bytes of super.open(digest, range)) {
      this.bytesRead += bytes.length
      yield bytes
    }
  }
}

async function* inParts(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += size) yield await Promise.resolve(bytes.subarray(start, start + size))
}

describe('blobs that are read from any place', () => {
  const store = new CountedStore(new MemoryObjectStore(), new MemoryBlobIndex())
  after(() => store.close())
  const put = async (content: Uint8Array): Promise<Digest> => {
    const upload = store.upload()
    const { digest } = await upload.add(content)
    await upload.finish()
    return digest
  }
  const compressed = async (content: Uint8Array, note?: Uint8Array): Promise<Digest> => put(await collectBytes(compressSeekable(inParts(content, 70_001), note && (() => note))))
  const read = async (blob: SeekableBlob, start: number, end?: number): Promise<Buffer> => {
    const parts: Uint8Array[] = []
    let next: number | undefined
    for await (const { position, bytes } of blob.read(start, end)) {
      assert.equal(position, next ?? start, 'without gaps')
      next = position + bytes.length
      parts.push(bytes)
    }
    return Buffer.concat(parts)
  }
  // what does not compress, so that bytes read are bytes asked for
  const content = randomBytes(FRAME_BYTES * 5 + 12_345)

  it('give the same bytes from wherever they are read', async () => {
    const blob = await SeekableBlob.open(store, await compressed(content, Buffer.from('a note')))
    assert.equal(Buffer.from(blob.note!).toString(), 'a note')
    for (const [start, end] of [[0, undefined], [1, 2], [FRAME_BYTES - 1, FRAME_BYTES + 1], [FRAME_BYTES, FRAME_BYTES * 2], [content.length - 10, undefined], [content.length, undefined], [17, content.length - 17]] as const) {
      assert.ok((await read(blob, start, end)).equals(content.subarray(start, end)), `${start} to ${end}`)
    }
  })

  it('cost what is read of them, not what they hold', async () => {
    const digest = await compressed(content)
    store.bytesRead = 0
    const blob = await SeekableBlob.open(store, digest)
    await read(blob, content.length - 100)
    assert.ok(store.bytesRead < 64 * 1024 + 20_000, `the last 100 bytes: ${store.bytesRead} bytes read`)
    store.bytesRead = 0
    await read(blob, FRAME_BYTES * 2 + 5, FRAME_BYTES * 2 + 6)
    assert.ok(store.bytesRead < FRAME_BYTES * 1.01, `a byte in the middle: ${store.bytesRead} bytes read`)
  })

  it('are decompressed by every zstd program', async () => {
    for (const length of [0, 1, FRAME_BYTES, FRAME_BYTES + 1]) {
      const digest = await compressed(content.subarray(0, length), Buffer.from('note'))
      assert.ok((await read(await SeekableBlob.open(store, digest), 0)).equals(content.subarray(0, length)))
      assert.ok(zstdDecompressSync(await collectBytes(store.open(digest))).equals(content.subarray(0, length)), `${length} bytes`)
    }
  })

  it('may be a single frame without a table', async () => {
    const blob = await SeekableBlob.open(store, await put(zstdCompressSync(content)))
    assert.equal(blob.note, undefined)
    assert.ok((await read(blob, 1_000_000, 1_000_100)).equals(content.subarray(1_000_000, 1_000_100)))
  })

  it('say so where the table does not fit', async () => {
    const whole = Buffer.from(await collectBytes(compressSeekable(inParts(content.subarray(0, 5000), 1000))))
    whole.writeUInt32LE(1_000_000, whole.length - 9)
    const kind = (error: unknown): boolean => error instanceof FirnError && error.kind === 'corrupt'
    await assert.rejects(SeekableBlob.open(store, await put(whole)), kind)
    whole.writeUInt32LE(1, whole.length - 9)
    whole.writeUInt32LE(4999, whole.length - 13)
    const digest = await put(whole)
    await assert.rejects(async () => read(await SeekableBlob.open(store, digest), 0), kind)
  })
})
