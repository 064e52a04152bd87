import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, describe, it } from 'node:test'

import { type Digest, digestOf } from '../../castore/digest.ts'
import { FirnError } from '../../contract/errors.ts'
import { collectBytes } from '../bytes.ts'
import type { ObjectStore } from '../objects/interface.ts'
import { MemoryObjectStore } from '../objects/memory.ts'
import { BLOB_BACKENDS } from '../testing/backends.ts'
import type { BlobPart } from './interface.ts'
import { MemoryBlobIndex } from './memory-index.ts'
import { readPackTable } from './pack.ts'
import { PackedBlobStore } from './packed.ts'

const ofKind = (kind: string) => (error: unknown) => error instanceof FirnError && error.kind === kind
const equal = (left: Uint8Array, right: Uint8Array) => assert.ok(Buffer.compare(left, right) === 0, `${left.length} and ${right.length} bytes differ`)

async function* inParts(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  // One buffer used again and again, as sources do.
  const buffer = new Uint8Array(size)
  for (let start = 0; start < bytes.length; start += size) {
    const part = bytes.subarray(start, start + size)
    buffer.set(part)
    yield buffer.subarray(0, part.length)
  }
}

async function put(store: PackedBlobStore, ...blobs: Uint8Array[]): Promise<Digest[]> {
  const upload = store.upload()
  const stored = await Promise.all(blobs.map((bytes) => upload.add(bytes)))
  await upload.finish()
  return stored.map(({ digest }) => digest)
}

async function assemble(parts: AsyncIterable<BlobPart>): Promise<Map<string, Uint8Array>> {
  const whole = new Map<string, Uint8Array>()
  for await (const { digest, offset, size, bytes } of parts) {
    const target = whole.get(digest) ?? new Uint8Array(size)
    target.set(bytes, offset)
    whole.set(digest, target)
  }
  return whole
}

for (const [name, open] of Object.entries(BLOB_BACKENDS)) {
  describe(`blobs: ${name}`, async () => {
    const backend = await open()
    const store = new PackedBlobStore(backend.objects, backend.index)
    after(async () => {
      await store.close()
      await backend.close()
    })

    it('gives back small, large and empty blobs, whole and by range', async () => {
      const large = randomBytes(9_000_000)
      const small = randomBytes(5000)
      const empty = new Uint8Array(0)
      const [largeDigest, smallDigest, emptyDigest] = await put(store, large, small, empty) as [Digest, Digest, Digest]
      assert.equal(largeDigest, digestOf(large))
      equal(await store.read(largeDigest), large)
      equal(await store.read(smallDigest), small)
      equal(await store.read(emptyDigest), empty)
      for (const [start, end] of [[0, 1], [4_000_000, 4_000_001], [1_234_567, 8_765_432], [8_999_990, undefined], [9_000_000, undefined]] as const) {
        equal(await collectBytes(store.open(largeDigest, end === undefined ? { start } : { start, end })), large.subarray(start, end))
      }
      equal(await collectBytes(store.open(smallDigest, { start: 10, end: 20 })), small.subarray(10, 20))
    })

    it('streams in blobs of unknown size', async () => {
      for (const size of [0, 1, 70_000, 1024 * 1024, 1024 * 1024 + 1, 6_000_000]) {
        const bytes = randomBytes(size)
        const upload = store.upload()
        const stored = await upload.addStream(inParts(bytes, 65_536))
        await upload.finish()
        assert.deepEqual(stored, { digest: digestOf(bytes), size })
        equal(await store.read(stored.digest), bytes)
      }
    })

    it('makes nothing of an upload visible before it has ended', async () => {
      const upload = store.upload()
      const { digest } = await upload.add(randomBytes(100))
      assert.equal((await store.has([digest])).size, 0)
      await upload.finish()
      assert.deepEqual([...await store.has([digest, digestOf(randomBytes(3))])], [digest])
    })

    it('reads thousands of small blobs in few requests, in order and gathered', async () => {
      const blobs = Array.from({ length: 3000 }, (_, index) => new TextEncoder().encode(`${index} `.repeat(200)))
      backend.requests.length = 0
      const digests = await put(store, ...blobs)
      const writes = backend.requests.length
      const shuffled = [...digests].sort()
      const gathered = await assemble(store.gather(shuffled))
      const ordered = await assemble(store.openMany(digests))
      for (const [index, digest] of digests.entries()) {
        equal(gathered.get(digest)!, blobs[index]!)
        equal(ordered.get(digest)!, blobs[index]!)
      }
      assert.ok(writes <= 3 && backend.requests.length <= 10, `${writes} to write, ${backend.requests.length} in all`)
    })

    it('stores what is there already only once', async () => {
      const large = randomBytes(8_000_000)
      await put(store, large)
      const changed = Buffer.concat([large.subarray(0, 100_000), Buffer.from('inserted'), large.subarray(100_000)])
      const upload = store.upload()
      await upload.add(large)
      await upload.addStream(inParts(large, 100_000))
      assert.equal((await upload.finish()).storedBytes, 0)
      const second = store.upload()
      const { digest } = await second.add(changed)
      const { storedBytes } = await second.finish()
      assert.ok(storedBytes < 6_000_000, `${storedBytes} bytes stored for 8 inserted`)
      equal(await store.read(digest), changed)
    })

    it('takes equal content from two uploads at once', async () => {
      const blobs = Array.from({ length: 700 }, () => randomBytes(3000))
      const [one, two] = await Promise.all([put(store, ...blobs), put(store, ...[...blobs].reverse())])
      assert.deepEqual([...two].reverse(), one)
      const whole = await assemble(store.gather(one))
      for (const [index, digest] of one.entries()) equal(whole.get(digest)!, blobs[index]!)
    })

    it('says not-found, and limit', async () => {
      await assert.rejects(store.read(digestOf(randomBytes(9))), ofKind('not-found'))
      await assert.rejects(assemble(store.gather([digestOf(randomBytes(9))])), ofKind('not-found'))
      const [digest] = await put(store, randomBytes(2000)) as [Digest]
      await assert.rejects(store.read(digest, 1999), ofKind('limit'))
    })
  })
}

describe('blobs: faults', () => {
  const failing = (objects: ObjectStore, puts: number): ObjectStore => new Proxy(objects, {
    get(target, name) {
      if (name === 'put') return (key: string, body: Uint8Array) => puts-- > 0 ? target.put(key, body) : Promise.reject(new FirnError('unavailable', 'the bucket is gone'))
      const value = Reflect.get(target, name) as unknown
      return typeof value === 'function' ? (value as (...args: unknown[]) => unknown).bind(target) : value
    },
  })

  it('an upload whose object store fails midway fails, and what it described is not there', async () => {
    const index = new MemoryBlobIndex()
    const store = new PackedBlobStore(failing(new MemoryObjectStore(), 2), index)
    const upload = store.upload()
    const large = randomBytes(60_000_000)
    let failure: unknown
    let digest: Digest | undefined
    try {
      digest = (await upload.addStream(inParts(large, 1_000_000))).digest
      await upload.finish()
    } catch (error) {
      failure = error
    }
    assert.ok(ofKind('unavailable')(failure))
    await upload.abandon()
    await assert.rejects(store.read(digest ?? digestOf(large)), ofKind('not-found'))
  })

  it('after a failure the same store takes an upload again', async () => {
    const index = new MemoryBlobIndex()
    const objects = new MemoryObjectStore()
    const broken = new PackedBlobStore(failing(objects, 0), index)
    const bytes = randomBytes(100_000)
    await assert.rejects(put(broken, bytes), ofKind('unavailable'))
    const store = new PackedBlobStore(objects, index)
    const [digest] = await put(store, bytes) as [Digest]
    equal(await store.read(digest), bytes)
  })

  it('a corrupt pack is detected, and never given out', async () => {
    const objects = new MemoryObjectStore()
    const store = new PackedBlobStore(objects, new MemoryBlobIndex())
    const blobs = Array.from({ length: 20 }, () => randomBytes(10_000))
    const digests = await put(store, ...blobs)
    const { key, size } = (await objects.list('packs/').next()).value!
    assert.equal((await readPackTable(objects, key, size)).length, 20)
    const damaged = await objects.read(key)
    damaged[55_555]! ^= 1
    await objects.delete([key])
    await objects.put(key, damaged)
    await assert.rejects(store.read(digests[5]!), ofKind('corrupt'))
    equal(await store.read(digests[6]!), blobs[6]!)
    await objects.delete([key])
    await objects.put(key, damaged.subarray(0, 150_000))
    await assert.rejects(store.read(digests[19]!), ofKind('corrupt'))
    await assert.rejects(readPackTable(objects, key, 150_000), ofKind('corrupt'))
  })

  it('many uploads at once stay within the memory that they share', async () => {
    const objects = new MemoryObjectStore()
    const store = new PackedBlobStore(objects, new MemoryBlobIndex(), { uploadMemory: 4_000_000 })
    const digests = await Promise.all(Array.from({ length: 8 }, async () => {
      const upload = store.upload()
      for (let count = 0; count < 10; count++) await upload.add(randomBytes(300_000))
      const last = await upload.add(randomBytes(1000))
      await upload.finish()
      return last.digest
    }))
    assert.equal((await store.has(digests)).size, 8)
  })
})
