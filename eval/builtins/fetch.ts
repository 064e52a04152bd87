/**
 * Ring: eval. `fetchurl fetchTarball fetchGit fetchTree`. With a hash, the store path is known at once: the download is mentioned to
 * the EvalIO and happens when something reads the path, or a build wants it. Without, the evaluation waits for the download.
 */
import type { FetchRequest, UnlockedFetch, UnlockedFetchResult } from '../../contract/fetch.ts'
import { formatHash, type Hash } from '../../nix/hash.ts'
import { makeFixedOutputPath, storePathNameProblem } from '../../nix/store-path.ts'
import type { Evaluator } from '../evaluator.ts'
import { guarded } from '../files.ts'
import { callSite } from '../runtime/call.ts'
import { coerceToString } from '../runtime/coerce.ts'
import { EvaluationError } from '../runtime/errors.ts'
import { forceAttributes, forcePlainString } from '../runtime/expect.ts'
import { NO_SITE, type Site } from '../runtime/site.ts'
import { force } from '../runtime/thunk.ts'
import { isInt, isString, showType } from '../runtime/types.ts'
import { ContextBuilder, singleContext } from '../values/context.ts'
import { attributesOf } from '../values/make.ts'
import { Attributes, ContextString, PathValue, type Slot, type Value } from '../values/value.ts'
import { builtin, type BuiltinFamily } from './definition.ts'
import { hashOfSetting } from './hashes.ts'

type Argument = string | number | boolean

function fetchFile(evaluator: Evaluator, slot: Slot, who: 'fetchurl' | 'fetchTarball'): Value {
  const site = callSite()
  const unpack = who === 'fetchTarball'
  const value = force(slot)
  let url: string | undefined
  let name = unpack ? 'source' : ''
  let named = false
  let hash: Hash | undefined
  if (value instanceof Attributes) {
    for (const key of value.layout.names) {
      const location = value.locationOf(key) ?? NO_SITE
      const member = value.get(key)!
      if (key === 'url') url = forcePlainString(member, 'while evaluating the url we should fetch', location)
      else if (key === 'sha256') hash = hashOfSetting(evaluator, forcePlainString(member, 'while evaluating the sha256 of the content we should fetch', location), 'sha256')
      else if (key === 'name') {
        name = forcePlainString(member, 'while evaluating the name of the content we should fetch', location)
        named = true
      } else throw new EvaluationError('eval', `unsupported argument '${key}' to '${who}'`, { location: site })
    }
    if (url === undefined) throw new EvaluationError('eval', '\'url\' argument required', { location: site })
  } else {
    url = forcePlainString(value, 'while evaluating the url we should fetch', site)
  }
  if (unpack) url = resolveChannel(url)
  evaluator.checkUri(url)
  if (name === '') name = url.slice(url.replace(/\/+$/, '').lastIndexOf('/') + 1).replace(/\/+$/, '')
  const problem = storePathNameProblem(name)
  if (problem !== undefined) {
    const advice = named
      ? `Please change the value for the 'name' attribute passed to '${who}', so that it can create a valid store path.`
      : value instanceof Attributes
        ? `Please add a valid 'name' attribute to the argument for '${who}', so that it can create a valid store path.`
        : `Please pass an attribute set with 'url' and 'name' attributes to '${who}',  so that it can create a valid store path.`
    throw new EvaluationError('eval', `invalid store path name when fetching URL '${url}': ${problem}. ${advice}`, { location: site })
  }
  if (hash === undefined) {
    if (evaluator.settings.mode === 'pure') throw new EvaluationError('eval', `in pure evaluation mode, '${who}' requires a 'sha256' argument`, { location: site })
    return storePathString(evaluator, fetchNow(evaluator, { kind: unpack ? 'tarball' : 'url', name, url }).storePath)
  }
  const method = unpack ? 'nar' : 'flat'
  const storePath = makeFixedOutputPath(name, { method, hash }).toString()
  const request: FetchRequest = { kind: 'url', name, urls: [url], unpack, executable: false, hash: formatHash(hash, 'sri'), method }
  evaluator.io.mentionFetch(storePath, request)
  return storePathString(evaluator, storePath)
}

/** `channel:name`, as NIX_PATH and fetchTarball take it. */
export function resolveChannel(url: string): string {
  return url.startsWith('channel:') ? `https://nixos.org/channels/${url.slice('channel:'.length)}/nixexprs.tar.xz` : url
}

function storePathString(evaluator: Evaluator, storePath: string): Value {
  evaluator.files.allow(storePath)
  return new ContextString(storePath, singleContext('opaque', storePath))
}

function fetchNow(evaluator: Evaluator, request: UnlockedFetch): UnlockedFetchResult {
  return guarded(request.url, () => evaluator.io.fetchUnlocked(request))
}

/** Arguments of `fetchTree` and `fetchGit`, as plain values. */
function treeArguments(evaluator: Evaluator, slot: Slot, git: boolean, site: Site): Map<string, Argument> {
  const value = force(slot)
  const result = new Map<string, Argument>()
  if (!(value instanceof Attributes)) {
    const url = coerceToString(evaluator, value, new ContextBuilder(), { more: false, copy: false, doing: 'while evaluating the first argument passed to the fetcher' }, site)
    if (git) result.set('type', 'git').set('url', fixGitUrl(url))
    else for (const [key, member] of Object.entries(parseTreeUrl(url, site))) result.set(key, member)
    return result
  }
  const attributes = forceAttributes(value, 'while evaluating the argument passed to builtins.fetchTree', site)
  const type = attributes.get('type')
  if (type !== undefined && git) throw new EvaluationError('eval', 'unexpected attribute \'type\'', { location: site })
  if (type === undefined && !git) throw new EvaluationError('eval', 'attribute \'type\' is missing in call to \'fetchTree\'', { location: site })
  result.set('type', type === undefined ? 'git' : forcePlainString(type, 'while evaluating the `type` attribute passed to builtins.fetchTree', site))
  for (const key of attributes.layout.names) {
    if (key === 'type') continue
    const location = attributes.locationOf(key) ?? NO_SITE
    const member = force(attributes.get(key)!)
    if (isString(member) || member instanceof PathValue) {
      const text = coerceToString(evaluator, member, new ContextBuilder(), { more: false, copy: false, doing: '' }, location)
      result.set(key, git && key === 'url' ? fixGitUrl(text) : text)
    } else if (typeof member === 'boolean') {
      result.set(key, member)
    } else if (isInt(member)) {
      if (member < 0) throw new EvaluationError('eval', `negative value given for '${git ? 'fetchGit' : 'fetchTree'}' argument '${key}': ${member}`, { location: site })
      result.set(key, Number(member))
    } else {
      throw new EvaluationError('type', `fetchTree argument '${key}' is ${showType(member)} while a string, Boolean or integer is expected`)
    }
  }
  if (!git && result.has('name')) throw new EvaluationError('eval', 'attribute \'name\' isn\'t supported in call to \'fetchTree\'', { location: site })
  return result
}

/** `user@host:path` and bare paths are taken as addresses too. */
function fixGitUrl(url: string): string {
  if (/^[^/:]+@[^/:]+:(?!\/\/)/.test(url)) return `ssh://${url.replace(':', '/')}`
  if (url.startsWith('/')) return `file://${url}`
  return url
}

/** An address with a scheme, as flake references are written. */
export function parseTreeUrl(url: string, site: Site): Record<string, Argument> {
  const github = /^(github|gitlab|sourcehut):([^/?#]+)\/([^/?#]+)(?:\/([^?#]+))?(?:\?([^#]*))?$/.exec(url)
  if (github !== null) {
    const [, type, owner, repo, refOrRev, query] = github
    return { type: type!, owner: owner!, repo: repo!, ...(refOrRev !== undefined && (/^[0-9a-f]{40}$/.test(refOrRev) ? { rev: refOrRev } : { ref: refOrRev })), ...queryOf(query) }
  }
  const match = /^(?:(git|tarball|file|path)\+?)?([a-z+]*:[^?#]*)(?:\?([^#]*))?$/.exec(url)
  if (match === null) throw new EvaluationError('eval', `input '${url}' is unsupported`, { location: site })
  const [, scheme, address, query] = match
  if (url.startsWith('path:')) return { type: 'path', path: address!.replace(/^:?/, ''), ...queryOf(query) }
  const bare = address!
  const type = scheme ?? (/\.(zip|tar|tgz|tar\.(gz|xz|bz2|zst))$/.test(bare) ? 'tarball' : 'file')
  return { type, url: bare, ...queryOf(query) }
}

function queryOf(query: string | undefined): Record<string, Argument> {
  const result: Record<string, Argument> = {}
  for (const part of (query ?? '').split('&')) {
    if (part === '') continue
    const [key, value = ''] = part.split('=', 2) as [string, string?]
    const text = decodeURIComponent(value)
    result[key] = key === 'lastModified' || key === 'revCount' ? Number(text) : ['submodules', 'shallow', 'allRefs', 'lfs'].includes(key) ? text === '1' : text
  }
  return result
}

const text = (args: ReadonlyMap<string, Argument>, key: string): string | undefined => {
  const value = args.get(key)
  return typeof value === 'string' ? value : undefined
}

/** Fetches a tree: what `fetchTree`, `fetchGit` and flake inputs are. */
export function fetchTree(evaluator: Evaluator, args: ReadonlyMap<string, Argument>, git: boolean, site: Site): Value {
  const type = text(args, 'type')
  const name = text(args, 'name') ?? 'source'
  const url = addressOf(args, site)
  evaluator.checkUri(url)
  const narHash = text(args, 'narHash')
  const rev = text(args, 'rev')
  if (evaluator.settings.mode === 'pure' && narHash === undefined && rev === undefined) {
    throw new EvaluationError('eval', `in pure evaluation mode, '${git ? 'fetchGit' : 'fetchTree'}' will not fetch unlocked input '${url}'`, { location: site })
  }
  if (/^file:(?!\/)/.test(url)) {
    throw new EvaluationError('eval', `tarball '${url}' must use an absolute path. The 'file' scheme does not support relative paths.`, { traces: [{ text: `while fetching the input '${url}'`, location: undefined }] })
  }
  if (type === 'path') return fetchPath(evaluator, text(args, 'path') ?? '', narHash, args, site)
  const isGit = type === 'git'
  const submodules = args.get('submodules') === true
  const exportIgnore = args.get('exportIgnore') === undefined ? git && !submodules : args.get('exportIgnore') === true
  const shallow = args.get('shallow') === undefined ? !git : args.get('shallow') === true
  const options = { submodules, shallow, exportIgnore, lfs: args.get('lfs') === true }
  if (narHash !== undefined) {
    const hash = hashOfSetting(evaluator, narHash, undefined)
    const method = type === 'file' ? 'flat' : 'nar'
    const storePath = makeFixedOutputPath(name, { method: 'nar', hash }).toString()
    const ref = text(args, 'ref')
    const request: FetchRequest = isGit && rev !== undefined
      ? { kind: 'git', name, url, revision: rev, ...(ref !== undefined && { ref }), ...options, hash: formatHash(hash, 'sri') }
      : { kind: 'url', name, urls: [url], unpack: method === 'nar', executable: false, hash: formatHash(hash, 'sri'), method: 'nar' }
    if (!isGit || rev !== undefined) {
      evaluator.io.mentionFetch(storePath, request)
      return treeValue(evaluator, args, git, { storePath, narHash: formatHash(hash, 'sri') })
    }
  }
  const ref = text(args, 'ref')
  const fetched = fetchNow(evaluator, {
    kind: isGit ? 'git' : type === 'file' ? 'url' : type === 'mercurial' || type === 'hg' ? 'mercurial' : 'tarball',
    name, url, ...(ref !== undefined && { ref }), ...(rev !== undefined && { revision: rev }), ...(isGit && options),
  })
  if (narHash !== undefined && narHash !== fetched.narHash) {
    throw new EvaluationError('eval', `NAR hash mismatch in input '${url}', expected '${narHash}' but got '${fetched.narHash}'`)
  }
  return treeValue(evaluator, args, git, fetched)
}

function fetchPath(evaluator: Evaluator, path: string, narHash: string | undefined, args: ReadonlyMap<string, Argument>, site: Site): Value {
  if (!path.startsWith('/')) throw new EvaluationError('eval', `cannot fetch input 'path:${path}' because it uses a relative path`, { location: site })
  const real = evaluator.files.resolve(path)
  evaluator.files.existing(real)
  const storePath = guarded(real, () => evaluator.io.addPath({ path: real, name: 'source', method: 'nar' }))
  if (narHash !== undefined) {
    const expected = makeFixedOutputPath('source', { method: 'nar', hash: hashOfSetting(evaluator, narHash, undefined) }).toString()
    if (expected !== storePath) throw new EvaluationError('eval', `NAR hash mismatch in input 'path:${path}', expected '${narHash}'`)
  }
  return treeValue(evaluator, args, false, { storePath, narHash: narHash ?? '' })
}

function addressOf(args: ReadonlyMap<string, Argument>, site: Site): string {
  const type = text(args, 'type')
  const owner = text(args, 'owner') ?? ''
  const repo = text(args, 'repo') ?? ''
  const at = text(args, 'rev') ?? text(args, 'ref') ?? 'HEAD'
  switch (type) {
    case 'github': return text(args, 'host') === undefined ? `https://api.github.com/repos/${owner}/${repo}/tarball/${at}` : `https://${text(args, 'host')!}/api/v3/repos/${owner}/${repo}/tarball/${at}`
    case 'gitlab': return `https://${text(args, 'host') ?? 'gitlab.com'}/api/v4/projects/${owner}%2F${repo}/repository/archive.tar.gz?sha=${at}`
    case 'sourcehut': return `https://${text(args, 'host') ?? 'git.sr.ht'}/${owner}/${repo}/archive/${at}.tar.gz`
    case 'path': return text(args, 'path') ?? ''
    default: break
  }
  const url = text(args, 'url')
  if (url === undefined) throw new EvaluationError('eval', `input of type '${type ?? ''}' has no attribute 'url'`, { location: site })
  return url
}

function treeValue(evaluator: Evaluator, args: ReadonlyMap<string, Argument>, git: boolean, fetched: UnlockedFetchResult): Value {
  const entries: [string, Slot][] = [['outPath', storePathString(evaluator, fetched.storePath)]]
  if (fetched.narHash !== '') entries.push(['narHash', fetched.narHash])
  const type = text(args, 'type')
  if (type === 'git') entries.push(['submodules', args.get('submodules') === true])
  const revision = fetched.revision ?? text(args, 'rev')
  if (revision !== undefined) entries.push(['rev', revision], ['shortRev', revision.slice(0, 7)])
  else if (git) entries.push(['rev', '0'.repeat(40)], ['shortRev', '0'.repeat(7)])
  const revCount = fetched.revisionCount ?? args.get('revCount')
  if (typeof revCount === 'number') entries.push(['revCount', revCount])
  else if (git) entries.push(['revCount', 0])
  const lastModified = fetched.lastModified ?? args.get('lastModified')
  if (typeof lastModified === 'number') {
    entries.push(['lastModified', lastModified], ['lastModifiedDate', new Date(lastModified * 1000).toISOString().replace(/\..*|[-:T]/g, '')])
  }
  return attributesOf(entries)
}

export const fetching: BuiltinFamily = (evaluator) => {
  const tree = (slot: Slot, git: boolean): Value => {
    const site = callSite()
    return fetchTree(evaluator, treeArguments(evaluator, slot, git, site), git, site)
  }
  return [
    builtin('__fetchurl', 1, (a) => fetchFile(evaluator, a, 'fetchurl')),
    builtin('fetchTarball', 1, (a) => fetchFile(evaluator, a, 'fetchTarball')),
    builtin('fetchTree', 1, (a) => tree(a, false)),
    builtin('fetchGit', 1, (a) => tree(a, true)),
  ]
}
