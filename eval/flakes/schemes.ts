/**
 * Ring: eval. The types of inputs: how their addresses are read and written, what locks them. Upstream counterpart: the InputSchemes of
 * src/libfetchers/{git,github,tarball,path,indirect,mercurial}.cc.
 */
import { EvaluationError } from '../runtime/errors.ts'
import { requiredText, showAttributes, textAttribute, without, withAttributes, type Input, type InputAttribute } from './attributes.ts'
import { applicationOf, BadUrl, parseUrl, pathOfUrl, printUrl, transportOf, type ParsedUrl } from './url.ts'

export interface Scheme {
  readonly attributes: ReadonlySet<string>
  /** Undefined for addresses of other types. */
  fromUrl(url: ParsedUrl, requireTree: boolean): Input | undefined
  /** Checks attributes that are known to be of this type's. */
  fromAttributes(attributes: Input): Input
  toUrl(input: Input): ParsedUrl
  isLocked(input: Input): boolean
  override?(input: Input, ref: string | undefined, rev: string | undefined): Input
}

const REVISION = /^[0-9a-fA-F]{40}$/
const HOST = /^[a-zA-Z0-9.-]*$/
const FLAKE_ID = /^[a-zA-Z][a-zA-Z0-9_-]*$/
const TRANSPORTS: ReadonlySet<string> = new Set(['file', 'http', 'https', 's3'])
const ARCHIVE = /\.(?:zip|tar|tgz|tar\.gz|tar\.xz|tar\.bz2|tar\.zst)$/

/** What git takes as the name of a branch or tag (git-check-ref-format). */
function isLegalRef(ref: string): boolean {
  return ref !== '' && ref !== '@' && !/[\x00-\x20~^:?*[\\\x7f]|\.\.|@\{|\/\/|^\/|\/$|\.$|^\.|\/\.|\.lock(?:\/|$)|^-/.test(ref)
}

function url(scheme: string, path: readonly string[], query: Readonly<Record<string, string | undefined>>, authority?: string): ParsedUrl {
  const given = Object.entries(query).filter((entry): entry is [string, string] => entry[1] !== undefined)
  return { scheme, authority, path, query: new Map(given), fragment: '' }
}

/** A whole number, or undefined. */
function integerOf(text: string | undefined): number | undefined {
  return text !== undefined && /^[0-9]+$/.test(text) ? Number(text) : undefined
}

function withQuery(address: ParsedUrl, more: Readonly<Record<string, string | undefined>>): ParsedUrl {
  const query = new Map(address.query)
  for (const [name, value] of Object.entries(more)) if (value !== undefined) query.set(name, value)
  return { ...address, query }
}

/** `git@host:path` and plain paths are addresses for git too. */
export function fixGitUrl(text: string): ParsedUrl {
  if (text.startsWith('/')) return { scheme: 'file', authority: '', path: text.split('/'), query: new Map(), fragment: '' }
  const scp = /^((?:[^/:@]+@)?(?:\[[^\]]+\]|[^/:]+)):(?!\/\/)(.*)$/s.exec(text)
  if (scp !== null && !/^(?:git\+)?(?:ssh|https?|file|ftps?|git)$/.test(scp[1]!)) {
    return { scheme: 'ssh', authority: scp[1]!, path: ['', ...scp[2]!.replace(/^\//, '').split('/')], query: new Map(), fragment: '' }
  }
  const parsed = parseUrl(text)
  const fixed = applicationOf(parsed.scheme) === 'git' ? { ...parsed, scheme: transportOf(parsed.scheme) } : parsed
  return fixed.scheme === 'file' && fixed.authority === undefined ? { ...fixed, authority: '' } : fixed
}

const GIT_FLAGS: ReadonlySet<string> = new Set(['shallow', 'submodules', 'lfs', 'exportIgnore', 'allRefs', 'verifyCommit'])
const GIT_TEXTS: ReadonlySet<string> = new Set(['rev', 'ref', 'keytype', 'publicKey', 'publicKeys'])

const git: Scheme = {
  attributes: new Set(['url', 'ref', 'rev', 'lastModified', 'revCount', 'narHash', 'name', 'dirtyRev', 'dirtyShortRev', ...GIT_FLAGS, ...GIT_TEXTS]),
  fromUrl(address) {
    if (address.scheme !== 'git' && applicationOf(address.scheme) !== 'git') return undefined
    const input = new Map<string, InputAttribute>([['type', 'git']])
    const rest = new Map<string, string>()
    for (const [name, value] of address.query) {
      if (GIT_TEXTS.has(name)) input.set(name, value)
      else if (GIT_FLAGS.has(name)) input.set(name, value === '1')
      else rest.set(name, value)
    }
    input.set('url', printUrl({ ...address, query: rest, fragment: '' }))
    return this.fromAttributes(input)
  },
  fromAttributes(attributes) {
    const ref = textAttribute(attributes, 'ref')
    if (ref !== undefined && !isLegalRef(ref)) throw new BadUrl(`invalid Git branch/tag name '${ref}'`)
    for (const name of GIT_FLAGS) {
      const value = attributes.get(name)
      if (value !== undefined && typeof value !== 'boolean') throw new EvaluationError('eval', `input attribute '${name}' is not a Boolean`)
    }
    return withAttributes(attributes, { url: printUrl(fixGitUrl(requiredText(attributes, 'url'))) })
  },
  toUrl(input) {
    const address = parseUrl(requiredText(input, 'url'))
    const flag = (name: string): string | undefined => (input.get(name) === true ? '1' : undefined)
    return withQuery({ ...address, scheme: address.scheme === 'git' ? 'git' : `git+${address.scheme}` }, {
      rev: textAttribute(input, 'rev'), ref: textAttribute(input, 'ref'), shallow: flag('shallow'), lfs: flag('lfs'), submodules: flag('submodules'), exportIgnore: flag('exportIgnore'), verifyCommit: flag('verifyCommit'),
      keytype: textAttribute(input, 'publicKey') === undefined ? undefined : textAttribute(input, 'keytype') ?? 'ssh-ed25519', publicKey: textAttribute(input, 'publicKey'),
    })
  },
  isLocked: (input) => /^(?!0*$)/.test(textAttribute(input, 'rev') ?? ''),
  override(input, ref, rev) {
    const result = withAttributes(input, { rev, ref })
    if (!result.has('ref') && result.has('rev')) throw new EvaluationError('eval', `Git input '${printUrl(this.toUrl(result))}' has a commit hash but no branch/tag name`)
    return result
  },
}

/** Servers that give a revision as an archive. */
function archiveScheme(type: string): Scheme {
  return {
    attributes: new Set(['owner', 'repo', 'ref', 'rev', 'narHash', 'lastModified', 'host', 'treeHash']),
    fromUrl(address) {
      if (address.scheme !== type) return undefined
      const path = address.path.filter((segment) => segment !== '')
      const shown = printUrl(address)
      if (path.length < 2) throw new BadUrl(`URL '${shown}' is invalid`)
      const input = new Map<string, InputAttribute>()
      if (path.length === 3) input.set(REVISION.test(path[2]!) ? 'rev' : 'ref', path[2]!)
      else if (path.length > 3) input.set('ref', path.slice(2).join('/'))
      for (const [name, value] of address.query) {
        if (name === 'rev' && input.has('rev')) throw new BadUrl(`URL '${shown}' contains multiple commit hashes`)
        if (name === 'ref' && input.has('ref')) throw new BadUrl(`URL '${shown}' contains multiple branch/tag names`)
        // anything else is ignored, as Nix 2.26 does
        if (['rev', 'ref', 'host', 'narHash'].includes(name)) input.set(name, value)
      }
      return this.fromAttributes(input.set('type', type).set('owner', path[0]!).set('repo', path[1]!))
    },
    fromAttributes(attributes) {
      requiredText(attributes, 'owner')
      requiredText(attributes, 'repo')
      const ref = textAttribute(attributes, 'ref')
      const rev = textAttribute(attributes, 'rev')
      const host = textAttribute(attributes, 'host')
      if (ref !== undefined && rev !== undefined) throw new BadUrl(`input ${showAttributes(attributes)} contains both a commit hash ('${rev}') and a branch/tag name ('${ref}')`)
      if (rev !== undefined && !REVISION.test(rev)) throw new BadUrl(`invalid SHA-1 hash '${rev}'`)
      if (ref !== undefined && !isLegalRef(ref)) throw new BadUrl(`input ${showAttributes(attributes)} contains an invalid branch/tag name`)
      if (host !== undefined && !HOST.test(host)) throw new BadUrl(`input ${showAttributes(attributes)} contains an invalid instance host`)
      return attributes
    },
    toUrl(input) {
      const at = textAttribute(input, 'ref') ?? textAttribute(input, 'rev')
      return url(type, [requiredText(input, 'owner'), requiredText(input, 'repo'), ...(at === undefined ? [] : at.split('/'))], { narHash: textAttribute(input, 'narHash'), host: textAttribute(input, 'host') })
    },
    isLocked: (input) => input.has('rev') && (input.has('narHash') || type !== 'tarball'),
    override(input, ref, rev) {
      if (ref !== undefined && rev !== undefined) throw new BadUrl(`cannot apply both a commit hash (${rev}) and a branch/tag name ('${ref}') to input '${printUrl(this.toUrl(input))}'`)
      return withAttributes(without(input, rev === undefined ? 'rev' : 'ref'), { rev, ref })
    },
  }
}

/** Single files and archives. */
function downloadScheme(type: 'file' | 'tarball'): Scheme {
  const attributes = new Set(['url', 'narHash', 'name', 'unpack', 'rev', 'revCount', 'lastModified'])
  return {
    attributes,
    fromUrl(address, requireTree) {
      if (!TRANSPORTS.has(transportOf(address.scheme))) return undefined
      const application = applicationOf(address.scheme)
      const isArchive = ARCHIVE.test(address.path.at(-1) ?? '')
      if (application === undefined ? (type === 'tarball') !== (requireTree || isArchive) : application !== type) return undefined
      const query = new Map([...address.query].filter(([name]) => !attributes.has(name)))
      return withAttributes(new Map<string, InputAttribute>([['type', type], ['url', printUrl({ ...address, scheme: transportOf(address.scheme), query, fragment: '' })]]), {
        narHash: address.query.get('narHash'), rev: address.query.get('rev'), revCount: integerOf(address.query.get('revCount')), lastModified: integerOf(address.query.get('lastModified')),
      })
    },
    fromAttributes: (given) => given,
    toUrl: (input) => withQuery(parseUrl(requiredText(input, 'url')), { narHash: textAttribute(input, 'narHash') }),
    isLocked: (input) => input.has('narHash'),
  }
}

const path: Scheme = {
  attributes: new Set(['path', 'rev', 'revCount', 'lastModified', 'narHash']),
  fromUrl(address) {
    if (address.scheme !== 'path') return undefined
    if (address.authority !== undefined && address.authority !== '') throw new EvaluationError('eval', `path URL '${printUrl(address)}' should not have an authority ('${address.authority}')`)
    const input = new Map<string, InputAttribute>([['type', 'path'], ['path', pathOfUrl(address)]])
    for (const [name, value] of address.query) {
      if (name === 'rev' || name === 'narHash') input.set(name, value)
      else if (name !== 'revCount' && name !== 'lastModified') throw new EvaluationError('eval', `path URL '${printUrl(address)}' has unsupported parameter '${name}'`)
      else {
        const number = integerOf(value)
        if (number === undefined) throw new EvaluationError('eval', `path URL '${printUrl(address)}' has invalid parameter '${name}'`)
        input.set(name, number)
      }
    }
    return input
  },
  fromAttributes(attributes) {
    requiredText(attributes, 'path')
    return attributes
  },
  toUrl(input) {
    const query = [...without(input, 'path', 'type', '__final')].map(([name, value]): [string, string] => [name, String(value)])
    return url('path', requiredText(input, 'path').split('/'), Object.fromEntries(query))
  },
  isLocked: (input) => input.has('narHash'),
}

const indirect: Scheme = {
  attributes: new Set(['id', 'ref', 'rev', 'narHash']),
  fromUrl(address) {
    if (address.scheme !== 'flake') return undefined
    const [id = '', ...at] = address.path.filter((segment) => segment !== '')
    const shown = printUrl(address)
    const input = new Map<string, InputAttribute>([['type', 'indirect'], ['id', id]])
    if (at.length > 2) throw new BadUrl(`GitHub URL '${shown}' is invalid`)
    if (at.length === 1 && REVISION.test(at[0]!)) input.set('rev', at[0]!)
    else if (at.length === 1 && !isLegalRef(at[0]!)) throw new BadUrl(`in flake URL '${shown}', '${at[0]!}' is not a commit hash or branch/tag name`)
    else if (at.length >= 1) {
      if (!isLegalRef(at[0]!)) throw new BadUrl(`in flake URL '${shown}', '${at[0]!}' is not a branch/tag name`)
      input.set('ref', at[0]!)
      if (at.length === 2 && !REVISION.test(at[1]!)) throw new BadUrl(`in flake URL '${shown}', '${at[1]!}' is not a commit hash`)
      if (at.length === 2) input.set('rev', at[1]!)
    }
    return this.fromAttributes(input)
  },
  fromAttributes(attributes) {
    const id = requiredText(attributes, 'id')
    if (!FLAKE_ID.test(id)) throw new BadUrl(`'${id}' is not a valid flake ID`)
    return attributes
  },
  toUrl(input) {
    const at = [textAttribute(input, 'ref'), textAttribute(input, 'rev')].filter((part) => part !== undefined)
    return url('flake', [requiredText(input, 'id'), ...at], {})
  },
  isLocked: () => false,
  override: (input, ref, rev) => withAttributes(input, { rev, ref }),
}

const mercurial: Scheme = {
  attributes: new Set(['url', 'ref', 'rev', 'revCount', 'narHash', 'name']),
  fromUrl(address) {
    if (applicationOf(address.scheme) !== 'hg' || !['http', 'https', 'ssh', 'file'].includes(transportOf(address.scheme))) return undefined
    const query = new Map([...address.query].filter(([name]) => name !== 'rev' && name !== 'ref'))
    const input = new Map<string, InputAttribute>([['type', 'hg'], ['url', printUrl({ ...address, scheme: transportOf(address.scheme), query, fragment: '' })]])
    return this.fromAttributes(withAttributes(input, { rev: address.query.get('rev'), ref: address.query.get('ref') }))
  },
  fromAttributes(attributes) {
    parseUrl(requiredText(attributes, 'url'))
    const ref = textAttribute(attributes, 'ref')
    if (ref !== undefined && !/^[a-zA-Z0-9@][a-zA-Z0-9_./@+-]*$/.test(ref)) throw new BadUrl(`invalid Mercurial branch/tag name '${ref}'`)
    return attributes
  },
  toUrl(input) {
    const address = parseUrl(requiredText(input, 'url'))
    return withQuery({ ...address, scheme: `hg+${address.scheme}` }, { rev: textAttribute(input, 'rev'), ref: textAttribute(input, 'ref') })
  },
  isLocked: (input) => input.has('rev'),
  override: (input, ref, rev) => withAttributes(input, { rev, ref }),
}

/** By type, in the order in which addresses are offered to them. */
export const SCHEMES: ReadonlyMap<string, Scheme> = new Map([
  ['file', downloadScheme('file')], ['git', git], ['github', archiveScheme('github')], ['gitlab', archiveScheme('gitlab')], ['hg', mercurial],
  ['indirect', indirect], ['path', path], ['sourcehut', archiveScheme('sourcehut')], ['tarball', downloadScheme('tarball')],
])
