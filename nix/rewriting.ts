/**
 * Ring: nix. Replaces texts in a stream, and hashes a stream modulo its references to itself: the content address of
 * an output that holds its own path. Upstream: RewritingSink and HashModuloSink in libstore/references.cc.
 */
import { bytesOfByteString } from './bytes.ts'
import { createHash, type Hash, type HashAlgorithm, type HashFactory } from './hash.ts'

/**
 * Replaces byte strings by others of the same length in data that comes in pieces, wherever it is cut. What was
 * replaced isn't looked at again.
 */
export class Rewriter {
  readonly #rewrites: readonly { readonly from: Uint8Array; readonly to: Uint8Array }[]
  readonly #sink: (chunk: Uint8Array) => void
  readonly #onMatch: (position: number) => void
  readonly #longest: number
  readonly #shortest: number
  /**
   * Horspool's table over the first `shortest` bytes of each text: by the byte at the end of a window of that length,
   * how far the window may move; 0 where a text may be there.
   */
  readonly #skip: Uint32Array
  #rest: Uint8Array = new Uint8Array(0)
  #position = 0

  /**
   * The sink gets chunks that it may keep. `onMatch` gets the offset of each replacement in the whole stream, in order.
   * At one place the first of the map that fits is taken.
   */
  constructor(rewrites: ReadonlyMap<string, string>, sink: (chunk: Uint8Array) => void, onMatch: (position: number) => void = () => {}) {
    this.#rewrites = [...rewrites].filter(([from, to]) => from !== to).map(([from, to]) => {
      if (from.length !== to.length || from === '') throw new RangeError(`can't replace '${from}' by '${to}' in a stream: their lengths differ`)
      return { from: bytesOfByteString(from), to: bytesOfByteString(to) }
    })
    this.#sink = sink
    this.#onMatch = onMatch
    this.#longest = Math.max(0, ...this.#rewrites.map(({ from }) => from.length))
    this.#shortest = Math.min(...this.#rewrites.map(({ from }) => from.length), this.#longest)
    this.#skip = new Uint32Array(256).fill(this.#shortest)
    for (const { from } of this.#rewrites) {
      for (let index = 0; index < this.#shortest; index++) {
        const byte = from[index]!
        this.#skip[byte] = Math.min(this.#skip[byte]!, this.#shortest - 1 - index)
      }
    }
  }

  update(chunk: Uint8Array): void {
    const bytes = new Uint8Array(this.#rest.length + chunk.length)
    bytes.set(this.#rest)
    bytes.set(chunk, this.#rest.length)
    this.#emit(bytes, false)
  }

  /** The end: gives out what was held back. */
  finish(): void {
    const rest = this.#rest
    this.#rest = new Uint8Array(0)
    this.#emit(rest, true)
  }

  #emit(bytes: Uint8Array, last: boolean): void {
    // Where the longest text still fits, a match can be told; behind that it may be cut off.
    const limit = last ? bytes.length : Math.max(0, bytes.length - this.#longest + 1)
    const index = this.#shortest === 0 ? bytes.length : this.#replace(bytes, limit)
    this.#rest = bytes.slice(index)
    this.#position += index
    if (index > 0) this.#sink(bytes.subarray(0, index))
  }

  /** Replaces what begins before `limit`; gives the place up to which nothing is left to do. */
  #replace(bytes: Uint8Array, limit: number): number {
    const skip = this.#skip
    const shortest = this.#shortest
    const stop = Math.min(limit, bytes.length - shortest + 1)
    let index = 0
    while (index < stop) {
      const distance = skip[bytes[index + shortest - 1]!]!
      if (distance > 0) index += distance
      else index += this.#replaceAt(bytes, index)
    }
    return Math.max(limit, index)
  }

  /** Replaces what is at this place, if anything; gives how far to go on. */
  #replaceAt(bytes: Uint8Array, index: number): number {
    for (const { from, to } of this.#rewrites) {
      if (!matches(bytes, index, from)) continue
      bytes.set(to, index)
      this.#onMatch(this.#position + index)
      return to.length
    }
    return 1
  }
}

function matches(bytes: Uint8Array, start: number, text: Uint8Array): boolean {
  if (start + text.length > bytes.length) return false
  for (let index = 0; index < text.length; index++) if (bytes[start + index] !== text[index]) return false
  return true
}

/** A stream with texts replaced. */
export async function* rewriteStream(source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, rewrites: ReadonlyMap<string, string>): AsyncGenerator<Uint8Array, void, undefined> {
  const ready: Uint8Array[] = []
  const rewriter = new Rewriter(rewrites, (chunk) => ready.push(chunk))
  for await (const chunk of source) {
    rewriter.update(chunk)
    yield* ready
    ready.length = 0
  }
  rewriter.finish()
  yield* ready
}

/**
 * A hash in which each occurrence of `modulus` (a store path's hash part) counts as zeros, and their offsets count
 * too, so that content with zeros in their place has another hash.
 */
export class ModuloHash {
  readonly #algorithm: HashAlgorithm
  readonly #hash: ReturnType<HashFactory>
  readonly #rewriter: Rewriter
  readonly #positions: number[] = []
  /** Bytes taken so far. */
  size = 0

  constructor(algorithm: HashAlgorithm, modulus: string, factory: HashFactory = createHash) {
    this.#algorithm = algorithm
    this.#hash = factory(algorithm)
    this.#rewriter = new Rewriter(new Map([[modulus, '\0'.repeat(modulus.length)]]), (chunk) => this.#hash.update(chunk), (position) => this.#positions.push(position))
  }

  /** Whether the modulus was met so far: the content refers to itself. */
  get hasSelfReference(): boolean {
    return this.#positions.length > 0
  }

  update(chunk: Uint8Array): void {
    this.size += chunk.length
    this.#rewriter.update(chunk)
  }

  digest(): Hash {
    this.#rewriter.finish()
    for (const position of this.#positions) this.#hash.update(bytesOfByteString(`|${position}`))
    return { algorithm: this.#algorithm, bytes: this.#hash.digest() }
  }
}

/** Replaces texts in a text, all at once, lengths free; what was replaced isn't looked at again. */
export function rewriteString(text: string, rewrites: ReadonlyMap<string, string>): string {
  const froms = [...rewrites.keys()].filter((from) => from !== '' && text.includes(from))
  if (froms.length === 0) return text
  const pattern = new RegExp(froms.map((from) => from.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')).join('|'), 'g')
  return text.replace(pattern, (from) => rewrites.get(from)!)
}
