/** Ring: eval. Names of types, as messages and `typeOf` give them. Upstream counterpart: showType in src/libexpr/eval.cc. */
import { Attributes, ContextString, Float, Lambda, PartialPrimOp, PathValue, PrimOp, type List, type Value } from '../values/value.ts'

export type TypeName = 'null' | 'bool' | 'int' | 'float' | 'string' | 'path' | 'list' | 'set' | 'lambda'

export function typeOf(value: Value): TypeName {
  switch (typeof value) {
    case 'string': return 'string'
    case 'number':
    case 'bigint': return 'int'
    case 'boolean': return 'bool'
    default: break
  }
  if (value === null) return 'null'
  if (value instanceof Attributes) return 'set'
  if (Array.isArray(value)) return 'list'
  if (value instanceof ContextString) return 'string'
  if (value instanceof PathValue) return 'path'
  if (value instanceof Float) return 'float'
  return 'lambda'
}

const WITH_ARTICLE: Readonly<Record<TypeName, string>> = {
  null: 'null', bool: 'a Boolean', int: 'an integer', float: 'a float', string: 'a string', path: 'a path', list: 'a list', set: 'a set', lambda: 'a function',
}

/** As in `cannot coerce a set to a string`. */
export function showType(value: Value): string {
  if (value instanceof ContextString) return 'a string with context'
  if (value instanceof PrimOp) return `the built-in function '${value.name}'`
  if (value instanceof PartialPrimOp) return `the partially applied built-in function '${value.primOp.name}'`
  return WITH_ARTICLE[typeOf(value)]
}

export function isList(value: Value): value is List {
  return Array.isArray(value)
}

export function isString(value: Value): value is string | ContextString {
  return typeof value === 'string' || value instanceof ContextString
}

export function isInt(value: Value): value is number | bigint {
  return typeof value === 'number' || typeof value === 'bigint'
}

export function isFunction(value: Value): value is Lambda | PrimOp | PartialPrimOp {
  return value instanceof Lambda || value instanceof PrimOp || value instanceof PartialPrimOp
}

/** The text of a string value. */
export function textOf(value: string | ContextString): string {
  return typeof value === 'string' ? value : value.text
}
