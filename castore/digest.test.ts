import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { bytesOfDigest, createDigester, digestOf, digestOfBytes, isDigest, parseDigest } from './digest.ts'
import { CastoreFormatError } from './errors.ts'

const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'latin1'))

test('digests are BLAKE3', () => {
  // from the test vectors of the BLAKE3 authors: bytes 0, 1, …, 250, 0, 1, … of these lengths
  const vectors: Record<number, string> = {
    0: 'af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262',
    1: '2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213',
    1024: '42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7',
    1025: 'd00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444',
  }
  for (const [length, digest] of Object.entries(vectors)) assert.equal(digestOf(Uint8Array.from({ length: Number(length) }, (_, index) => index % 251)), digest)
})

test('digesters that take turns do not disturb each other', () => {
  const data = Array.from({ length: 5 }, (_, index) => new Uint8Array(randomBytes(50_000 + index)))
  const digesters = data.map(() => createDigester())
  for (let start = 0; start < 60_000; start += 7001) {
    data.forEach((item, index) => digesters[index]!.update(item.subarray(start, start + 7001)))
    digestOf(data[0]!)
  }
  createDigester().update(bytes('left open'))
  data.forEach((item, index) => {
    assert.equal(digesters[index]!.size, item.length)
    assert.equal(digesters[index]!.digest(), digestOf(item))
  })
  assert.throws(() => digesters[0]!.digest(), /taken already/)
  assert.throws(() => digesters[0]!.update(bytes('x')), /taken already/)
  assert.equal(createDigester().digest(), digestOf(new Uint8Array(0)))
})

test('digests are checked where they come in', () => {
  const digest = digestOf(bytes('x'))
  assert.equal(digestOfBytes(bytesOfDigest(digest)), digest)
  assert.equal(parseDigest(digest), digest)
  for (const text of ['', digest.slice(1), digest.toUpperCase(), `${digest}0`, 'g'.repeat(64), `${digest}\n`]) {
    assert.ok(!isDigest(text))
    assert.throws(() => parseDigest(text), CastoreFormatError)
  }
  assert.throws(() => digestOfBytes(new Uint8Array(31)), CastoreFormatError)
})
