/** Ring: eval. Values that must have a type. `doing` says what was going on, in Nix's words; empty for nothing. */
import { Attributes, ContextString, Float, type List, type Slot, type Value } from '../values/value.ts'
import { printContextElement, type ContextBuilder } from '../values/context.ts'
import { showExcerpt } from '../printing/excerpt.ts'
import { printAttributeName } from '../text/printing.ts'
import { EvaluationError } from './errors.ts'
import type { Site } from './site.ts'
import { force } from './thunk.ts'
import { isFunction, isInt, isList, isString, showType, textOf } from './types.ts'

function mismatch(expected: string, value: Value, doing: string, site: Site): EvaluationError {
  return new EvaluationError('type', `expected ${expected} but found ${showType(value)}: ${showExcerpt(value)}`, { location: site, traces: [{ text: doing, location: site }] })
}

export function expectBoolean(value: Value, doing: string, site: Site): boolean {
  if (typeof value === 'boolean') return value
  throw mismatch('a Boolean', value, doing, site)
}

export function expectAttributes(value: Value, doing: string, site: Site): Attributes {
  if (value instanceof Attributes) return value
  throw mismatch('a set', value, doing, site)
}

export function forceBoolean(slot: Slot, doing: string, site: Site): boolean {
  return expectBoolean(force(slot), doing, site)
}

export function forceAttributes(slot: Slot, doing: string, site: Site): Attributes {
  return expectAttributes(force(slot), doing, site)
}

export function forceList(slot: Slot, doing: string, site: Site): List {
  const value = force(slot)
  if (isList(value)) return value
  throw mismatch('a list', value, doing, site)
}

export function forceInt(slot: Slot, doing: string, site: Site): number | bigint {
  const value = force(slot)
  if (isInt(value)) return value
  throw mismatch('an integer', value, doing, site)
}

export function forceFloat(slot: Slot, doing: string, site: Site): number {
  const value = force(slot)
  if (value instanceof Float) return value.value
  if (isInt(value)) return Number(value)
  throw mismatch('a float', value, doing, site)
}

/** Something that can be called, sets with `__functor` included. */
export function forceFunction(slot: Slot, doing: string, site: Site): Value {
  const value = force(slot)
  if (isFunction(value) || (value instanceof Attributes && value.has('__functor'))) return value
  throw mismatch('a function', value, doing, site)
}

export function forceString(slot: Slot, doing: string, site: Site, context?: ContextBuilder): string {
  const value = force(slot)
  if (typeof value === 'string') return value
  if (value instanceof ContextString) {
    context?.add(value.context)
    return value.text
  }
  throw mismatch('a string', value, doing, site)
}

/** A string that refers to nothing. */
export function forcePlainString(slot: Slot, doing: string, site: Site): string {
  const value = force(slot)
  if (typeof value === 'string') return value
  if (!isString(value)) throw mismatch('a string', value, doing, site)
  const first = (value).context.sorted()[0]!
  throw new EvaluationError('eval', `the string '${textOf(value)}' is not allowed to refer to a store path (such as '${printContextElement(first)}')`, { location: undefined, traces: [{ text: doing, location: site }] })
}

/** An attribute of a builtin's argument that must be there. */
export function requireAttribute(attributes: Attributes, name: string, doing: string): Slot {
  const found = attributes.get(name)
  if (found !== undefined) return found
  throw new EvaluationError('type', `attribute '${printAttributeName(name)}' missing`, { traces: [{ text: doing, location: undefined }] })
}
