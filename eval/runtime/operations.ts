/** Ring: eval. What operators and builtins both do with values. */
import { ContextBuilder } from '../values/context.ts'
import { EMPTY_LIST, Float, intValue, PathValue, stringValue, type List, type Slot, type Value } from '../values/value.ts'
import { canonicalPath } from '../syntax/paths.ts'
import { coerceToString } from './coerce.ts'
import { EvaluationError } from './errors.ts'
import { forceList } from './expect.ts'
import type { Host } from './host.ts'
import type { Site } from './site.ts'
import { force } from './thunk.ts'
import { isInt, showType, textOf, isString } from './types.ts'

/**
 * `left + right`: numbers are added, a path or a string is extended. `right` runs after the left operand was found to be
 * acceptable. Several right operands stand for an interpolated path, whose context is looked at in the end.
 */
export function addValues(host: Host, left: Value, right: (() => Value) | readonly (() => Value)[], leftSite: Site, rightSite: Site, site: Site): Value {
  const rights = typeof right === 'function' ? [right] : right
  if (isInt(left) || left instanceof Float) {
    let sum: Value = left
    for (const run of rights) sum = addNumber(sum as number | bigint | Float, run(), rightSite)
    return sum
  }
  const isText = isString(left)
  const context = new ContextBuilder()
  let text = coerceToString(host, left, context, { more: false, copy: isText, doing: 'while evaluating a path segment' }, leftSite)
  for (const run of rights) {
    const value = run()
    text += isText && isString(value) && typeof value === 'string' ? textOf(value) : coerceToString(host, value, context, { more: false, copy: isText, doing: 'while evaluating a path segment' }, rightSite)
  }
  const built = context.build()
  if (!(left instanceof PathValue)) return stringValue(text, built)
  if (built !== undefined) throw new EvaluationError('eval', 'a string that refers to a store path cannot be appended to a path', { location: site })
  return new PathValue(canonicalPath(text))
}

function addNumber(left: number | bigint | Float, right: Value, site: Site): Value {
  if (left instanceof Float) {
    // sums begin with zero, which turns negative zeros into positive ones
    if (right instanceof Float) return new Float(0 + left.value + right.value)
    if (isInt(right)) return new Float(0 + left.value + Number(right))
    throw new EvaluationError('eval', `cannot add ${showType(right)} to a float`, { location: site })
  }
  if (right instanceof Float) return new Float(0 + Number(left) + right.value)
  if (!isInt(right)) throw new EvaluationError('eval', `cannot add ${showType(right)} to an integer`, { location: site })
  return checkedInteger(BigInt(left) + BigInt(right), () => `integer overflow in adding ${left} + ${right}`, site)
}

const MAX_INT = 2n ** 63n - 1n
const MIN_INT = -(2n ** 63n)

/** A result of arithmetic that must fit 64 bits. */
export function checkedInteger(value: bigint, message: () => string, site: Site): number | bigint {
  if (value > MAX_INT || value < MIN_INT) throw new EvaluationError('eval', message(), { location: site })
  return intValue(value)
}

/** `left ++ right ++ …`. */
export function concatLists(values: readonly Slot[], doing: string, site: Site): List {
  let length = 0
  let filled = EMPTY_LIST
  for (let i = 0; i < values.length; i++) {
    const list = forceList(values[i]!, doing, site)
    if (list.length === 0) continue
    length += list.length
    filled = list
  }
  // all but one are empty: the common case
  if (filled.length === length) return filled
  const result = new Array<Slot>(length)
  let at = 0
  for (let i = 0; i < values.length; i++) {
    const list = force(values[i]!) as List
    for (let j = 0; j < list.length; j++) result[at++] = list[j]!
  }
  return result
}
