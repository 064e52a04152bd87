import assert from 'node:assert/strict'
import { createHash as createNodeHash, hash as nodeHash, randomBytes } from 'node:crypto'
import { after, test } from 'node:test'
import { decodeBase32, encodeBase32 } from './base32.ts'
import { byteStringOfBytes, byteStringOfText, bytesOfByteString, decodeBase16, decodeBase64, encodeBase16, encodeBase64, portable, textOfByteString, writeByteString } from './bytes.ts'
import { FormatError } from './errors.ts'
import { createHash, formatHash, hashBytes, hashesEqual, parseHash, useHashImplementation, type HashAlgorithm, type HashFormat } from './hash.ts'
import { goldenValues } from './testing/goldens.ts'

const { hashes, file } = goldenValues()
const algorithms = Object.keys(hashes) as HashAlgorithm[]

test('hashes print in all of Nix\'s forms and are read back from each', () => {
  for (const algorithm of algorithms) {
    const hash = hashBytes(algorithm, file)
    for (const [format, expected] of Object.entries(hashes[algorithm]) as [HashFormat, string][]) {
      assert.equal(formatHash(hash, format), expected)
      assert.ok(hashesEqual(parseHash(expected, algorithm), hash), `${algorithm} ${format}`)
      if (format !== 'sri') assert.ok(hashesEqual(parseHash(`${algorithm}:${expected}`), hash))
    }
    assert.ok(hashesEqual(parseHash(hashes[algorithm].sri), hash))
    assert.ok(hashesEqual(parseHash(hashes[algorithm].sri.replace(/=+$/, '')), hash), 'padding may be missing')
  }
})

test('malformed hashes are rejected with a FormatError', () => {
  const { base16, nix32, sri } = hashes.sha256
  const cases: [string, HashAlgorithm?][] = [
    ['', 'sha256'], [base16], [nix32], ['sha257:abc'], [base16, 'sha1'], [`sha1:${base16}`, 'sha256'], [sri, 'sha512'], [`${base16}0`, 'sha256'],
    [`e${nix32.slice(1)}`, 'sha256'], [`z${nix32.slice(1)}`, 'sha256'], [`sha256-${base16}`], [`sha256-${sri.slice(7).replace('=', '!')}`], ['sha256:', undefined], ['sha256-', undefined],
    [`${base16.slice(0, -1)}g`, 'sha256'], [`${base16.slice(0, -1)}é`, 'sha256'], ['__proto__:abc'],
  ]
  for (const [text, algorithm] of cases) assert.throws(() => parseHash(text, algorithm), FormatError, text)
})

test('an incremental hash does not depend on how the data is cut', () => {
  const data = randomBytes(100_000)
  for (const algorithm of algorithms) {
    const hash = createHash(algorithm)
    for (let start = 0; start < data.length; start += 777) hash.update(data.subarray(start, start + 777))
    assert.equal(encodeBase16(hash.digest()), createNodeHash(algorithm).update(data).digest('hex'))
  }
})

test('another implementation can be put in place, and taken back', () => {
  after(() => useHashImplementation())
  const asked: string[] = []
  useHashImplementation({
    create: (algorithm) => {
      const state = createNodeHash(algorithm)
      return { update: (data) => { state.update(data) }, digest: () => state.digest() }
    },
    digest: (algorithm, data) => {
      asked.push(algorithm)
      return nodeHash(algorithm, data, 'buffer')
    },
  })
  assert.equal(formatHash(hashBytes('sha256', file), 'nix32'), hashes.sha256.nix32)
  assert.deepEqual(asked, ['sha256'])
})

test('encodings are inverse to their decodings for every length', () => {
  for (let length = 0; length < 70; length++) {
    const bytes = new Uint8Array(randomBytes(length))
    assert.deepEqual(decodeBase32(encodeBase32(bytes)), bytes)
    assert.deepEqual(decodeBase16(encodeBase16(bytes)), bytes)
    assert.deepEqual(decodeBase64(encodeBase64(bytes)), bytes)
    assert.equal(encodeBase64(bytes), Buffer.from(bytes).toString('base64'))
    assert.deepEqual(bytesOfByteString(byteStringOfBytes(bytes)), bytes)
  }
})

test('base 64 has one form only', () => {
  for (const text of ['A', 'AA=', 'AAA==', 'A===', '=', 'AA AA', 'AAAA=', 'A-A_']) assert.throws(() => decodeBase64(text), FormatError, text)
})

test('what is portable reads and writes byte strings as Node does', () => {
  const every = Uint8Array.from({ length: 256 }, (_, byte) => byte)
  for (const bytes of [every, every.subarray(0, 0), every.subarray(60, 100), new Uint8Array(Buffer.alloc(20_000, every))]) {
    const text = byteStringOfBytes(bytes)
    assert.equal(text, Buffer.from(bytes).toString('latin1'))
    assert.equal(portable.read(bytes), text)
    assert.equal(portable.encodeBase16(bytes), encodeBase16(bytes))
    for (const write of [writeByteString, portable.write]) {
      const written = new Uint8Array(bytes.length + 4)
      write(written, text, 2)
      assert.deepEqual(written, new Uint8Array([0, 0, ...bytes, 0, 0]))
    }
  }
})

test('text and byte strings', () => {
  for (const text of ['', 'ascii', 'zürich', '日本 𝄞']) {
    assert.equal(byteStringOfText(text), Buffer.from(text).toString('latin1'))
    assert.equal(textOfByteString(byteStringOfText(text)), text)
  }
  assert.throws(() => bytesOfByteString('日'), RangeError)
})
