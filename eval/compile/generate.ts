/**
 * Ring: eval. Makes functions of what code writes. Where the host forbids that (a web page's policy), closures go on as they are.
 */
import { Suspended } from '../io.ts'
import { call1, call2, call3, callN } from '../runtime/call.ts'
import { coerceToString } from '../runtime/coerce.ts'
import { equal } from '../runtime/equality.ts'
import { expectAttributes, expectBoolean, forcePlainString } from '../runtime/expect.ts'
import type { LambdaCode } from '../runtime/lambda.ts'
import { machine, restoreMachine } from '../runtime/machine.ts'
import { noteAborted } from '../runtime/needs.ts'
import { force, settled, Thunk } from '../runtime/thunk.ts'
import { ContextBuilder } from '../values/context.ts'
import { mergeAttributes } from '../values/make.ts'
import { Attributes, Lambda, stringValue, type Frame, type Value } from '../values/value.ts'
import { Writer, type Rest, type Strict } from './writer.ts'

/** What texts may name. */
const RUNTIME = {
  add, Attributes, ContextBuilder, Lambda, Suspended, Thunk, abandoned, call1, call2, call3, callN, coerceToString, equal, expectAttributes, expectBoolean, force, forcePlainString, machine,
  mergeAttributes, settled, stringValue,
}
const NAMES = Object.keys(RUNTIME)

/** `left + right` where the left operand is a string or an integer. */
function add(left: string | number, right: Value, other: (left: Value, right: Value) => Value): Value {
  if (typeof left === 'string') return typeof right === 'string' ? left + right : other(left, right)
  if (typeof right === 'number') {
    const sum = left + right
    if (Number.isSafeInteger(sum)) return sum
  }
  return other(left, right)
}

/** Something suspended, and there are rests to look at: from the innermost out. */
function abandoned(number: number, rests: readonly Rest[], frames: readonly Frame[], forcing: number, depth: number, speculating: number): void {
  for (let at = number; at !== 0;) {
    const rest = rests[at - 1]!
    noteAborted(forcing)
    restoreMachine({ forcing, depth, speculating })
    rest.probe(frames[rest.frame]!)
    at = rest.outer
  }
}

/** Whether the host lets texts become code. */
let allowed = true

function make<F>(out: Writer, parameters: string, start: string, result: string): F | undefined {
  const locals = [...out.temporaryNames, ...(out.rests.length > 0 ? ['p = 0', 'forcing = machine.forcing', 'depth = machine.depth', 'speculating = machine.speculating'] : [])]
  const rests = out.constant(out.rests)
  const body = out.rests.length === 0
    ? `${start} return ${result}`
    : `${start} try { return ${result} } catch (error) { if (p !== 0 && error instanceof Suspended) abandoned(p, ${rests}, [${out.frames.join(', ')}], forcing, depth, speculating); throw error }`
  const text = `'use strict'
const { ${NAMES.join(', ')} } = runtime
const ${out.constants.map((_, i) => `c${i} = constants[${i}]`).join(', ')}
${out.preparation.join('\n')}
return (${parameters}) => { ${locals.length === 0 ? '' : `let ${locals.join(', ')};`} ${body} }`
  try {
    // eslint-disable-next-line @typescript-eslint/no-implied-eval
    return (new Function('runtime', 'constants', text) as (runtime: unknown, constants: readonly unknown[]) => F)(RUNTIME, out.constants)
  } catch (error) {
    if (!(error instanceof EvalError)) throw error
    allowed = false
    return undefined
  }
}

/** One function for what a closure and all below it do. */
export function generate(code: Strict): Strict | undefined {
  if (!allowed || code.write === undefined) return undefined
  const out = new Writer()
  const result = out.code(code)
  return make<Strict>(out, 'f', '', result)
}

/** One function for a call: it makes the frame, binds the arguments, and runs the body. */
export function generateCall(codes: readonly LambdaCode[], body: Strict, size: number): ((outer: Frame, ...rest: never[]) => Value) | undefined {
  if (!allowed || body.write === undefined) return undefined
  const out = new Writer()
  const result = out.code(body)
  const arguments_ = codes.map((_, i) => `a${i}`)
  const slots = new Array<string>(size).fill('undefined')
  slots[0] = 'outer'
  codes.forEach((code, i) => {
    if (code.nameSlot >= 0) slots[code.nameSlot] = arguments_[i]!
  })
  const binds = codes.map((code, i) => (code.nameSlot >= 0 ? '' : `${out.constant(code)}.bind(f, ${arguments_[i]!}, site);`)).join(' ')
  return make(out, `outer, ${arguments_.join(', ')}, site`, `const f = [${slots.join(', ')}]; ${binds}`, result)
}
