/** Ring: eval. `Did you mean …?`. Upstream counterpart: src/libutil/suggestions.cc. */

const LIMIT = 5
const MAX_DISTANCE = 2

/** At most five names that differ in at most two letters, the nearest first, then by name. */
export function bestMatches(names: Iterable<string>, wanted: string): string[] {
  const found: { readonly name: string; readonly distance: number }[] = []
  for (const name of names) {
    if (Math.abs(name.length - wanted.length) > MAX_DISTANCE) continue
    const distance = editDistance(name, wanted)
    if (distance <= MAX_DISTANCE) found.push({ name, distance })
  }
  found.sort((a, b) => a.distance - b.distance || (a.name < b.name ? -1 : 1))
  return found.slice(0, LIMIT).map((f) => f.name)
}

/** `Did you mean one of a, b or c?` as Nix words it; empty without suggestions. */
export function showSuggestions(names: readonly string[]): string {
  if (names.length === 0) return ''
  if (names.length === 1) return `Did you mean ${names[0]}?`
  return `Did you mean one of ${names.slice(0, -1).join(', ')} or ${names[names.length - 1]}?`
}

function editDistance(first: string, second: string): number {
  let previous = Array.from({ length: second.length + 1 }, (_, i) => i)
  for (let i = 0; i < first.length; i++) {
    const current = [i + 1]
    for (let j = 0; j < second.length; j++) {
      const replaced = previous[j]! + (first[i] === second[j] ? 0 : 1)
      current.push(Math.min(replaced, previous[j + 1]! + 1, current[j]! + 1))
    }
    previous = current
  }
  return previous[second.length]!
}
