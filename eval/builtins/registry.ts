/** Ring: eval. All builtins of one evaluator, as every file sees them. Upstream counterpart: EvalState::createBaseEnv. */
import type { Evaluator } from '../evaluator.ts'
import { Thunk } from '../runtime/thunk.ts'
import { attributesOf } from '../values/make.ts'
import { PrimOp, type Slot } from '../values/value.ts'
import { internName } from '../syntax/names.ts'
import { arithmetic } from './arithmetic.ts'
import { attributes } from './attributes.ts'
import { context } from './context.ts'
import { control } from './control.ts'
import { data } from './data.ts'
import type { BuiltinFamily } from './definition.ts'
import { DERIVATION } from './derivation-source.ts'
import { derivations } from './derivation.ts'
import { dynamicDerivations } from './dynamic-derivations.ts'
import { fetching } from './fetch.ts'
import { trees } from './fetch-tree.ts'
import { flakes } from './flakes.ts'
import { importing } from './import.ts'
import { lists } from './lists.ts'
import { paths } from './paths.ts'
import { regex } from './regex.ts'
import { sources } from './sources.ts'
import { strings } from './strings.ts'
import { types } from './types.ts'

const FAMILIES: readonly BuiltinFamily[] = [arithmetic, attributes, context, control, data, derivations, dynamicDerivations, fetching, flakes, importing, lists, paths, regex, sources, strings, trees, types]

/** Language version that this evaluator has: features that `builtins ? …` can't show. */
const LANGUAGE_VERSION = 6

export function makeGlobals(evaluator: Evaluator): ReadonlyMap<string, Slot> {
  const { settings, io } = evaluator
  const globals = new Map<string, Slot>()
  const members = new Map<string, Slot>()
  const add = (name: string, value: Slot) => {
    globals.set(internName(name), value)
    members.set(internName(name.startsWith('__') ? name.slice(2) : name), value)
  }
  add('true', true)
  add('false', false)
  add('null', null)
  if (settings.mode !== 'pure') {
    add('__currentTime', new Thunk({ location: undefined, run: () => io.currentTime() }, undefined))
    add('__currentSystem', settings.currentSystem)
  }
  add('__nixVersion', settings.nixVersion)
  add('__storeDir', '/nix/store')
  add('__langVersion', LANGUAGE_VERSION)
  const searchPath = settings.mode === 'pure' ? [] : settings.searchPath
  add('__nixPath', searchPath.map(({ prefix, path }) => attributesOf([['path', path], ['prefix', prefix]])))
  for (const family of FAMILIES) {
    for (const { name, arity, run } of family(evaluator)) add(name, new PrimOp(name.startsWith('__') ? name.slice(2) : name, arity, run))
  }
  add('derivation', new Thunk({ location: undefined, run: () => evaluator.evaluateParsed(evaluator.parseSource({ origin: { kind: 'string' }, text: DERIVATION, internal: true }, '/')) }, undefined))
  const builtins: Slot = new Thunk({ location: undefined, run: () => set }, undefined)
  members.set('builtins', builtins)
  const set = attributesOf(members)
  globals.set('builtins', set)
  return globals
}
