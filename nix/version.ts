/**
 * Ring: nix. Versions and package names as Nix compares and splits them. Upstream: libstore/names.cc.
 * Strings are byte strings.
 */

/** Its parts: runs of digits, and runs of other characters; dots and dashes separate. */
export function splitVersion(version: string): string[] {
  return version.match(/[0-9]+|[^0-9.-]+/g) ?? []
}

/** -1, 0 or 1. */
export function compareVersions(left: string, right: string): -1 | 0 | 1 {
  const leftParts = splitVersion(left)
  const rightParts = splitVersion(right)
  for (let index = 0; index < Math.max(leftParts.length, rightParts.length); index++) {
    const one = leftParts[index] ?? ''
    const other = rightParts[index] ?? ''
    if (componentLess(one, other)) return -1
    if (componentLess(other, one)) return 1
  }
  return 0
}

function componentLess(one: string, other: string): boolean {
  const oneNumber = numberOf(one)
  const otherNumber = numberOf(other)
  if (oneNumber !== undefined && otherNumber !== undefined) return oneNumber < otherNumber
  if (one === '' && otherNumber !== undefined) return true
  if (one === 'pre' && other !== 'pre') return true
  if (other === 'pre') return false
  // 2.3a comes before 2.3.1
  if (otherNumber !== undefined) return true
  if (oneNumber !== undefined) return false
  return one < other
}

/** Nix reads components as 32-bit integers; a longer run of digits is compared as text. */
function numberOf(component: string): number | undefined {
  if (!/^[0-9]+$/.test(component)) return undefined
  const value = Number(component)
  return value <= 0x7fffffff ? value : undefined
}

/** `hello-2.12` into name and version, split at the first dash that no letter follows. */
export function parseDrvName(text: string): { readonly name: string; readonly version: string } {
  const match = /-(?![a-zA-Z])(?=[^])/.exec(text)
  if (match === null) return { name: text, version: '' }
  return { name: text.slice(0, match.index), version: text.slice(match.index + 1) }
}
