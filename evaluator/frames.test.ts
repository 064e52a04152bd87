/** Frames: what goes in comes out, wherever the bytes are cut; what can't be a message is told. */
import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { test } from 'node:test'
import type { EvaluatorMessage } from '../contract/evaluations.ts'
import { FirnError } from '../contract/errors.ts'
import { FrameBuffer, FrameReader } from './frames.ts'

const MESSAGES: readonly EvaluatorMessage[] = [
  { kind: 'ready' },
  { kind: 'trace', level: 'trace', text: 'lines\nand "quotes", ä, 雪 and 🌨' },
  { kind: 'derivation', drvPath: '/nix/store/a.drv', references: ['/nix/store/b.drv'], aterm: Uint8Array.from({ length: 256 }, (_, byte) => byte) },
  { kind: 'derivation', drvPath: '/nix/store/b.drv', references: [], aterm: new Uint8Array(0) },
  { kind: 'derivation', drvPath: '/nix/store/c.drv', references: [], aterm: new Uint8Array(5000).fill(7) },
  { kind: 'finished' },
]

function framed(messages: readonly EvaluatorMessage[], capacity = 64): Buffer {
  const frames = new FrameBuffer(capacity)
  for (const message of messages) frames.add(message)
  return Buffer.from(frames.take())
}

/** Takes all messages that are whole after each part. */
function read(parts: Iterable<Uint8Array>): EvaluatorMessage[] {
  const reader = new FrameReader()
  const messages: EvaluatorMessage[] = []
  for (const part of parts) {
    reader.push(part)
    for (let message = reader.next(); message !== undefined; message = reader.next()) messages.push(message)
  }
  return messages
}

/** Bodies come as views of another class. */
const plain = (messages: readonly EvaluatorMessage[]): unknown[] => messages.map((message) => (message.kind === 'derivation' ? { ...message, aterm: [...message.aterm] } : message))

test('messages come out as they went in, however the bytes are cut', () => {
  const bytes = framed(MESSAGES)
  for (const step of [1, 2, 7, 100, bytes.length]) {
    const parts = Array.from({ length: Math.ceil(bytes.length / step) }, (_, i) => bytes.subarray(i * step, (i + 1) * step))
    assert.deepEqual(plain(read(parts)), plain(MESSAGES), `cut each ${step} bytes`)
  }
})

test('a buffer is used again', () => {
  const frames = new FrameBuffer(16)
  frames.add(MESSAGES[4]!)
  assert.equal(frames.size, frames.take().length)
  assert.equal(frames.take().length, 0)
  frames.add(MESSAGES[1]!)
  assert.deepEqual(read([frames.take()]), [MESSAGES[1]])
})

test('a message that is cut off is none', () => {
  const bytes = framed(MESSAGES.slice(0, 3))
  assert.equal(read([bytes.subarray(0, -1)]).length, 2)
})

test('what is no message is told', () => {
  const none = (error: unknown): boolean => error instanceof FirnError && error.kind === 'internal' && error.message.includes('no message')
  assert.throws(() => read([Buffer.from('Segmentation fault')]), none)
  const bytes = framed([{ kind: 'ready' }])
  bytes[8] = 0
  assert.throws(() => read([bytes]), none)
})
