/** Canonical form of absolute paths, without looking at any file. Upstream counterpart: Nix's CanonPath. */

/** Removes empty segments, `.` and `..` from an absolute path; `..` at the root stays there. */
export function canonicalPath(path: string): string {
  if (!/\/(?:\.{0,2}\/|\.{0,2}$)/.test(path)) return path
  const segments: string[] = []
  for (const segment of path.split('/')) {
    if (segment === '' || segment === '.') continue
    if (segment === '..') segments.pop()
    else segments.push(segment)
  }
  return `/${segments.join('/')}`
}
