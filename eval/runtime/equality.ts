/**
 * Ring: eval. Equality and order. Upstream counterpart: eqValues and assertEqValues in src/libexpr/eval.cc, CompareValues in
 * primops.cc. Deep data is walked with a list of what is left to compare, not by recursion.
 */
import { showExcerpt } from '../printing/excerpt.ts'
import { Attributes, Float, PathValue, type List, type Slot, type Value } from '../values/value.ts'
import { EvaluationError } from './errors.ts'
import { Suspended } from '../io.ts'
import { machine, restoreMachine } from './machine.ts'
import { noteAborted } from './needs.ts'
import { probe } from './speculate.ts'
import type { Site } from './site.ts'
import { force } from './thunk.ts'
import { isInt, isList, isString, showType, textOf, typeOf } from './types.ts'

/** Whether two values are equal. Functions are equal to nothing, unless they are one element of two containers. */
export function equal(left: Value, right: Value): boolean {
  const simple = equalSimple(left, right)
  if (simple !== undefined) return simple
  if (left === right) return true
  const pending: Slot[] = []
  if (!pushChildren(pending, left as List | Attributes, right as List | Attributes)) return false
  const { forcing, depth, speculating } = machine
  try {
    while (pending.length > 0) {
      const rightSlot = pending.pop()!
      const leftSlot = pending.pop()!
      if (leftSlot === rightSlot) continue
      const a = force(leftSlot)
      const b = force(rightSlot)
      if (a === b) continue
      const same = equalSimple(a, b)
      if (same === false) return false
      if (same === undefined && !pushChildren(pending, a as List | Attributes, b as List | Attributes)) return false
    }
  } catch (error) {
    if (error instanceof Suspended) {
      noteAborted(forcing)
      restoreMachine({ forcing, depth, speculating })
      for (const slot of pending.reverse()) probe(() => void force(slot))
    }
    throw error
  }
  return true
}

/** Equality of what has no children; undefined where children must be compared. */
function equalSimple(a: Value, b: Value): boolean | undefined {
  if (typeof a === 'string' && typeof b === 'string') return a === b
  if (typeof a === 'number' && typeof b === 'number') return a === b
  if (typeof a === 'boolean' || a === null || typeof b === 'boolean' || b === null) return a === b
  if (isInt(a)) return isInt(b) ? a === b : b instanceof Float && Number(a) === b.value
  if (a instanceof Float) return b instanceof Float ? a.value === b.value : isInt(b) && a.value === Number(b)
  if (isString(a)) return isString(b) && textOf(a) === textOf(b)
  if (a instanceof PathValue) return b instanceof PathValue && a.path === b.path
  if (isList(a)) return isList(b) && (a.length === 0 || b.length === 0 || a.length !== b.length) ? a.length === b.length : isList(b) ? undefined : false
  if (a instanceof Attributes) return b instanceof Attributes ? (a.size === 0 && b.size === 0 ? true : undefined) : false
  return false
}

function pushChildren(pending: Slot[], a: List | Attributes, b: List | Attributes): boolean {
  if (a instanceof Attributes && b instanceof Attributes) {
    if (isDerivation(a) && isDerivation(b)) {
      const left = a.get('outPath')
      const right = b.get('outPath')
      if (left !== undefined && right !== undefined) {
        pending.push(left, right)
        return true
      }
    }
    if (a.size !== b.size) return false
    if (a.layout !== b.layout) for (let i = 0; i < a.layout.names.length; i++) if (a.layout.names[i] !== b.layout.names[i]) return false
    for (let i = a.size - 1; i >= 0; i--) pending.push(a.values[i]!, b.values[i]!)
    return true
  }
  const left = a as List
  const right = b as List
  for (let i = left.length - 1; i >= 0; i--) pending.push(left[i]!, right[i]!)
  return true
}

/** Whether a set says that it is a derivation. */
export function isDerivation(value: Value): value is Attributes {
  if (!(value instanceof Attributes)) return false
  const type = value.get('type')
  if (type === undefined) return false
  const forced = force(type)
  return isString(forced) && textOf(forced) === 'derivation'
}

/** Fails with the first difference, as `assert a == b` shows it. `text` is the line about the assertion as a whole. */
export function assertEqual(left: Value, right: Value, site: Site, text: string, assertSite: Site): void {
  try {
    compareForAssertion(left, right, site)
  } catch (error) {
    if (error instanceof EvaluationError) error.addTrace(text, assertSite, machine.depth)
    throw error
  }
}

function compareForAssertion(leftSlot: Slot, rightSlot: Slot, site: Site): void {
  const a = force(leftSlot)
  const b = force(rightSlot)
  if (leftSlot === rightSlot && typeof a === 'object' && a !== null) return
  const fail = (message: string): never => {
    throw new EvaluationError('assertion', message)
  }
  const type = typeOf(a)
  const otherType = typeOf(b)
  const numeric = (t: string) => t === 'int' || t === 'float'
  if (numeric(type) && numeric(otherType)) {
    if (equal(a, b)) return
    fail(`${showType(a)} with value '${showExcerpt(a)}' is not equal to ${showType(b)} with value '${showExcerpt(b)}'`)
  }
  if (type !== otherType) fail(`${showType(a)} of value '${showExcerpt(a)}' is not equal to ${showType(b)} of value '${showExcerpt(b)}'`)
  switch (type) {
    case 'null': return
    case 'int':
    case 'float': return
    case 'bool':
    case 'string':
    case 'path':
      if (equal(a, b)) return
      fail(`${NOUNS[type]} '${showExcerpt(a)}' is not equal to ${NOUNS[type]} '${showExcerpt(b)}'`)
      return
    case 'list': {
      const left = a as List
      const right = b as List
      if (left.length !== right.length) fail(`list of size '${left.length}' is not equal to list of size '${right.length}', left hand side is '${showExcerpt(a)}', right hand side is '${showExcerpt(b)}'`)
      for (let i = 0; i < left.length; i++) withTrace(() => compareForAssertion(left[i]!, right[i]!, site), `while comparing list element ${i}`, site)
      return
    }
    case 'set': {
      const left = a as Attributes
      const right = b as Attributes
      const l = left.get('outPath')
      const r = right.get('outPath')
      if (isDerivation(left) && isDerivation(right) && l !== undefined && r !== undefined) {
        withTrace(() => compareForAssertion(l, r, site), 'while comparing a derivation by its \'outPath\' attribute', site)
        return
      }
      if (left.size !== right.size) fail(`attribute names of attribute set '${showExcerpt(a)}' differs from attribute set '${showExcerpt(b)}'`)
      for (const name of left.layout.names) {
        if (!right.has(name)) fail(`attribute name '${name}' is contained in '${showExcerpt(a)}', but not in '${showExcerpt(b)}'`)
      }
      for (const name of left.layout.names) withTrace(() => compareForAssertion(left.get(name)!, right.get(name)!, site), `while comparing attribute '${name}'`, site)
      return
    }
    case 'lambda': fail('distinct functions and immediate comparisons of identical functions compare as unequal')
  }
}

const NOUNS = { bool: 'boolean', string: 'string', path: 'path' } as const

function withTrace(work: () => void, text: string, site: Site): void {
  try {
    work()
  } catch (error) {
    if (error instanceof EvaluationError) error.addTrace(text, site, machine.depth)
    throw error
  }
}

/** `left < right`. */
export function lessThan(left: Value, right: Value, doing: string, site: Site): boolean {
  if (typeof left === 'number' && typeof right === 'number') return left < right
  if (typeof left === 'string' && typeof right === 'string') return left < right
  const numericLeft = left instanceof Float ? left.value : isInt(left) ? left : undefined
  const numericRight = right instanceof Float ? right.value : isInt(right) ? right : undefined
  if (numericLeft !== undefined && numericRight !== undefined) return numericLeft < numericRight
  if (isString(left) && isString(right)) return textOf(left) < textOf(right)
  if (left instanceof PathValue && right instanceof PathValue) return left.path < right.path
  if (isList(left) && isList(right)) {
    for (let i = 0; ; i++) {
      if (i === right.length) return false
      if (i === left.length) return true
      const a = force(left[i]!)
      const b = force(right[i]!)
      if (!(left[i] === right[i] || equal(a, b))) return lessThan(a, b, 'while comparing two list elements', site)
    }
  }
  const shown = `values are ${showExcerpt(left)} and ${showExcerpt(right)}`
  const reason = typeOf(left) === typeOf(right) ? `values of that type are incomparable (${shown})` : shown
  throw new EvaluationError('eval', `cannot compare ${showType(left)} with ${showType(right)}; ${reason}`, { traces: [{ text: doing, location: undefined }] })
}
