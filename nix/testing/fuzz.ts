/**
 * For tests of this ring: damages valid input in ways that happen (cut off, bytes changed, parts twice or missing) and
 * that an attacker would try. Deterministic, so that a failure can be repeated.
 */

/** A small generator of numbers (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let word = Math.imul(state ^ (state >>> 15), 1 | state)
    word = (word + Math.imul(word ^ (word >>> 7), 61 | word)) ^ word
    return ((word ^ (word >>> 14)) >>> 0) / 0x1_0000_0000
  }
}

/** Damaged copies of the input: some truncations, and `count` others. */
export function* damaged(original: Uint8Array, count: number, seed = 1): Generator<Uint8Array, void, undefined> {
  const input = new Uint8Array(original) // a Buffer's slice would share its memory
  const random = randomOf(seed)
  const below = (limit: number): number => Math.floor(random() * limit)
  for (let length = 0; length < input.length; length += Math.max(1, Math.floor(input.length / 40))) yield input.slice(0, length)
  for (let index = 0; index < count; index++) {
    const copy = input.slice()
    const at = below(input.length)
    switch (below(5)) {
      case 0: copy[at] = below(256); break
      case 1: copy[at]! ^= 1 << below(8); break
      case 2: copy.fill(0xff, at, at + 8); break // lengths beyond all limits
      case 3: copy.copyWithin(at, below(input.length), below(input.length)); break
      default: copy.fill(0, at, at + below(16)); break
    }
    yield copy
  }
}

/** The input in chunks of random sizes, as a network would bring it. */
export function* inPieces(input: Uint8Array, largest: number, seed = 1): Generator<Uint8Array, void, undefined> {
  const random = randomOf(seed)
  let start = 0
  while (start < input.length) {
    const end = start + 1 + Math.floor(random() * largest)
    yield input.subarray(start, end)
    start = end
  }
}
