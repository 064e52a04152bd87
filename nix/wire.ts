/**
 * Ring: nix. The encoding under the worker protocol, the serve protocol and `nix-store --export`: 64-bit little-endian
 * numbers, strings padded to eight bytes, lists and maps behind their count. Upstream: libutil/serialise.cc,
 * libstore/length-prefixed-protocol-helper.hh. Strings are byte strings.
 */
import { ByteSource, padded } from './byte-source.ts'
import { FormatError } from './errors.ts'

/** Gathers values in a buffer that grows. */
export class WireWriter {
  #buffer = new Uint8Array(1024)
  #view = new DataView(this.#buffer.buffer)
  #used = 0

  #reserve(count: number): number {
    const start = this.#used
    const end = start + count
    if (end > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(end, this.#buffer.length * 2))
      larger.set(this.#buffer.subarray(0, start))
      this.#buffer = larger
      this.#view = new DataView(larger.buffer)
    }
    this.#used = end
    return start
  }

  /** An unsigned 64-bit number: an integer up to 2^53, or a bigint. */
  number(value: number | bigint): this {
    if (typeof value === 'number' && (!Number.isSafeInteger(value) || value < 0)) throw new RangeError(`not an unsigned number: ${value}`)
    const start = this.#reserve(8)
    if (typeof value === 'bigint') {
      this.#view.setBigUint64(start, value, true)
    } else {
      this.#view.setUint32(start, value >>> 0, true)
      this.#view.setUint32(start + 4, Math.floor(value / 0x1_0000_0000), true)
    }
    return this
  }

  flag(value: boolean): this {
    return this.number(value ? 1 : 0)
  }

  string(text: string): this {
    this.number(text.length)
    const start = this.#reserve(padded(text.length))
    for (let index = 0; index < text.length; index++) {
      const code = text.charCodeAt(index)
      if (code > 255) throw new RangeError(`not a byte string: '${text}'`)
      this.#buffer[start + index] = code
    }
    return this
  }

  bytes(bytes: Uint8Array): this {
    this.number(bytes.length)
    this.#buffer.set(bytes, this.#reserve(padded(bytes.length)))
    return this
  }

  /** Bytes as they are, without length and padding. */
  raw(bytes: Uint8Array): this {
    this.#buffer.set(bytes, this.#reserve(bytes.length))
    return this
  }

  strings(texts: Iterable<string>): this {
    const list = [...texts]
    this.number(list.length)
    for (const text of list) this.string(text)
    return this
  }

  /** A set: sorted, each once. */
  stringSet(texts: Iterable<string>): this {
    return this.strings([...new Set(texts)].sort())
  }

  /** Sorted by keys. */
  stringMap(entries: ReadonlyMap<string, string>): this {
    this.number(entries.size)
    for (const [key, value] of [...entries].sort(([left], [right]) => (left < right ? -1 : 1))) this.string(key).string(value)
    return this
  }

  /** What was gathered since the last time. */
  take(): Uint8Array {
    const bytes = this.#buffer.slice(0, this.#used)
    this.#used = 0
    this.#buffer.fill(0, 0, bytes.length) // padding relies on zeros
    return bytes
  }
}

export interface WireLimits {
  /** Bytes of one string. */
  readonly string: number
  /** Elements of one list. */
  readonly list: number
}

/** Derivations of many megabytes exist, and closures of some hundred thousand paths; what is beyond is no request. */
export const DEFAULT_WIRE_LIMITS: WireLimits = { string: 256 * 1024 * 1024, list: 10_000_000 }

/** Reads values as they arrive. FormatError on what is malformed, beyond the limits, or cut off. */
export class WireReader {
  readonly source: ByteSource
  readonly #limits: WireLimits

  constructor(source: ByteSource | AsyncIterable<Uint8Array> | Iterable<Uint8Array>, limits: WireLimits = DEFAULT_WIRE_LIMITS) {
    this.source = source instanceof ByteSource ? source : new ByteSource(source)
    this.#limits = limits
  }

  async number(): Promise<number> {
    return this.source.tryNumber() ?? await this.source.number()
  }

  /** The whole 64 bits. */
  async bigNumber(): Promise<bigint> {
    const bytes = await this.source.exactly(8)
    return new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true)
  }

  /** Nix takes every number but 0 for true. */
  async flag(): Promise<boolean> {
    return await this.bigNumber() !== 0n
  }

  async string(limit: number = this.#limits.string): Promise<string> {
    return this.source.tryString(limit) ?? await this.source.string(limit)
  }

  /** The array may be a view on a chunk of the stream. */
  async bytes(limit: number = this.#limits.string): Promise<Uint8Array> {
    return this.source.tryBytes(limit) ?? await this.source.bytes(limit)
  }

  /** The count before a list's elements. */
  async count(): Promise<number> {
    const count = await this.number()
    if (count > this.#limits.list) throw new FormatError(`a list of ${count} elements is longer than ${this.#limits.list}`, { position: this.source.position })
    return count
  }

  async strings(): Promise<string[]> {
    const texts: string[] = []
    for (let left = await this.count(); left > 0; left--) texts.push(await this.string())
    return texts
  }

  async stringMap(): Promise<Map<string, string>> {
    const entries = new Map<string, string>()
    for (let left = await this.count(); left > 0; left--) {
      const key = await this.string()
      entries.set(key, await this.string())
    }
    return entries
  }

  /** Data in frames (a length and that many bytes, without padding), up to the empty frame. Read it to its end. */
  async* framed(): AsyncGenerator<Uint8Array, void, undefined> {
    for (let left = await this.number(); left > 0; left = await this.number()) {
      while (left > 0) {
        const chunk = this.source.tryChunk(left) ?? await this.source.chunk(left)
        left -= chunk.length
        yield chunk
      }
    }
  }
}

/** Puts data into frames, and the empty one behind them. */
export async function* framed(source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  const writer = new WireWriter()
  for await (const chunk of source) {
    if (chunk.length === 0) continue
    yield writer.number(chunk.length).take()
    yield chunk
  }
  yield writer.number(0).take()
}
