/** Ring: eval. Numbers: `add sub mul div bitAnd bitOr bitXor ceil floor lessThan`. */
import { callSite } from '../runtime/call.ts'
import { lessThan } from '../runtime/equality.ts'
import { EvaluationError } from '../runtime/errors.ts'
import { forceFloat, forceInt } from '../runtime/expect.ts'
import { checkedInteger } from '../runtime/operations.ts'
import type { Site } from '../runtime/site.ts'
import { force } from '../runtime/thunk.ts'
import { Float, intValue, type Slot, type Value } from '../values/value.ts'
import { builtin, type BuiltinFamily } from './definition.ts'

interface Operation {
  readonly noun: string
  readonly ordinals: readonly [string, string]
  readonly overflow: (a: number | bigint, b: number | bigint) => string
  readonly small: (a: number, b: number) => number
  readonly large: (a: bigint, b: bigint) => bigint
}

const ADD: Operation = { noun: 'addition', ordinals: ['first argument of', 'second argument of'], overflow: (a, b) => `integer overflow in adding ${a} + ${b}`, small: (a, b) => a + b, large: (a, b) => a + b }
const SUB: Operation = { noun: 'subtraction', ordinals: ['first argument of', 'second argument of'], overflow: (a, b) => `integer overflow in subtracting ${a} - ${b}`, small: (a, b) => a - b, large: (a, b) => a - b }
const MUL: Operation = { noun: 'multiplication', ordinals: ['first of', 'second argument of'], overflow: (a, b) => `integer overflow in multiplying ${a} * ${b}`, small: (a, b) => a * b, large: (a, b) => a * b }

function calculate(operation: Operation, left: Slot, right: Slot): Value {
  const a = force(left)
  const b = force(right)
  if (typeof a === 'number' && typeof b === 'number') {
    const result = operation.small(a, b)
    // No negative zero: integers have none.
    if (Number.isSafeInteger(result)) return result + 0
  }
  const site = callSite()
  const doing = (i: 0 | 1) => `while evaluating the ${operation.ordinals[i]} the ${operation.noun}`
  if (a instanceof Float || b instanceof Float) return new Float(operation.small(forceFloat(a, doing(0), site), forceFloat(b, doing(1), site)))
  const first = forceInt(a, doing(0), site)
  const second = forceInt(b, doing(1), site)
  return checkedInteger(operation.large(BigInt(first), BigInt(second)), () => operation.overflow(first, second), site)
}

function divide(left: Slot, right: Slot): Value {
  const a = force(left)
  const b = force(right)
  const site = callSite()
  const divisor = forceFloat(b, 'while evaluating the second operand of the division', site)
  if (divisor === 0) throw new EvaluationError('eval', 'division by zero', { location: site })
  if (a instanceof Float || b instanceof Float) return new Float(forceFloat(a, 'while evaluating the first operand of the division', site) / divisor)
  const dividend = forceInt(a, 'while evaluating the first operand of the division', site)
  if (typeof dividend === 'number' && typeof b === 'number') return Math.trunc(dividend / b) + 0
  return checkedInteger(BigInt(dividend) / BigInt(b as number | bigint), () => `integer overflow in dividing ${dividend} / ${b as bigint}`, site)
}

function bits(name: string, small: (a: number, b: number) => number, large: (a: bigint, b: bigint) => bigint) {
  return (left: Slot, right: Slot): Value => {
    const site = callSite()
    const a = forceInt(left, `while evaluating the first argument passed to builtins.${name}`, site)
    const b = forceInt(right, `while evaluating the second argument passed to builtins.${name}`, site)
    if (typeof a === 'number' && typeof b === 'number' && a === (a | 0) && b === (b | 0)) return small(a, b)
    return intValue(BigInt.asIntN(64, large(BigInt.asUintN(64, BigInt(a)), BigInt.asUintN(64, BigInt(b)))))
  }
}

function rounded(name: string, round: (value: number) => number) {
  return (slot: Slot): Value => {
    const site: Site = callSite()
    const value = force(slot)
    if (typeof value === 'number' || typeof value === 'bigint') return value
    const result = round(forceFloat(value, `while evaluating the first argument passed to builtins.${name}`, site))
    if (!(result >= -(2 ** 63) && result < 2 ** 63)) {
      // What casting such a float to an integer gives on x86-64.
      return intValue(-(2n ** 63n))
    }
    return intValue(BigInt(result))
  }
}

export const arithmetic: BuiltinFamily = () => [
  builtin('__add', 2, (a, b) => calculate(ADD, a, b)),
  builtin('__sub', 2, (a, b) => calculate(SUB, a, b)),
  builtin('__mul', 2, (a, b) => calculate(MUL, a, b)),
  builtin('__div', 2, divide),
  builtin('__bitAnd', 2, bits('bitAnd', (a, b) => a & b, (a, b) => a & b)),
  builtin('__bitOr', 2, bits('bitOr', (a, b) => a | b, (a, b) => a | b)),
  builtin('__bitXor', 2, bits('bitXor', (a, b) => a ^ b, (a, b) => a ^ b)),
  builtin('__ceil', 1, rounded('ceil', Math.ceil)),
  builtin('__floor', 1, rounded('floor', Math.floor)),
  builtin('__lessThan', 2, (a, b) => {
    const left = force(a)
    return lessThan(left, force(b), '', callSite())
  }),
]
