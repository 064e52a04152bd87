/**
 * Ring: nix. Reads a stream of chunks by exact counts. Methods named `try…` answer at once when the bytes are there
 * already, so that parsing thousands of small things does not wait for as many promises; `undefined` means: await the
 * other one. The encoding of numbers and strings is that of NARs and of the worker protocol alike.
 */
import { FormatError } from './errors.ts'

const EMPTY = new Uint8Array(0)

export class ByteSource {
  readonly #chunks: AsyncIterator<Uint8Array> | Iterator<Uint8Array>
  #buffer: Uint8Array = EMPTY
  #view: DataView = new DataView(EMPTY.buffer)
  #offset = 0
  #consumedBefore = 0
  #ended = false

  constructor(source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>) {
    this.#chunks = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]()
  }

  /** Bytes taken so far. */
  get position(): number {
    return this.#consumedBefore + this.#offset
  }

  error(message: string): FormatError {
    return new FormatError(message, { position: this.position })
  }

  #set(buffer: Uint8Array): void {
    this.#consumedBefore += this.#offset
    this.#buffer = buffer
    this.#view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength)
    this.#offset = 0
  }

  get #available(): number {
    return this.#buffer.length - this.#offset
  }

  /** Gets one more chunk; false at the end. */
  async #pull(): Promise<boolean> {
    while (!this.#ended) {
      const next = await this.#chunks.next()
      if (next.done === true) {
        this.#ended = true
        return false
      }
      if (next.value.length === 0) continue
      const left = this.#available
      if (left === 0) {
        this.#set(next.value)
      } else {
        const joined = new Uint8Array(left + next.value.length)
        joined.set(this.#buffer.subarray(this.#offset))
        joined.set(next.value, left)
        this.#set(joined)
      }
      return true
    }
    return false
  }

  /** Waits until `count` bytes are buffered; FormatError if the stream ends before. For small counts. */
  async #ensure(count: number): Promise<void> {
    if (this.#available >= count) return
    // Many tiny chunks must not be joined again for each of them.
    const parts = [this.#buffer.subarray(this.#offset)]
    let gathered = this.#available
    this.#set(EMPTY)
    while (gathered < count) {
      if (!(await this.#pull())) throw this.error(`unexpected end of input, ${count - gathered} bytes are missing`)
      parts.push(this.#buffer)
      gathered += this.#buffer.length
      this.#buffer = EMPTY
    }
    const joined = new Uint8Array(gathered)
    let at = 0
    for (const part of parts) {
      joined.set(part, at)
      at += part.length
    }
    this.#set(joined)
  }

  /** Whether nothing is left. */
  async atEnd(): Promise<boolean> {
    return this.#available === 0 && !(await this.#pull())
  }

  tryNumber(): number | undefined {
    return this.#available >= 8 ? this.#number() : undefined
  }

  /** An unsigned 64-bit little-endian number; FormatError beyond 2^53. */
  async number(): Promise<number> {
    await this.#ensure(8)
    return this.#number()
  }

  #peekNumber(): number {
    const high = this.#view.getUint32(this.#offset + 4, true)
    if (high > 0x1fffff) throw this.error('a number is beyond 2^53')
    return high * 0x1_0000_0000 + this.#view.getUint32(this.#offset, true)
  }

  #number(): number {
    const value = this.#peekNumber()
    this.#offset += 8
    return value
  }

  /** A string of at most `limit` bytes, as bytes. The array is a view on what came from the stream. */
  tryBytes(limit: number): Uint8Array | undefined {
    if (this.#available < 8) return undefined
    const length = this.#peekNumber()
    if (length > limit) throw this.error(`a string of ${length} bytes is longer than ${limit}`)
    if (this.#available < 8 + padded(length)) return undefined
    this.#offset += 8
    const bytes = this.#buffer.subarray(this.#offset, this.#offset + length)
    this.#offset += length
    this.#padding(length)
    return bytes
  }

  async bytes(limit: number): Promise<Uint8Array> {
    await this.#ensure(8)
    const length = this.#peekNumber()
    if (length > limit) throw this.error(`a string of ${length} bytes is longer than ${limit}`)
    await this.#ensure(8 + padded(length))
    return this.tryBytes(limit)!
  }

  /** The same as a byte string. */
  tryString(limit: number): string | undefined {
    const bytes = this.tryBytes(limit)
    return bytes === undefined ? undefined : decode(bytes)
  }

  async string(limit: number): Promise<string> {
    return decode(await this.bytes(limit))
  }

  tryPadding(length: number): boolean {
    if (this.#available < padded(length) - length) return false
    this.#padding(length)
    return true
  }

  /** Takes the zeros that follow a string of this length. */
  async padding(length: number): Promise<void> {
    await this.#ensure(padded(length) - length)
    this.#padding(length)
  }

  #padding(length: number): void {
    for (let left = padded(length) - length; left > 0; left--) {
      if (this.#buffer[this.#offset] !== 0) throw this.error('non-zero padding')
      this.#offset++
    }
  }

  /** At most `limit` bytes of what is buffered, without copying; undefined when nothing is. */
  tryChunk(limit: number): Uint8Array | undefined {
    if (this.#available === 0) return undefined
    const chunk = this.#buffer.subarray(this.#offset, Math.min(this.#buffer.length, this.#offset + limit))
    this.#offset += chunk.length
    return chunk
  }

  /** At least one byte and at most `limit`; FormatError at the end. */
  async chunk(limit: number): Promise<Uint8Array> {
    if (this.#available === 0 && !(await this.#pull())) throw this.error(`unexpected end of input, ${limit} bytes are missing`)
    return this.tryChunk(limit)!
  }

  /** Exactly `count` bytes. For small counts. */
  async exactly(count: number): Promise<Uint8Array> {
    await this.#ensure(count)
    return this.tryChunk(count) ?? EMPTY
  }

  /** Lets the stream go, when nothing more of it is wanted. */
  async close(): Promise<void> {
    this.#ended = true
    await this.#chunks.return?.()
  }
}

/** Strings are followed by zeros up to a multiple of eight. */
export function padded(length: number): number {
  return Math.ceil(length / 8) * 8
}

function decode(bytes: Uint8Array): string {
  if (bytes.length < 4096) return String.fromCharCode(...bytes)
  const parts: string[] = []
  for (let start = 0; start < bytes.length; start += 4096) parts.push(String.fromCharCode(...bytes.subarray(start, start + 4096)))
  return parts.join('')
}
