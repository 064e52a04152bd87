import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LineIndex } from './line-index.ts'

const log = (lines: number): string => Array.from({ length: lines }, (_, line) => `line ${line} é\n`).join('')

/** What a second reading of the whole would say. */
function expected(text: string): { lines: number; offsets: number[] } {
  const lines = text.split('\n')
  if (lines.at(-1) === '') lines.pop()
  const offsets = [0]
  let at = 0
  for (const [index, line] of text.split('\n').slice(0, -1).entries()) {
    at += Buffer.byteLength(line) + 1
    if ((index + 1) % 1000 === 0) offsets.push(at)
  }
  return { lines: lines.length, offsets }
}

test('lines are where they are, wherever the parts end', () => {
  for (const text of ['', 'one', 'one\n', log(999), log(1000), `${log(3000)}begun`, '\n'.repeat(2001)]) {
    for (const size of [1, 7, 4096]) {
      const index = new LineIndex()
      const bytes = Buffer.from(text)
      for (let at = 0; at < bytes.length; at += size) index.extend(bytes.subarray(at, at + size))
      assert.deepEqual({ lines: index.lines, offsets: index.offsets, bytes: index.bytes }, { ...expected(text), bytes: bytes.length })
    }
  }
})

test('a kept index is read as it was written, and grows on', () => {
  const whole = new LineIndex()
  whole.extend(Buffer.from(`${log(2500)}beg`))
  const read = LineIndex.decode(whole.encode())!
  assert.deepEqual(read, whole)
  read.extend(Buffer.from('un\nand more\n'))
  assert.deepEqual([read.lines, read.atStart], [2502, true])
})

test('what another version wrote is no index', () => {
  const encoded = Buffer.from(new LineIndex().encode())
  assert.equal(LineIndex.decode(encoded.subarray(0, 20)), undefined)
  assert.equal(LineIndex.decode(Buffer.from('a note of somebody else\'s, long enough')), undefined)
  encoded.writeUInt32LE(500, 4)
  assert.equal(LineIndex.decode(encoded), undefined)
})
