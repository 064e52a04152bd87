/** Ring: nix. Sets of names and paths as Nix writes them. */

/** Sorted by bytes, each once. Mostly they are already, and then there is nothing to do. */
export function sortedUnique(names: readonly string[]): readonly string[] {
  for (let i = 1; i < names.length; i++) if (names[i - 1]! >= names[i]!) return [...new Set(names)].sort()
  return names
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
