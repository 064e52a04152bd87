/**
 * Ring: eval. One string object per name that a program writes, so that comparing names compares addresses. The parser takes all names from here; names that
 * are computed are compared as any strings are.
 */
const names = new Map<string, string>()

export function internName(name: string): string {
  let known = names.get(name)
  if (known === undefined) {
    // The key of a property is a string of its own (not a slice that keeps a whole file alive) in the engine's table.
    known = Object.keys({ [name]: 0 })[0]!
    names.set(known, known)
  }
  return known
}
