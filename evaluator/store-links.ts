/** Ring: evaluator. Symlinks below the store, whose targets may say `/nix/store/…` where the machine has none. */
import type { LocalFiles } from './local-files.ts'

/** Followed on the way of one path. */
const MOST_LINKS = 100

/** A path with its links replaced by where they lead; undefined where they lead in circles. `localPath` says where a path lies on this machine, if anywhere. */
export function followLinks(path: string, files: LocalFiles, localPath: (path: string) => string | undefined): string | undefined {
  let rest = path.split('/').slice(1)
  let at = ''
  for (let links = 0; rest.length > 0;) {
    const next = `${at}/${rest[0]!}`
    rest = rest.slice(1)
    const local = next === '/nix' || next === '/nix/store' ? undefined : localPath(next)
    if (local === undefined || files.status(local)?.kind !== 'symlink') {
      at = next
      continue
    }
    if (++links > MOST_LINKS) return undefined
    const target = files.readLink(local)
    rest = [...segmentsOf(target.startsWith('/') ? target : `${at}/${target}`), ...rest]
    at = ''
  }
  return at
}

function segmentsOf(path: string): string[] {
  const segments: string[] = []
  for (const segment of path.split('/')) {
    if (segment === '..') segments.pop()
    else if (segment !== '' && segment !== '.') segments.push(segment)
  }
  return segments
}
