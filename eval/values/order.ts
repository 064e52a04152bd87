/** Ring: eval. Order of byte strings: code units are bytes, so JavaScript's order is Nix's. */
export function byBytes(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0
}
