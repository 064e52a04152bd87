/**
 * Ring: eval. Registries of flakes: what a name as `nixpkgs` stands for. The user's and the machine's are files, the global one is a file or an
 * address. Upstream counterpart: src/libfetchers/registry.cc.
 */
import { byteStringOfText } from '../../nix/bytes.ts'
import type { Evaluator } from '../evaluator.ts'
import { guarded } from '../files.ts'
import { Memo } from '../runtime/memo.ts'
import { EvaluationError } from '../runtime/errors.ts'
import { requiredText, textAttribute, without, type Input, type InputAttribute } from './attributes.ts'
import { containsInput, equalInputs, evaluating, inputFromAttributes, isDirect, showInput, withOverrides } from './input.ts'

interface Entry {
  readonly from: Input
  readonly to: Input
  /** Folder in what it stands for. */
  readonly folder: string | undefined
  readonly exact: boolean
}

/** Where Nix looks, unless the setting `flake-registry` says otherwise. */
const GLOBAL_REGISTRY = 'https://channels.nixos.org/flake-registry.json'

/** `limited` asks the global registry only: what a flake's own inputs are must not depend on who evaluates. */
export type Registries = 'all' | 'limited' | 'none'

/** What an input stands for; itself if it needs no registry. Throws where no registry knows it. */
export function lookUpInRegistries(evaluator: Evaluator, asked: Input, which: Registries): { readonly input: Input; readonly folder: string | undefined } {
  let input = asked
  let folder: string | undefined
  if (which === 'none') return { input, folder }
  for (let steps = 0; ; steps++) {
    if (steps > 100) throw new EvaluationError('eval', `cycle detected in flake registry for '${showInput(input)}'`)
    const entry = findEntry(evaluator, input, which)
    if (entry === undefined) break
    input = entry.exact ? entry.to : withOverrides(entry.to, entry.from.has('ref') ? undefined : textAttribute(input, 'ref'), entry.from.has('rev') ? undefined : textAttribute(input, 'rev'))
    ;({ folder } = entry)
  }
  if (!isDirect(input)) throw new EvaluationError('eval', `cannot find flake '${evaluating(() => showInput(input))}' in the flake registries`)
  return { input, folder }
}

function findEntry(evaluator: Evaluator, input: Input, which: Registries): Entry | undefined {
  const matches = (entry: Entry): boolean => (entry.exact ? equalInputs(entry.from, input) : containsInput(entry.from, input))
  for (const file of which === 'all' ? localRegistries(evaluator) : []) {
    const found = entriesOf(evaluator, file).find(matches)
    if (found !== undefined) return found
  }
  // the global one may have to be downloaded, and stands for names only
  return isDirect(input) ? undefined : globalEntries(evaluator).find(matches)
}

function localRegistries(evaluator: Evaluator): string[] {
  const { io } = evaluator
  const home = io.environment('HOME') ?? ''
  const user = io.environment('XDG_CONFIG_HOME') ?? (home === '' ? undefined : `${home}/.config`)
  return [...(user === undefined ? [] : [`${user}/nix/registry.json`]), `${io.environment('NIX_CONF_DIR') ?? '/etc/nix'}/registry.json`]
}

function globalEntries(evaluator: Evaluator): readonly Entry[] {
  const place = evaluator.language.flakeRegistry ?? GLOBAL_REGISTRY
  if (place === '') return []
  if (place.startsWith('/')) return entriesOf(evaluator, byteStringOfText(place))
  return entriesOf(evaluator, guarded(place, () => evaluator.io.fetchUnlocked({ kind: 'url', name: 'flake-registry.json', url: place })).storePath)
}

const known = new WeakMap<Evaluator, Memo<readonly Entry[]>>()

function entriesOf(evaluator: Evaluator, file: string): readonly Entry[] {
  let files = known.get(evaluator)
  if (files === undefined) known.set(evaluator, (files = new Memo()))
  return files.get(file, () => readRegistry(evaluator, file))
}

function readRegistry(evaluator: Evaluator, file: string): readonly Entry[] {
  const { io } = evaluator
  if (guarded(file, () => io.status(file)) === undefined) return []
  let json: unknown
  try {
    json = JSON.parse(new TextDecoder().decode(guarded(file, () => io.readFile(file))))
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    evaluator.trace('warn', `cannot parse flake registry '${file}': ${error.message}`)
    return []
  }
  const { version, flakes } = json as { readonly version?: unknown; readonly flakes?: readonly { readonly from: object; readonly to: object; readonly exact?: boolean }[] }
  if (version !== 2 || flakes === undefined) {
    evaluator.trace('warn', `flake registry '${file}' has unsupported version ${String(version)}`)
    return []
  }
  return flakes.map(({ from, to, exact }) => {
    const target = jsonAttributes(to)
    return { from: evaluating(() => inputFromAttributes(jsonAttributes(from))), to: evaluating(() => inputFromAttributes(without(target, 'dir'))), folder: target.has('dir') ? requiredText(target, 'dir') : undefined, exact: exact ?? false }
  })
}

/** Attributes as lock files and registries have them. */
export function jsonAttributes(object: object): Input {
  const attributes = new Map<string, InputAttribute>()
  for (const [name, value] of Object.entries(object) as [string, unknown][]) {
    if (typeof value === 'string') attributes.set(name, byteStringOfText(value))
    else if (typeof value === 'number' || typeof value === 'boolean') attributes.set(name, value)
    else throw new EvaluationError('eval', 'unsupported input attribute type in lock file')
  }
  return attributes
}
