/** Ring: contract. Addresses of git repositories, made comparable: forges, inputs and flake references write one in many ways. */

const FORGES: Readonly<Record<string, string>> = { github: 'github.com', gitlab: 'gitlab.com', sourcehut: 'git.sr.ht' }

export interface Repository {
  readonly host: string
  /** `owner/name`; GitLab's may have more parts. */
  readonly path: string
  /** What the address asks for: a branch, or a full reference. */
  readonly ref?: string
}

/** The repository of an address or a flake reference; undefined for what is on no server. */
export function repositoryOf(address: string): Repository | undefined {
  const flake = /^(github|gitlab|sourcehut):([^/?#]+)\/([^/?#]+)(?:\/([^?#]+))?(?:\?([^#]*))?$/.exec(address)
  if (flake) {
    const [, kind, owner, name, at, query] = flake
    const ref = at !== undefined && !/^[0-9a-f]{40}$/.test(at) ? { ref: at } : {}
    return { host: (new URLSearchParams(query).get('host') ?? FORGES[kind!]!).toLowerCase(), path: pathOf(`${owner}/${name}`), ...ref }
  }
  const plain = address.replace(/^git\+/, '')
  const short = /^(?:[^@/]+@)?([^:/]+):(?!\/\/)(.+)$/.exec(plain)
  if (short && !plain.includes('://')) return { host: short[1]!.toLowerCase(), path: pathOf(short[2]!) }
  if (!/^(https?|ssh|git):\/\//.test(plain) || !URL.canParse(plain)) return undefined
  const url = new URL(plain)
  const ref = url.searchParams.get('ref')
  return { host: url.host.toLowerCase(), path: pathOf(url.pathname), ...(ref === null ? {} : { ref }) }
}

export function sameRepository(one: Repository, other: Repository): boolean {
  // ssh and https of one server differ in their ports
  return one.host.replace(/:\d+$/, '') === other.host.replace(/:\d+$/, '') && one.path.toLowerCase() === other.path.toLowerCase()
}

function pathOf(path: string): string {
  return path.replace(/^\/+|\/+$/g, '').replace(/\.git$/, '')
}
