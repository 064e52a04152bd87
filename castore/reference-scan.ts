/**
 * Ring: castore. Finds which store paths some bytes refer to: the 32-character hash parts of given candidates, also
 * those that overlap, wherever the bytes are cut into chunks. Upstream: libstore/references.cc.
 *
 * Cost: a window is tested from its end, and a character outside of the base-32 alphabet moves it past that character,
 * so most binary data is touched once in several bytes; no character is tested twice. Whole windows of the alphabet are looked
 * up in bitmaps, by their last four characters and then their first four, before a string is made of them.
 */
import { CastoreFormatError } from './errors.ts'

const LENGTH = 32
const ALPHABET = '0123456789abcdfghijklmnpqrsvwxyz'
const OUTSIDE = 255
const VALUE = new Uint8Array(256).fill(OUTSIDE)
for (let value = 0; value < ALPHABET.length; value++) VALUE[ALPHABET.charCodeAt(value)] = value

export class ReferenceScanner {
  readonly #candidates: Set<string>
  readonly #found = new Set<string>()
  /** One bit for each possible ending of four characters. */
  readonly #endings = new Uint8Array(1 << 17)
  /** The same for beginnings, asked only where an ending fits. */
  readonly #beginnings = new Uint8Array(1 << 17)
  /** The end of what was scanned, in which a candidate may have begun; room for it and the beginning of what follows. */
  readonly #seam = new Uint8Array(2 * (LENGTH - 1))
  #seamLength = 0

  /** Candidates are hash parts: the first 32 characters of a store path's base name. */
  constructor(candidates: Iterable<string>) {
    this.#candidates = new Set(candidates)
    for (const candidate of this.#candidates) {
      const characters = new Uint8Array(LENGTH)
      for (let index = 0; index < candidate.length && index < LENGTH; index++) characters[index] = Math.min(candidate.charCodeAt(index), OUTSIDE)
      if (candidate.length !== LENGTH || characters.some((character) => VALUE[character] === OUTSIDE)) throw new CastoreFormatError(`not the hash part of a store path: '${candidate}'`)
      const ending = codeAt(characters, LENGTH - 4)
      const start = codeAt(characters, 0)
      this.#endings[ending >> 3]! |= 1 << (ending & 7)
      this.#beginnings[start >> 3]! |= 1 << (start & 7)
    }
  }

  /** Scans what follows; the chunk may be changed afterwards. */
  update(chunk: Uint8Array): void {
    if (this.#found.size === this.#candidates.size || chunk.length === 0) return
    const seam = this.#seam
    const joined = Math.min(chunk.length, LENGTH - 1)
    if (this.#seamLength > 0) {
      seam.set(chunk.subarray(0, joined), this.#seamLength)
      this.#scan(seam, this.#seamLength + joined)
    }
    this.#scan(chunk, chunk.length)

    const kept = LENGTH - 1
    if (chunk.length >= kept) {
      seam.set(chunk.subarray(chunk.length - kept))
      this.#seamLength = kept
    } else {
      if (this.#seamLength === 0) seam.set(chunk)
      const length = this.#seamLength + chunk.length
      const dropped = Math.max(0, length - kept)
      if (dropped > 0) seam.copyWithin(0, dropped, length)
      this.#seamLength = length - dropped
    }
  }

  /** The candidates found so far. */
  found(): ReadonlySet<string> {
    return this.#found
  }

  #scan(bytes: Uint8Array, length: number): void {
    const value = VALUE
    const endings = this.#endings
    let start = 0
    /** From `start` up to here, everything is known to be of the alphabet. */
    let known = 0
    while (start + LENGTH <= length) {
      let position = start + LENGTH - 1
      while (position >= known && value[bytes[position]!] !== OUTSIDE) position--
      if (position >= known) {
        // Everything between the culprit and the window's end was tested.
        known = start + LENGTH
        start = position + 1
        continue
      }
      // A run of the alphabet, at least a window long: every window of it may be a candidate.
      let end = start + LENGTH
      let ending = codeAt(bytes, end - 4)
      for (;;) {
        if ((endings[ending >> 3]! & (1 << (ending & 7))) !== 0) this.#test(bytes, end)
        if (end === length) return
        const next = value[bytes[end]!]!
        end++
        if (next === OUTSIDE) break
        ending = ((ending << 5) | next) & 0xfffff
      }
      start = end
      known = end
    }
  }

  #test(bytes: Uint8Array, end: number): void {
    const start = codeAt(bytes, end - LENGTH)
    if ((this.#beginnings[start >> 3]! & (1 << (start & 7))) === 0) return
    const text = String.fromCharCode(...bytes.subarray(end - LENGTH, end))
    if (this.#candidates.has(text)) this.#found.add(text)
  }
}

/** Four characters of the alphabet as a number of twenty bits. */
function codeAt(bytes: Uint8Array, index: number): number {
  return (VALUE[bytes[index]!]! << 15) | (VALUE[bytes[index + 1]!]! << 10) | (VALUE[bytes[index + 2]!]! << 5) | VALUE[bytes[index + 3]!]!
}
