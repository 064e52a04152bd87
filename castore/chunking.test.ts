import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chunks, chunksOfBytes, Chunker, type ChunkingParameters } from './chunking.ts'
import { digestOf } from './digest.ts'

const SMALL: ChunkingParameters = { minimum: 256, average: 1024, maximum: 4096 }

async function chunked(source: Iterable<Uint8Array>, parameters: ChunkingParameters): Promise<Uint8Array[]> {
  const result: Uint8Array[] = []
  for await (const chunk of chunks(source, parameters)) result.push(chunk)
  return result
}

/** Bytes that are the same in every run. */
function noise(length: number): Uint8Array {
  const data = new Uint8Array(length)
  let state = 12345
  for (let index = 0; index < length; index++) {
    state = (Math.imul(state, 1103515245) + 12345) | 0
    data[index] = state >>> 16
  }
  return data
}

test('chunks hold the data, within their limits, however it arrives', async () => {
  const data = noise(200_000)
  const expected = chunksOfBytes(data, SMALL)
  assert.deepEqual(Buffer.concat(expected), Buffer.from(data))
  assert.ok(expected.every((chunk) => chunk.length <= SMALL.maximum))
  assert.ok(expected.slice(0, -1).every((chunk) => chunk.length >= SMALL.minimum))
  const mean = data.length / expected.length
  assert.ok(mean > SMALL.average / 2 && mean < SMALL.average * 2, `mean ${mean}`)
  for (const size of [29, 255, 4096, 50_000]) {
    const pieces = Array.from({ length: Math.ceil(data.length / size) }, (_, index) => data.subarray(index * size, (index + 1) * size))
    assert.deepEqual(await chunked(pieces, SMALL), expected.map((chunk) => chunk.slice()))
  }
})

test('boundaries never change', () => {
  // What is stored depends on them: if this fails, no stored chunk is found again.
  assert.deepEqual(chunksOfBytes(noise(8000), SMALL).map((chunk) => chunk.length), [1025, 1132, 1512, 1111, 1058, 1344, 818])
})

test('a change leaves the chunks far from it as they were', () => {
  const data = noise(300_000)
  const changed = Buffer.concat([data.subarray(0, 150_000), Buffer.from('something new'), data.subarray(150_000)])
  const digests = new Set(chunksOfBytes(data, SMALL).map(digestOf))
  const others = chunksOfBytes(changed, SMALL).map(digestOf)
  const fresh = others.filter((digest) => !digests.has(digest))
  assert.ok(fresh.length <= 6, `${fresh.length} of ${others.length} chunks are new`)
})

test('data without any boundary is cut at the maximum', () => {
  const lengths = chunksOfBytes(new Uint8Array(10_000).fill(1), SMALL).map((chunk) => chunk.length)
  assert.deepEqual(lengths, [4096, 4096, 1808])
})

test('nothing gives no chunk, and one byte gives one', async () => {
  assert.deepEqual(await chunked([], SMALL), [])
  assert.deepEqual(await chunked([new Uint8Array(0)], SMALL), [])
  assert.deepEqual(await chunked([Uint8Array.of(7)], SMALL), [Uint8Array.of(7)])
})

test('parameters that make no sense are refused', () => {
  for (const parameters of [{ minimum: 0, average: 1024, maximum: 2048 }, { minimum: 256, average: 1000, maximum: 2048 }, { minimum: 2048, average: 1024, maximum: 4096 }, { minimum: 256, average: 1024, maximum: 512 }]) {
    assert.throws(() => new Chunker(() => {}, parameters), RangeError)
  }
})
