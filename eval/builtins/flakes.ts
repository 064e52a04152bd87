/** Ring: eval. Flakes: `getFlake parseFlakeRef flakeRefToString`. Upstream counterpart: src/libflake/flake-primops.cc. */
import { flakeReferenceOf, attributesOfReference, parseFlakeReference, showFlakeReference } from '../flakes/reference.ts'
import { evaluating } from '../flakes/input.ts'
import type { InputAttribute } from '../flakes/attributes.ts'
import { callSite } from '../runtime/call.ts'
import { EvaluationError } from '../runtime/errors.ts'
import { forceAttributes, forcePlainString } from '../runtime/expect.ts'
import { force } from '../runtime/thunk.ts'
import { isInt, isString, showType, textOf } from '../runtime/types.ts'
import { attributesOf } from '../values/make.ts'
import type { Slot, Value } from '../values/value.ts'
import { builtin, type BuiltinFamily } from './definition.ts'

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

export const flakes: BuiltinFamily = () => [
  builtin('__parseFlakeRef', 1, parseFlakeRef),
  builtin('__flakeRefToString', 1, flakeRefToString),
]
