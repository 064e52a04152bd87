/**
 * Ring: eval. `fetchTree fetchGit fetchMercurial`: their arguments and results; the fetching itself is in flakes/fetch-input.ts. Upstream
 * counterpart: src/libexpr/primops/{fetchTree,fetchMercurial}.cc.
 */
import type { Evaluator } from '../evaluator.ts'
import { showAttributes, textAttribute, withAttributes, type Input, type InputAttribute } from '../flakes/attributes.ts'
import { checkInput, fetchInput, type FetchedInput } from '../flakes/fetch-input.ts'
import { evaluating, inputFromAttributes, inputFromUrl, isDirect, isLocked, showInput } from '../flakes/input.ts'
import { lookUpInRegistries } from '../flakes/registry.ts'
import { fixGitUrl, SCHEMES } from '../flakes/schemes.ts'
import { parseUrl, printUrl } from '../flakes/url.ts'
import { callSite } from '../runtime/call.ts'
import { coerceToString } from '../runtime/coerce.ts'
import { EvaluationError } from '../runtime/errors.ts'
import { forcePlainString } from '../runtime/expect.ts'
import { NO_SITE, type Site } from '../runtime/site.ts'
import { force, Thunk } from '../runtime/thunk.ts'
import { isInt, isString, showType } from '../runtime/types.ts'
import { ContextBuilder } from '../values/context.ts'
import { attributesOf } from '../values/make.ts'
import { Attributes, PathValue, type Slot, type Value } from '../values/value.ts'
import { builtin, type BuiltinFamily } from './definition.ts'
import { storePathString } from './fetch.ts'

type Fetcher = 'fetchTree' | 'fetchGit'

/** What was asked for. */
function inputOf(evaluator: Evaluator, slot: Slot, fetcher: Fetcher, site: Site): Input {
  const value = force(slot)
  if (!(value instanceof Attributes)) {
    const url = coerceToString(evaluator, value, new ContextBuilder(), { more: false, copy: false, doing: `while evaluating the first argument passed to '${fetcher}'` }, site)
    return evaluating(() => (fetcher === 'fetchGit' ? inputFromAttributes(new Map<string, InputAttribute>([['type', 'git'], ['url', printUrl(fixGitUrl(url))], ['exportIgnore', true]])) : inputFromUrl(parseUrl(url), true)))
  }
  const attributes = new Map<string, InputAttribute>()
  const type = value.get('type')
  if (type !== undefined && fetcher === 'fetchGit') throw new EvaluationError('eval', 'unexpected argument \'type\'', { location: site })
  if (type === undefined && fetcher === 'fetchTree') throw new EvaluationError('eval', `argument 'type' is missing in call to '${fetcher}'`, { location: site })
  attributes.set('type', type === undefined ? 'git' : forcePlainString(type, `while evaluating the \`type\` argument passed to '${fetcher}'`, value.locationOf('type') ?? NO_SITE))
  for (const name of value.layout.names) if (name !== 'type') attributes.set(name, argumentOf(evaluator, name, value, fetcher, site))
  const isGit = attributes.get('type') === 'git'
  if (fetcher === 'fetchGit' && !attributes.has('exportIgnore') && attributes.get('submodules') !== true) attributes.set('exportIgnore', true)
  if (fetcher === 'fetchTree' && isGit && !attributes.has('shallow')) attributes.set('shallow', true)
  if (fetcher === 'fetchTree' && attributes.has('name')) throw new EvaluationError('eval', `argument 'name' isn\u00e2\u0080\u0099t supported in call to '${fetcher}'`, { location: site })
  return evaluating(() => inputFromAttributes(attributes))
}

function argumentOf(evaluator: Evaluator, name: string, set: Attributes, fetcher: Fetcher, site: Site): InputAttribute {
  const member = force(set.get(name)!)
  if (isString(member) || member instanceof PathValue) {
    const text = coerceToString(evaluator, member, new ContextBuilder(), { more: false, copy: false, doing: '' }, set.locationOf(name) ?? NO_SITE)
    return fetcher === 'fetchGit' && name === 'url' ? evaluating(() => printUrl(fixGitUrl(text))) : text
  }
  if (typeof member === 'boolean') return member
  if (!isInt(member)) throw new EvaluationError('type', `argument '${name}' to '${fetcher}' is ${showType(member)} while a string, Boolean or integer is expected`)
  if (member < 0) throw new EvaluationError('eval', `negative value given for '${fetcher}' argument '${name}': ${member}`, { location: site })
  return Number(member)
}

function fetchTree(evaluator: Evaluator, slot: Slot, fetcher: Fetcher): Value {
  const site = callSite()
  const asked = inputOf(evaluator, slot, fetcher, site)
  const isPure = evaluator.settings.mode === 'pure'
  const input = isPure || isDirect(asked) ? asked : lookUpInRegistries(evaluator, asked, 'limited').input
  if (!SCHEMES.has(textAttribute(input, 'type') ?? '')) throw new EvaluationError('eval', `cannot show unsupported input '${showAttributes(input)}'`)
  const shown = evaluating(() => showInput(input))
  if (isPure && !isLocked(input)) throw new EvaluationError('eval', `in pure evaluation mode, '${fetcher}' will not fetch unlocked input '${shown}'`, { location: site })
  checkInput(evaluator, input)
  if (input.get('__final') === true) throw new EvaluationError('eval', `input '${shown}' is not allowed to use the '__final' attribute`)
  return treeValue(evaluator, fetchInput(evaluator, input), { emptyRevision: fetcher === 'fetchGit' })
}

/**
 * The set that describes a fetched tree. `emptyRevision`: a tree that is no commit has a revision of zeros, as fetchGit always gave.
 * `dirty`: it isn't what its revision says, as a flake whose locks were changed.
 */
export function treeValue(evaluator: Evaluator, { storePath, input, later }: FetchedInput, options: { readonly emptyRevision?: boolean; readonly dirty?: boolean } = {}): Value {
  const entries: [string, Slot][] = [['outPath', storePathString(evaluator, storePath)]]
  const add = (name: string, attribute = name, make: (value: InputAttribute) => InputAttribute = (value) => value): boolean => {
    const value = input.get(attribute)
    if (value !== undefined) entries.push([name, make(value)])
    else if (later?.names.includes(attribute) === true) entries.push([name, new Thunk({ location: undefined, run: () => make(later.get().get(attribute) ?? 0) }, undefined)])
    else return false
    return true
  }
  add('narHash')
  if (input.get('type') === 'git') entries.push(['submodules', input.get('submodules') === true])
  if (options.dirty !== true) {
    const short = (rev: InputAttribute): string => String(rev).slice(0, 7)
    if (!add('rev') && options.emptyRevision === true) entries.push(['rev', '0'.repeat(40)])
    if (!add('shortRev', 'rev', short) && options.emptyRevision === true) entries.push(['shortRev', '0'.repeat(7)])
    if (!add('revCount') && options.emptyRevision === true) entries.push(['revCount', 0])
  }
  add('dirtyRev')
  add('dirtyShortRev')
  add('lastModified')
  add('lastModifiedDate', 'lastModified', (seconds) => new Date(Number(seconds) * 1000).toISOString().replace(/\..*|[-:T]/g, ''))
  return attributesOf(entries)
}

function fetchMercurial(evaluator: Evaluator, slot: Slot): Value {
  const site = callSite()
  const value = force(slot)
  let [url, name, rev, ref] = ['', 'source', undefined as string | undefined, undefined as string | undefined]
  const urlOf = (from: Slot, location: Site, doing: string): string => coerceToString(evaluator, from, new ContextBuilder(), { more: false, copy: false, doing }, location)
  if (value instanceof Attributes) {
    for (const key of value.layout.names) {
      const location = value.locationOf(key) ?? NO_SITE
      const member = value.get(key)!
      if (key === 'url') url = urlOf(member, location, 'while evaluating the `url` attribute passed to builtins.fetchMercurial')
      else if (key === 'rev') {
        // what is no hash is a branch or tag
        const text = forcePlainString(member, 'while evaluating the `rev` attribute passed to builtins.fetchMercurial', location)
        if (/^[0-9a-fA-F]{40}$/.test(text)) rev = text
        else ref = text
      } else if (key === 'name') name = forcePlainString(member, 'while evaluating the `name` attribute passed to builtins.fetchMercurial', location)
      else throw new EvaluationError('eval', `unsupported argument '${key}' to 'fetchMercurial'`, { location })
    }
    if (url === '') throw new EvaluationError('eval', '\'url\' argument required', { location: site })
  } else {
    url = urlOf(value, site, 'while evaluating the first argument passed to builtins.fetchMercurial')
  }
  evaluator.checkUri(url)
  if (evaluator.settings.mode === 'pure' && rev === undefined) throw new EvaluationError('eval', 'in pure evaluation mode, \'fetchMercurial\' requires a Mercurial revision')
  const input = withAttributes(new Map<string, InputAttribute>([['type', 'hg'], ['url', url.includes('://') ? url : `file://${url}`], ['name', name]]), { rev, ref })
  const fetched = fetchInput(evaluator, evaluating(() => inputFromAttributes(input)))
  const revision = textAttribute(fetched.input, 'rev') ?? '0'.repeat(40)
  const entries: [string, Slot][] = [['outPath', storePathString(evaluator, fetched.storePath)], ['rev', revision], ['shortRev', revision.slice(0, 12)]]
  const branch = fetched.input.get('ref')
  const revCount = fetched.input.get('revCount')
  if (branch !== undefined) entries.push(['branch', branch])
  if (revCount !== undefined) entries.push(['revCount', revCount])
  return attributesOf(entries)
}

export const trees: BuiltinFamily = (evaluator) => [
  builtin('fetchTree', 1, (a) => fetchTree(evaluator, a, 'fetchTree')),
  builtin('fetchGit', 1, (a) => fetchTree(evaluator, a, 'fetchGit')),
  builtin('fetchMercurial', 1, (a) => fetchMercurial(evaluator, a)),
]
