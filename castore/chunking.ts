/**
 * Ring: castore. Cuts data into chunks where its content says so, so that a change in one place of a large file leaves
 * the other chunks as they were. FastCDC with normalised chunking (Xia et al., 2016 and 2020), as in tvix
 * castore/src/blobservice/chunked_reader. Boundaries depend on the data and the parameters only, never on how the
 * data arrives; they are part of what is stored, so the table and the masks below must never change.
 */

export interface ChunkingParameters {
  /** Bytes. No chunk but the last is smaller. */
  readonly minimum: number
  /** A power of two; what chunks come to have on average, roughly. */
  readonly average: number
  /** No chunk is larger. */
  readonly maximum: number
}

export const DEFAULT_CHUNKING: ChunkingParameters = { minimum: 256 * 1024, average: 1024 * 1024, maximum: 4 * 1024 * 1024 }

/** The gear: 256 random words, from splitmix32 with a fixed seed, so that no table of others is copied here. */
const GEAR = new Int32Array(256)
{
  let state = 0x4669726e // "Firn"
  for (let byte = 0; byte < 256; byte++) {
    state = (state + 0x9e3779b9) | 0
    let word = state ^ (state >>> 16)
    word = Math.imul(word, 0x21f0aaad)
    word ^= word >>> 15
    word = Math.imul(word, 0x735a2d97)
    GEAR[byte] = word ^ (word >>> 15)
  }
}

/** Normalisation: before the average, a boundary is four times rarer than at the average, behind it four times commoner. */
const NORMALISATION = 2

interface Plan extends ChunkingParameters {
  readonly rareMask: number
  readonly commonMask: number
}

function planOf(parameters: ChunkingParameters): Plan {
  const { minimum, average, maximum } = parameters
  const bits = Math.log2(average)
  if (!Number.isInteger(bits) || bits < 6 || bits > 28 || !Number.isInteger(minimum) || !Number.isInteger(maximum) || minimum < 64 || minimum > average || average > maximum) {
    throw new RangeError(`not parameters of chunking: minimum ${minimum}, average ${average}, maximum ${maximum}`)
  }
  // The upper bits of the gear hash have seen the most bytes.
  const mask = (count: number): number => count === 0 ? 0 : (-1 << (32 - count)) | 0
  return { ...parameters, rareMask: mask(bits + NORMALISATION), commonMask: mask(bits - NORMALISATION) }
}

/** Finds boundaries. What it knows of the chunk under way is its length and the gear hash, so each byte is looked at once. */
class BoundaryFinder {
  readonly #plan: Plan
  /** Bytes of the chunk under way. */
  #length = 0
  #hash = 0

  constructor(plan: Plan) {
    this.#plan = plan
  }

  /** Where, from `start`, the chunk under way ends (behind its last byte), or -1 if it goes on behind these bytes. */
  next(bytes: Uint8Array, start: number): number {
    const { minimum, average, maximum, rareMask, commonMask } = this.#plan
    /** Offset in `bytes` of the chunk's first byte; negative if it began in earlier ones. */
    const begin = start - this.#length
    let position = Math.max(start, begin + minimum)
    let hash = this.#hash
    const middle = Math.min(bytes.length, begin + average)
    for (; position < middle; position++) {
      hash = ((hash << 1) + GEAR[bytes[position]!]!) | 0
      if ((hash & rareMask) === 0) return this.#found(position + 1)
    }
    const last = Math.min(bytes.length, begin + maximum)
    for (; position < last; position++) {
      hash = ((hash << 1) + GEAR[bytes[position]!]!) | 0
      if ((hash & commonMask) === 0) return this.#found(position + 1)
    }
    if (begin + maximum <= bytes.length) return this.#found(begin + maximum)
    this.#length = bytes.length - begin
    this.#hash = hash
    return -1
  }

  #found(end: number): number {
    this.#length = 0
    this.#hash = 0
    return end
  }
}

/** Cuts data that comes in pieces. Holds at most one chunk. */
export class Chunker {
  readonly #finder: BoundaryFinder
  readonly #maximum: number
  readonly #sink: (chunk: Uint8Array) => void
  #buffer = new Uint8Array(0)
  #used = 0

  /** The sink gets chunks that are its own to keep. */
  constructor(sink: (chunk: Uint8Array) => void, parameters: ChunkingParameters = DEFAULT_CHUNKING) {
    this.#finder = new BoundaryFinder(planOf(parameters))
    this.#maximum = parameters.maximum
    this.#sink = sink
  }

  update(piece: Uint8Array): void {
    let start = 0
    while (start < piece.length) {
      const end = this.#finder.next(piece, start)
      this.#append(piece.subarray(start, end === -1 ? piece.length : end))
      if (end === -1) return
      this.#give()
      start = end
    }
  }

  /** The end: gives out what is left. */
  finish(): void {
    if (this.#used > 0) this.#give()
  }

  #append(bytes: Uint8Array): void {
    const length = this.#used + bytes.length
    if (length > this.#buffer.length) {
      const larger = new Uint8Array(Math.min(this.#maximum, Math.max(length, this.#buffer.length * 2)))
      larger.set(this.#buffer.subarray(0, this.#used))
      this.#buffer = larger
    }
    this.#buffer.set(bytes, this.#used)
    this.#used = length
  }

  #give(): void {
    const chunk = this.#buffer.slice(0, this.#used)
    this.#used = 0
    this.#sink(chunk)
  }
}

/** Chunks of data that is all there, as views on it. */
export function chunksOfBytes(bytes: Uint8Array, parameters: ChunkingParameters = DEFAULT_CHUNKING): Uint8Array[] {
  const finder = new BoundaryFinder(planOf(parameters))
  const result: Uint8Array[] = []
  let start = 0
  while (start < bytes.length) {
    const end = finder.next(bytes, start)
    result.push(bytes.subarray(start, end === -1 ? bytes.length : end))
    start = end === -1 ? bytes.length : end
  }
  return result
}

/** Chunks of a stream. */
export async function* chunks(source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, parameters: ChunkingParameters = DEFAULT_CHUNKING): AsyncGenerator<Uint8Array, void, undefined> {
  const ready: Uint8Array[] = []
  const chunker = new Chunker((chunk) => ready.push(chunk), parameters)
  for await (const piece of source) {
    chunker.update(piece)
    yield* ready
    ready.length = 0
  }
  chunker.finish()
  yield* ready
}
