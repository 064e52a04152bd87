/**
 * Ring: eval. Fetching inputs: what `fetchTree`, `fetchGit` and the inputs of flakes have in common. What a NAR hash locks has its store
 * path at once and is downloaded when somebody reads it; everything else is a need. Upstream counterpart: Input::getAccessor in
 * src/libfetchers/fetchers.cc and the fetchers beside it.
 */
import type { FetchRequest, UnlockedFetch, UnlockedFetchResult } from '../../contract/fetch.ts'
import { textOfByteString } from '../../nix/bytes.ts'
import { FormatError } from '../../nix/errors.ts'
import { formatHash, parseHash } from '../../nix/hash.ts'
import { isStorePath, makeFixedOutputPath } from '../../nix/store-path.ts'
import type { Evaluator } from '../evaluator.ts'
import { guarded } from '../files.ts'
import { isAllowedUri } from '../uris.ts'
import { EvaluationError } from '../runtime/errors.ts'
import { machine } from '../runtime/machine.ts'
import { canonicalPath } from '../syntax/paths.ts'
import { requiredText, showAttributes, textAttribute, typeOfInput, without, withAttributes, type Input } from './attributes.ts'
import { evaluating, inputFromUrl, showInput } from './input.ts'
import { parseUrl } from './url.ts'

export interface FetchedInput {
  readonly storePath: string
  /** With everything that locks it. */
  readonly input: Input
  /** Attributes that are only known once it is downloaded. */
  readonly later?: { readonly names: readonly string[]; readonly get: () => Input }
}

/** `final`: the attributes are those of a lock, nothing is added to them. May suspend. */
export function fetchInput(evaluator: Evaluator, input: Input, final = false): FetchedInput {
  const { depth } = machine
  try {
    return lockedByHash(evaluator, input, final) ?? fetchNow(evaluator, input, final)
  } catch (error) {
    if (error instanceof EvaluationError) error.addTrace(`while fetching the input '${evaluating(() => showInput(input))}'`, undefined, depth)
    throw error
  }
}

/** Throws where the mode forbids fetching an input. Beyond Nix's rule, an archive of an allowed server will do. */
export function checkInput(evaluator: Evaluator, input: Input): void {
  const { mode, restrictUris, allowedUris } = evaluator.settings
  if (mode !== 'restricted' && restrictUris === true && ['github', 'gitlab', 'sourcehut'].includes(typeOfInput(input)) && isAllowedUri(archiveAddress(input, textAttribute(input, 'rev') ?? 'HEAD'), allowedUris)) return
  evaluator.checkUri(evaluating(() => showInput(input)))
}

/** What can be downloaded whenever it is wanted, since its hash is known. */
function lockedByHash(evaluator: Evaluator, input: Input, final: boolean): FetchedInput | undefined {
  const narHash = textAttribute(input, 'narHash')
  if (narHash === undefined) return undefined
  const hash = formatHash(inNixTerms(() => parseHash(narHash)), 'sri')
  const name = textAttribute(input, 'name') ?? 'source'
  const storePath = makeFixedOutputPath(name, { method: 'nar', hash: parseHash(hash) }).toString()
  const locked = withAttributes(input, { narHash: hash })
  const request = lockedRequest(input, name, hash)
  if (request === undefined) {
    // a folder that is gone may be in a store
    return final && typeOfInput(input) === 'path' && guarded('/', () => evaluator.io.status(requiredText(input, 'path'))) === undefined ? { storePath, input: locked } : undefined
  }
  evaluator.io.mentionFetch(storePath, request)
  const names = final ? [] : laterNames(input)
  return { storePath, input: locked, ...(names.length > 0 && { later: { names, get: () => fetchNow(evaluator, input, false).input } }) }
}

function laterNames(input: Input): string[] {
  const names = typeOfInput(input) === 'git' && input.get('shallow') !== true ? ['lastModified', 'revCount'] : typeOfInput(input) === 'file' ? [] : ['lastModified']
  return names.filter((name) => !input.has(name))
}

function lockedRequest(input: Input, name: string, hash: string): FetchRequest | undefined {
  const type = typeOfInput(input)
  const url = (address: string, unpack: boolean): FetchRequest => ({ kind: 'url', name, urls: [address], unpack, executable: false, hash, method: 'nar' })
  switch (type) {
    case 'file': return url(requiredText(input, 'url'), false)
    case 'tarball': return url(requiredText(input, 'url'), true)
    case 'github': case 'gitlab': case 'sourcehut': {
      const rev = textAttribute(input, 'rev')
      return rev === undefined ? undefined : url(archiveAddress(input, rev), true)
    }
    case 'git': {
      const revision = textAttribute(input, 'rev')
      const ref = textAttribute(input, 'ref')
      return revision === undefined ? undefined : { kind: 'git', name, url: requiredText(input, 'url'), revision, ...(ref !== undefined && { ref }), ...gitOptions(input), hash }
    }
    default: return undefined
  }
}

function gitOptions(input: Input): { readonly submodules: boolean; readonly shallow: boolean; readonly exportIgnore: boolean; readonly lfs: boolean } {
  const flag = (name: string): boolean => input.get(name) === true
  return { submodules: flag('submodules'), shallow: flag('shallow'), exportIgnore: flag('exportIgnore'), lfs: flag('lfs') }
}

/** Where a server gives a revision as an archive. */
function archiveAddress(input: Input, rev: string): string {
  const owner = requiredText(input, 'owner')
  const repo = requiredText(input, 'repo')
  const host = textAttribute(input, 'host')
  switch (typeOfInput(input)) {
    case 'github': return host === undefined || host === 'github.com' ? `https://github.com/${owner}/${repo}/archive/${rev}.tar.gz` : `https://${host}/api/v3/repos/${owner}/${repo}/tarball/${rev}`
    case 'gitlab': return `https://${host ?? 'gitlab.com'}/api/v4/projects/${owner.replaceAll('/', '%2F')}%2F${repo}/repository/archive.tar.gz?sha=${rev}`
    default: return `https://${host ?? 'git.sr.ht'}/${owner}/${repo}/archive/${rev}.tar.gz`
  }
}

function fetchNow(evaluator: Evaluator, input: Input, final: boolean): FetchedInput {
  const fetched = byType(evaluator, input)
  checkLock(input, fetched.input, final)
  return final ? { storePath: fetched.storePath, input } : fetched
}

function byType(evaluator: Evaluator, input: Input): FetchedInput {
  const type = typeOfInput(input)
  const name = textAttribute(input, 'name') ?? 'source'
  switch (type) {
    case 'path': return fetchPath(evaluator, input)
    case 'git': return fetchGit(evaluator, input, name)
    case 'hg': return fetchMercurial(evaluator, input, name)
    case 'file': {
      const { storePath } = unlocked(evaluator, { kind: 'url', name, url: requiredText(input, 'url') })
      // inputs are known by their NAR, whatever they are
      const added = guarded(storePath, () => evaluator.io.addPath({ path: storePath, name, method: 'nar' }))
      return { storePath: added, input: withAttributes(input, { narHash: evaluator.io.describeTree(added).narHash }) }
    }
    case 'tarball': return fetchTarball(evaluator, input, name, requiredText(input, 'url'))
    case 'github': case 'gitlab': case 'sourcehut': {
      const rev = textAttribute(input, 'rev') ?? resolveRevision(evaluator, input)
      return fetchTarball(evaluator, withAttributes(without(input, 'ref'), { rev }), name, archiveAddress(input, rev))
    }
    case 'indirect': throw new EvaluationError('eval', `indirect input '${showInput(input)}' cannot be fetched directly`)
    default: throw new EvaluationError('eval', `cannot fetch unsupported input '${showAttributes(input)}'`)
  }
}

function unlocked(evaluator: Evaluator, request: UnlockedFetch): UnlockedFetchResult {
  const text = (value: string): string => textOfByteString(value)
  const shown = { ...request, url: text(request.url), ...(request.ref !== undefined && { ref: text(request.ref) }) }
  return guarded(request.url, () => evaluator.io.fetchUnlocked(shown))
}

function fetchPath(evaluator: Evaluator, input: Input): FetchedInput {
  const path = requiredText(input, 'path')
  if (!path.startsWith('/')) throw new EvaluationError('eval', `cannot fetch input '${showInput(input)}' because it uses a relative path`)
  const absolute = canonicalPath(path)
  const isSource = isStorePath(absolute) && absolute.endsWith('-source')
  const storePath = guarded(absolute, () => (isSource ? absolute : evaluator.io.addPath({ path: absolute, name: 'source', method: 'nar' })))
  if (isSource) evaluator.ensurePath(absolute)
  const { narHash, lastModified } = guarded(absolute, () => evaluator.io.describeTree(absolute))
  // what the user says of the time is believed: it protects nothing
  return { storePath, input: withAttributes(input, { narHash, ...(!input.has('lastModified') && { lastModified: isSource ? 1 : lastModified }) }) }
}

function fetchGit(evaluator: Evaluator, input: Input, name: string): FetchedInput {
  const url = requiredText(input, 'url')
  const ref = textAttribute(input, 'ref')
  const rev = textAttribute(input, 'rev')
  const fetched = unlocked(evaluator, { kind: 'git', name, url, ...(ref !== undefined && { ref }), ...(rev !== undefined && { revision: rev }), ...gitOptions(input) })
  const { revision, dirtyRevision } = fetched
  if (revision === undefined) evaluator.trace('warn', `Git tree '${textOfByteString(url.replace(/^file:\/\//, ''))}' is dirty`)
  return {
    storePath: fetched.storePath,
    input: withAttributes(input, {
      narHash: fetched.narHash, lastModified: fetched.lastModified, rev: revision, revCount: fetched.revisionCount,
      ...(revision === undefined && dirtyRevision !== undefined && { dirtyRev: `${dirtyRevision}-dirty`, dirtyShortRev: `${dirtyRevision.slice(0, 7)}-dirty` }),
    }),
  }
}

function fetchMercurial(evaluator: Evaluator, input: Input, name: string): FetchedInput {
  const ref = textAttribute(input, 'ref')
  const rev = textAttribute(input, 'rev')
  const fetched = unlocked(evaluator, { kind: 'mercurial', name, url: requiredText(input, 'url'), ...(ref !== undefined && { ref }), ...(rev !== undefined && { revision: rev }) })
  return { storePath: fetched.storePath, input: withAttributes(input, { narHash: fetched.narHash, rev: fetched.revision, revCount: fetched.revisionCount }) }
}

function fetchTarball(evaluator: Evaluator, input: Input, name: string, url: string): FetchedInput {
  if (/^file:(?!\/)/.test(url)) throw new EvaluationError('eval', `tarball '${url}' must use an absolute path. The 'file' scheme does not support relative paths.`)
  const fetched = unlocked(evaluator, { kind: 'tarball', name, url })
  const { lockedUrl } = fetched
  const locked = lockedUrl === undefined || typeOfInput(input) !== 'tarball' ? input : inputFromUrl(parseUrl(lockedUrl), true)
  if (typeOfInput(locked) !== typeOfInput(input)) throw new EvaluationError('eval', 'tarball \'Link\' headers that redirect to non-tarball URLs are not supported')
  return {
    storePath: fetched.storePath,
    input: withAttributes(locked, { narHash: fetched.narHash, ...(!locked.has('lastModified') && fetched.lastModified !== undefined && { lastModified: fetched.lastModified }) }),
  }
}

/** Asks a server what a branch or tag (its default branch without one) is now. */
function resolveRevision(evaluator: Evaluator, input: Input): string {
  const ref = textAttribute(input, 'ref') ?? 'HEAD'
  const owner = requiredText(input, 'owner')
  const repo = requiredText(input, 'repo')
  const host = textAttribute(input, 'host')
  const get = (url: string): string => {
    const { storePath } = unlocked(evaluator, { kind: 'url', name: 'source', url })
    return new TextDecoder().decode(guarded(storePath, () => evaluator.io.readFile(storePath)))
  }
  switch (typeOfInput(input)) {
    case 'github': {
      const api = host === undefined || host === 'github.com' ? 'https://api.github.com' : `https://${host}/api/v3`
      return revisionIn(get(`${api}/repos/${owner}/${repo}/commits/${ref}`), (json) => (json as { sha?: unknown }).sha, input)
    }
    case 'gitlab': {
      const project = `${owner.replaceAll('/', '%2F')}%2F${repo}`
      return revisionIn(get(`https://${host ?? 'gitlab.com'}/api/v4/projects/${project}/repository/commits?ref_name=${ref}`), (json) => (json as readonly { id?: unknown }[])[0]?.id, input)
    }
    default: {
      const base = `https://${host ?? 'git.sr.ht'}/${owner}/${repo}`
      const wanted = ref === 'HEAD' ? [/^ref: (\S+)/.exec(get(`${base}/HEAD`))?.[1]] : [`refs/heads/${ref}`, `refs/tags/${ref}`]
      for (const line of get(`${base}/info/refs`).split('\n')) {
        const [id, name] = line.split(/\s+/)
        if (id !== undefined && name !== undefined && wanted.includes(name)) return id
      }
      throw new EvaluationError('eval', `in '${showInput(input)}', couldn't find ref '${ref}'`)
    }
  }
}

function revisionIn(text: string, pick: (json: unknown) => unknown, input: Input): string {
  let revision: unknown
  try {
    revision = pick(JSON.parse(text))
  } catch {
    // said below
  }
  if (typeof revision !== 'string') throw new EvaluationError('eval', `unexpected answer when asking for the revision of '${showInput(input)}': ${text.slice(0, 200)}`)
  return revision
}

/** What was asked for must be what came. */
function checkLock(asked: Input, got: Input, final: boolean): void {
  const expected = textAttribute(asked, 'narHash')
  if (final) {
    for (const [name, value] of asked) {
      const other = got.get(name)
      const same = name === 'narHash' && typeof value === 'string' ? formatHash(parseHash(value), 'sri') === other : value === other
      if (other !== undefined && !same) throw new EvaluationError('eval', `mismatch in field '${name}' of input '${showAttributes(withAttributes(asked, { __final: true }))}', got '${showAttributes(withAttributes(got, { __final: true }))}'`)
    }
    return
  }
  if (expected !== undefined) {
    const hash = formatHash(inNixTerms(() => parseHash(expected)), 'sri')
    if (hash !== textAttribute(got, 'narHash')) throw new EvaluationError('eval', `NAR hash mismatch in input '${showInput(asked)}', expected '${hash}' but got '${textAttribute(got, 'narHash') ?? ''}'`)
  }
  const rev = textAttribute(asked, 'rev')
  if (rev !== undefined && textAttribute(got, 'rev') !== rev) throw new EvaluationError('eval', `'rev' attribute mismatch in input '${showInput(got)}', expected ${rev}`)
}

function inNixTerms<T>(work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (error instanceof FormatError) throw new EvaluationError('eval', error.message, { cause: error })
    throw error
  }
}
