/** Ring: eval. Types of values: `typeOf`, `isAttrs` and their like, `functionArgs`. */
import { callSite } from '../runtime/call.ts'
import { EvaluationError } from '../runtime/errors.ts'
import { force } from '../runtime/thunk.ts'
import { isFunction, isInt, isList, isString, typeOf } from '../runtime/types.ts'
import { attributesWithLocations } from '../values/make.ts'
import { Attributes, EMPTY_ATTRIBUTES, Float, Lambda, PartialPrimOp, PathValue, PrimOp, type Slot, type Value } from '../values/value.ts'
import { builtin, type BuiltinFamily } from './definition.ts'

function functionArgs(slot: Slot): Value {
  const value = force(slot)
  if (value instanceof PrimOp || value instanceof PartialPrimOp) return EMPTY_ATTRIBUTES
  if (!(value instanceof Lambda)) throw new EvaluationError('type', '\'functionArgs\' requires a function', { location: callSite() })
  const { code } = value
  if (code.argumentsSet === undefined) {
    const { parameter } = code
    const formals = parameter.kind === 'pattern' ? parameter.formals : []
    code.argumentsSet = attributesWithLocations(formals.map((f) => f.name), formals.map((f) => f.fallback !== undefined), formals.map((f) => f.location))
  }
  return code.argumentsSet
}

export const types: BuiltinFamily = () => [
  builtin('__typeOf', 1, (a) => typeOf(force(a))),
  builtin('isNull', 1, (a) => force(a) === null),
  builtin('__isFunction', 1, (a) => isFunction(force(a))),
  builtin('__isInt', 1, (a) => isInt(force(a))),
  builtin('__isFloat', 1, (a) => force(a) instanceof Float),
  builtin('__isString', 1, (a) => isString(force(a))),
  builtin('__isBool', 1, (a) => typeof force(a) === 'boolean'),
  builtin('__isPath', 1, (a) => force(a) instanceof PathValue),
  builtin('__isAttrs', 1, (a) => force(a) instanceof Attributes),
  builtin('__isList', 1, (a) => isList(force(a))),
  builtin('__functionArgs', 1, functionArgs),
]
