/**
 * Ring: evaluator. How messages of the evaluator's process cross to its supervisor: each is a frame of the size of its header, the size of
 * its body, the header and the body. The header is the message as JSON, the body the bytes that it carries: the text of a derivation, by far
 * the most of what an evaluation says, is never made a string, escaped or searched for a line's end.
 */
import { Buffer } from 'node:buffer'
import type { EvaluatorMessage } from '../contract/evaluations.ts'
import { FirnError } from '../contract/errors.ts'

/** Two numbers of 32 bits, little-endian. */
const SIZES = 8
/** No header or body is larger: what claims to be was written by something else. */
const LARGEST = 2 ** 29
const NO_BYTES = new Uint8Array(0)

/** Gathers frames in memory that is used again. */
export class FrameBuffer {
  private buffer: Buffer
  /** Bytes that are gathered. */
  size = 0

  constructor(capacity: number) {
    this.buffer = Buffer.allocUnsafe(capacity)
  }

  /** The message is read before this returns. */
  add(message: EvaluatorMessage): void {
    const { header, body } = split(message)
    const headerSize = Buffer.byteLength(header)
    this.reserve(SIZES + headerSize + body.length)
    const { buffer } = this
    let at = buffer.writeUInt32LE(headerSize, this.size)
    at = buffer.writeUInt32LE(body.length, at)
    at += buffer.write(header, at, 'utf8')
    buffer.set(body, at)
    this.size = at + body.length
  }

  /** What was gathered, good until something is added; begins anew. */
  take(): Uint8Array {
    const taken = this.buffer.subarray(0, this.size)
    this.size = 0
    return taken
  }

  private reserve(count: number): void {
    const needed = this.size + count
    if (needed <= this.buffer.length) return
    const larger = Buffer.allocUnsafe(2 * needed)
    larger.set(this.buffer.subarray(0, this.size))
    this.buffer = larger
  }
}

function split(message: EvaluatorMessage): { readonly header: string; readonly body: Uint8Array } {
  if (message.kind !== 'derivation') return { header: JSON.stringify(message), body: NO_BYTES }
  const { kind, drvPath, aterm, references } = message
  return { header: JSON.stringify({ kind, drvPath, references } satisfies Header), body: aterm }
}

/** Takes bytes as they come and gives the messages in them. Bodies are views of what was given. */
export class FrameReader {
  private readonly chunks: Uint8Array[] = []
  private size = 0
  /** Bytes that the next step needs: joining chunks before would copy the first ones of a large frame again and again. */
  private needed = SIZES

  push(chunk: Uint8Array): void {
    this.chunks.push(chunk)
    this.size += chunk.length
  }

  /** The next message, or undefined where it isn't there as a whole. Throws where the bytes can't be a message. */
  next(): EvaluatorMessage | undefined {
    if (this.size < this.needed) return undefined
    const sizes = this.joined()
    const headerSize = checked(sizes.readUInt32LE(0))
    const bodySize = checked(sizes.readUInt32LE(4))
    this.needed = SIZES + headerSize + bodySize
    if (this.size < this.needed) return undefined
    const frame = this.joined()
    const header = parsed(frame.toString('utf8', SIZES, SIZES + headerSize))
    const message = header.kind === 'derivation' ? { ...header, aterm: frame.subarray(SIZES + headerSize, this.needed) } : header
    this.chunks[0] = frame.subarray(this.needed)
    this.size -= this.needed
    this.needed = SIZES
    return message
  }

  /** All that is there, as one. */
  private joined(): Buffer {
    const [first] = this.chunks
    const all = this.chunks.length === 1 && first !== undefined ? Buffer.from(first.buffer, first.byteOffset, first.byteLength) : Buffer.concat(this.chunks)
    this.chunks.length = 0
    this.chunks.push(all)
    return all
  }
}

function checked(size: number): number {
  if (size > LARGEST) throw new FirnError('internal', `the evaluator's process said something that is no message: ${size} bytes were announced`)
  return size
}

type Header = Exclude<EvaluatorMessage, { readonly kind: 'derivation' }> | Omit<Extract<EvaluatorMessage, { readonly kind: 'derivation' }>, 'aterm'>

function parsed(text: string): Header {
  try {
    return JSON.parse(text) as Header
  } catch (error) {
    throw new FirnError('internal', 'the evaluator\'s process said something that is no message: its header is no JSON', { cause: error })
  }
}
