import assert from 'node:assert/strict'
import { test } from 'node:test'
import { completeBytes } from '../handlers/logs.ts'
import { type LogPart, offsetOfTail } from './log.ts'

/** The text cut into parts of `size` bytes. */
async function* partsOf(text: string, size: number): AsyncGenerator<LogPart> {
  const bytes = Buffer.from(text)
  for (let position = 0; position < bytes.length; position += size) yield await Promise.resolve({ position, bytes: bytes.subarray(position, position + size) })
}

async function tail(text: string, lines: number, size: number): Promise<string> {
  return Buffer.from(text).subarray(await offsetOfTail(partsOf(text, size), lines)).toString()
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

test('characters that are cut in two wait for their other half', () => {
  const bytes = Buffer.from('aé€😀')
  assert.deepEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map((length) => completeBytes(bytes.subarray(0, length))), [1, 1, 3, 3, 3, 6, 6, 6, 6, 10])
  // what is no UTF-8 at all is passed on rather than kept for ever
  assert.equal(completeBytes(Uint8Array.of(0x80, 0x80, 0x80, 0x80)), 4)
})
