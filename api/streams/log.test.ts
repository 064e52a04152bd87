import assert from 'node:assert/strict'
import { test } from 'node:test'
import { completeBytes } from '../handlers/logs.ts'
import { type LogPart, offsetOfTail } from './log.ts'

/** The text from an offset on, cut into parts of `size` bytes. */
async function* partsOf(text: string, size: number, start: number): AsyncGenerator<LogPart> {
  const bytes = Buffer.from(text)
  for (let position = start; position < bytes.length; position += size) yield await Promise.resolve({ position, bytes: bytes.subarray(position, position + size) })
}

async function tail(text: string, lines: number, size: number): Promise<string> {
  return Buffer.from(text).subarray(await offsetOfTail((start) => partsOf(text, size, start), Buffer.byteLength(text), lines)).toString()
}

test('a tail is what tail(1) prints, wherever the parts end', async () => {
  const text = 'one\ntwo\n\nfour\nfive\n'
  for (const size of [1, 3, 1000]) {
    assert.equal(await tail(text, 1, size), 'five\n')
    assert.equal(await tail(text, 3, size), '\nfour\nfive\n')
    assert.equal(await tail(text, 5, size), text)
    assert.equal(await tail(text, 500, size), text)
    assert.equal(await tail(text, 0, size), '')
    assert.equal(await tail('one\ntwo\nunfinished', 2, size), 'two\nunfinished')
    assert.equal(await tail('unfinished', 1, size), 'unfinished')
    assert.equal(await tail('', 4, size), '')
  }
})

test('a tail looks no further back than it must', async () => {
  const text = 'a line of a long log\n'.repeat(100_000)
  const asked: number[] = []
  const from = (start: number): AsyncIterable<LogPart> => {
    asked.push(start)
    return partsOf(text, 50_000, start)
  }
  assert.equal(await offsetOfTail(from, text.length, 10), text.length - 210)
  assert.deepEqual(asked, [text.length - 65_536])
  assert.equal(await offsetOfTail(from, text.length, 4000), text.length - 84_000)
  assert.equal(await offsetOfTail(from, text.length, 1_000_000), 0)
  assert.equal(asked.at(-1), 0)
})

test('characters that are cut in two wait for their other half', () => {
  const bytes = Buffer.from('aé€😀')
  assert.deepEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map((length) => completeBytes(bytes.subarray(0, length))), [1, 1, 3, 3, 3, 6, 6, 6, 6, 10])
  // what is no UTF-8 at all is passed on rather than kept for ever
  assert.equal(completeBytes(Uint8Array.of(0x80, 0x80, 0x80, 0x80)), 4)
})
