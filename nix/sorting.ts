/**
 * Ring: nix. Sets and maps of names and paths as Nix writes them: sorted by bytes. Nearly all are short, and sorted with every derivation: an
 * engine's own sort makes 1.5 kB of notes for each, so short ones are sorted by insertion.
 */

/** A map as its keys, sorted, and their values in the same order. */
export interface SortedMap<T> {
  readonly keys: readonly string[]
  readonly values: readonly T[]
}

/** Up to this length, insertion is quicker. */
const SHORT = 64

/** Order of byte strings: code units are bytes, so JavaScript's order is Nix's. */
export function byBytes(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** Sorts in place. */
export function sortInPlace<T>(items: T[], compare: (a: T, b: T) => number): T[] {
  if (items.length > SHORT) return items.sort(compare)
  for (let end = 1; end < items.length; end++) {
    const item = items[end]!
    if (compare(items[end - 1]!, item) <= 0) continue
    let low = 0
    let high = end - 1
    while (low < high) {
      const middle = (low + high) >> 1
      if (compare(items[middle]!, item) <= 0) low = middle + 1
      else high = middle
    }
    for (let i = end; i > low; i--) items[i] = items[i - 1]!
    items[low] = item
  }
  return items
}

/** Sorted, each once. Mostly they are already, and then there is nothing to do. */
export function sortedUnique(names: readonly string[]): readonly string[] {
  for (let i = 1; i < names.length; i++) if (names[i - 1]! >= names[i]!) return distinct(sortInPlace([...names], byBytes))
  return names
}

/** Of a sorted list. */
function distinct(names: readonly string[]): string[] {
  return names.filter((name, i) => i === 0 || name !== names[i - 1])
}

/** Of distinct keys in any order. */
export function sortedMap<T>(keys: readonly string[], values: readonly T[]): SortedMap<T> {
  for (let i = 1; i < keys.length; i++) if (keys[i - 1]! >= keys[i]!) return inOrder(keys, values)
  return { keys, values }
}

function inOrder<T>(keys: readonly string[], values: readonly T[]): SortedMap<T> {
  const order = sortInPlace(keys.map((_, i) => i), (a, b) => byBytes(keys[a]!, keys[b]!))
  return { keys: order.map((i) => keys[i]!), values: order.map((i) => values[i]!) }
}

/** All of two sorted sets, sorted. */
export function unionSorted(left: readonly string[], right: readonly string[]): readonly string[] {
  if (left.length === 0) return right
  if (right.length === 0) return left
  const union: string[] = []
  let i = 0
  let j = 0
  while (i < left.length && j < right.length) {
    const a = left[i]!
    const b = right[j]!
    union.push(a <= b ? a : b)
    if (a <= b) i++
    if (b <= a) j++
  }
  while (i < left.length) union.push(left[i++]!)
  while (j < right.length) union.push(right[j++]!)
  return union
}
