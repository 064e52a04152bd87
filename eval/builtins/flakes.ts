/** Ring: eval. Flakes: `getFlake parseFlakeRef flakeRefToString`. Upstream counterpart: src/libflake/flake-primops.cc. */
import { flakeReferenceOf, attributesOfReference, parseFlakeReference, showFlakeReference } from '../flakes/reference.ts'
import type { Evaluator } from '../evaluator.ts'
import { callFlake } from '../flakes/call-flake.ts'
import { lockFlake } from '../flakes/lock-flake.ts'
import { evaluating, isLocked } from '../flakes/input.ts'
import type { InputAttribute } from '../flakes/attributes.ts'
import { showLocation } from '../printing/locations.ts'
import { callSite } from '../runtime/call.ts'
import { EvaluationError } from '../runtime/errors.ts'
import { forceAttributes, forcePlainString } from '../runtime/expect.ts'
import { force } from '../runtime/thunk.ts'
import { isInt, isString, showType, textOf } from '../runtime/types.ts'
import { attributesOf } from '../values/make.ts'
import { PathValue, type Slot, type Value } from '../values/value.ts'
import { builtin, type BuiltinFamily } from './definition.ts'

function getFlake(evaluator: Evaluator, slot: Slot): Value {
  const isPure = evaluator.settings.mode === 'pure'
  const value = force(slot)
  const text = value instanceof PathValue ? `path:${value.path}` : forcePlainString(value, 'while evaluating the argument passed to builtins.getFlake', callSite())
  const reference = parseFlakeReference(text)
  if (isPure && !isLocked(reference.input)) throw new EvaluationError('eval', `cannot call 'getFlake' on unlocked flake reference '${text}', at ${showLocation(undefined)}:0 (use --impure to override)`)
  return callFlake(evaluator, lockFlake(evaluator, reference, { registries: !isPure, allowUnlocked: !isPure }))
}

function parseFlakeRef(slot: Slot): Value {
  const text = forcePlainString(slot, 'while evaluating the argument passed to builtins.parseFlakeRef', callSite())
  return attributesOf(attributesOfReference(parseFlakeReference(text)))
}

function flakeRefToString(slot: Slot): Value {
  const attributes = forceAttributes(slot, 'while evaluating the argument passed to builtins.flakeRefToString', callSite())
  const input = new Map<string, InputAttribute>()
  for (const name of attributes.layout.names) {
    const value = force(attributes.get(name)!)
    if (isInt(value)) {
      if (value < 0) throw new EvaluationError('eval', `negative value given for flake ref attr ${name}: ${value}`)
      input.set(name, Number(value))
    } else if (typeof value === 'boolean') input.set(name, value)
    else if (isString(value)) input.set(name, textOf(value))
    else throw new EvaluationError('eval', `flake reference attribute sets may only contain integers, Booleans, and strings, but attribute '${name}' is ${showType(value)}`)
  }
  return evaluating(() => showFlakeReference(flakeReferenceOf(input)))
}

export const flakes: BuiltinFamily = (evaluator) => [
  builtin('__getFlake', 1, (a) => getFlake(evaluator, a)),
  builtin('__parseFlakeRef', 1, parseFlakeRef),
  builtin('__flakeRefToString', 1, flakeRefToString),
]
