import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { CastoreFormatError } from './errors.ts'
import { ReferenceScanner } from './reference-scan.ts'

const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'latin1'))

const ALPHABET = '0123456789abcdfghijklmnpqrsvwxyz'
const candidate = (): string => [...randomBytes(32)].map((byte) => ALPHABET[byte & 31]).join('')

function scan(candidates: string[], pieces: Iterable<string>): string[] {
  const scanner = new ReferenceScanner(candidates)
  for (const piece of pieces) scanner.update(bytes(piece))
  return [...scanner.found()].sort()
}

test('references are found wherever they are cut', () => {
  const [first, second, third] = [candidate(), candidate(), candidate()]
  const text = `foobar${first}xyzzy\0\xff${second}`
  const expected = [first, second].sort()
  for (const size of [1, 2, 3, 5, 31, 32, 33, 40, 1000]) {
    const pieces = Array.from({ length: Math.ceil(text.length / size) }, (_, index) => text.slice(index * size, (index + 1) * size))
    assert.deepEqual(scan([first, second, third], pieces), expected, `pieces of ${size}`)
  }
})

test('references that overlap are all found', () => {
  const run = candidate() + candidate()
  const windows = Array.from({ length: 33 }, (_, index) => run.slice(index, index + 32))
  assert.deepEqual(scan(windows, [run]), [...windows].sort())
  assert.deepEqual(scan(windows, ['e' + run + 'e']), [...windows].sort())
  assert.deepEqual(scan(windows, run), [...windows].sort())
})

test('what only looks like a reference is none', () => {
  const hash = candidate()
  assert.deepEqual(scan([hash], [hash.slice(1)]), [])
  assert.deepEqual(scan([hash], [hash.slice(0, 16), 'e', hash.slice(16)]), [])
  assert.deepEqual(scan([hash], [hash.toUpperCase() === hash ? '' : hash.toUpperCase()]), [])
  assert.deepEqual(scan([], [hash]), [])
  for (const bad of ['', 'abc', 'e'.repeat(32), `${hash}0`]) assert.throws(() => new ReferenceScanner([bad]), CastoreFormatError)
})

test('the scanner finds what a plain search finds, in random data full of near misses', () => {
  for (let round = 0; round < 200; round++) {
    const candidates = Array.from({ length: 5 }, candidate)
    let text = ''
    while (text.length < 600) {
      const pick = candidates[Math.floor(Math.random() * 5)]!
      const part = [pick, pick.slice(0, 31), pick.slice(2), candidate().slice(0, 20), 'E\0t', '\xff'][Math.floor(Math.random() * 6)]!
      text += part
    }
    const pieces: string[] = []
    for (let start = 0; start < text.length;) {
      const size = 1 + Math.floor(Math.random() * 60)
      pieces.push(text.slice(start, start + size))
      start += size
    }
    assert.deepEqual(scan(candidates, pieces), candidates.filter((item) => text.includes(item)).sort(), text)
  }
})
