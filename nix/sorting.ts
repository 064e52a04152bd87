/** Ring: nix. Sets of names and paths as Nix writes them. */

/** Sorted by bytes, each once. Mostly they are already, and then there is nothing to do. */
export function sortedUnique(names: readonly string[]): readonly string[] {
  for (let i = 1; i < names.length; i++) if (names[i - 1]! >= names[i]!) return [...new Set(names)].sort()
  return names
}
