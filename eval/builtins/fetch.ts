/**
 * Ring: eval. `fetchurl fetchTarball`, and `fetchClosure`. With a hash, the store path is known at once: the download is mentioned to
 * the EvalIO and happens when something reads the path, or a build wants it. Without, the evaluation waits for the download. Trees are
 * beside this, in fetch-tree.ts.
 */
import type { FetchRequest, UnlockedFetch, UnlockedFetchResult } from '../../contract/fetch.ts'
import { formatHash, type Hash } from '../../nix/hash.ts'
import { isStorePath, makeFixedOutputPath, storePathNameProblem } from '../../nix/store-path.ts'
import type { Evaluator } from '../evaluator.ts'
import { guarded } from '../files.ts'
import { callSite } from '../runtime/call.ts'
import { coerceToPath } from '../runtime/coerce.ts'
import { EvaluationError } from '../runtime/errors.ts'
import { forceAttributes, forceBoolean, forcePlainString } from '../runtime/expect.ts'
import { NO_SITE, type Site } from '../runtime/site.ts'
import { force } from '../runtime/thunk.ts'
import { ContextBuilder, singleContext } from '../values/context.ts'
import { Attributes, ContextString, type Slot, type Value } from '../values/value.ts'
import { builtin, type BuiltinFamily } from './definition.ts'
import { hashOfSetting } from './hashes.ts'

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

export function storePathString(evaluator: Evaluator, storePath: string): Value {
  evaluator.files.allow(storePath)
  return new ContextString(storePath, singleContext('opaque', storePath))
}

function fetchNow(evaluator: Evaluator, request: UnlockedFetch): UnlockedFetchResult {
  return guarded(request.url, () => evaluator.io.fetchUnlocked(request))
}

/**
 * A path of a binary cache, with all it refers to. It is taken from the substituters that are trusted already; `fromStore` tells readers which
 * one has it. Content-addressed forms aren't computed: `toPath` must be in a store. Upstream counterpart: primops/fetchClosure.cc.
 */
function fetchClosure(evaluator: Evaluator, argument: Slot): Value {
  const attributes = forceAttributes(argument, 'while evaluating the argument passed to builtins.fetchClosure', callSite())
  let fromPath: string | undefined
  let toPath: string | undefined
  let fromStore: string | undefined
  let inputAddressed = false
  for (const name of attributes.layout.names) {
    const slot = attributes.get(name)!
    const location = attributes.locationOf(name) ?? NO_SITE
    const doing = `while evaluating the attribute '${name}' passed to builtins.fetchClosure`
    if (name === 'fromPath') fromPath = storePathOf(evaluator, slot, doing, location)
    else if (name === 'toPath') {
      const value = force(slot)
      toPath = value === '' ? '' : storePathOf(evaluator, value, doing, location)
    } else if (name === 'fromStore') fromStore = forcePlainString(slot, doing, location)
    else if (name === 'inputAddressed') inputAddressed = forceBoolean(slot, doing, location)
    else throw new EvaluationError('eval', `attribute '${name}' isn't supported in call to 'fetchClosure'`)
  }
  if (fromPath === undefined) throw new EvaluationError('eval', 'attribute \'fromPath\' is missing in call to \'fetchClosure\'')
  if (inputAddressed && toPath !== undefined) throw new EvaluationError('eval', 'attribute \'inputAddressed\' is set to true, but \'toPath\' is also set. Please remove one of them')
  if (fromStore === undefined) throw new EvaluationError('eval', 'attribute \'fromStore\' is missing in call to \'fetchClosure\'')
  if (!/^https?:\/\//.test(fromStore)) throw new EvaluationError('eval', '\'fetchClosure\' only supports http:// and https:// stores')
  if (fromStore.includes('?')) throw new EvaluationError('eval', `'fetchClosure' does not support URL query parameters (in '${fromStore}')`)
  if (toPath === '') throw new EvaluationError('eval', `'fetchClosure' does not rewrite '${fromPath}' to content-addressed form here: 'nix store make-content-addressed' tells the value for 'toPath'`)
  const wanted = toPath ?? fromPath
  evaluator.ensurePath(wanted)
  return storePathString(evaluator, wanted)
}

function storePathOf(evaluator: Evaluator, slot: Slot, doing: string, location: Site): string {
  const path = coerceToPath(evaluator, slot, new ContextBuilder(), doing, location)
  if (!isStorePath(path)) throw new EvaluationError('eval', `path '${path}' is not in the Nix store`, { traces: [{ text: doing, location }] })
  return path
}

export const fetching: BuiltinFamily = (evaluator) => [
  builtin('__fetchurl', 1, (a) => fetchFile(evaluator, a, 'fetchurl')),
  builtin('fetchTarball', 1, (a) => fetchFile(evaluator, a, 'fetchTarball')),
  builtin('__fetchClosure', 1, (a) => fetchClosure(evaluator, a)),
]
