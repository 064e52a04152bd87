/**
 * Ring: eval. Calling functions. Upstream counterpart: EvalState::callFunction in src/libexpr/eval.cc, whose call depth is
 * counted alike: once for all arguments of a call.
 */
import { showExcerpt } from '../printing/excerpt.ts'
import { Attributes, Lambda, PartialPrimOp, PrimOp, type Frame, type Slot, type Value } from '../values/value.ts'
import { EvaluationError, stackOverflow } from './errors.ts'
import type { LambdaCode } from './lambda.ts'
import { callees, machine, sites, type Callee } from './machine.ts'
import { NO_SITE, type Site } from './site.ts'
import { force, Thunk, type Code } from './thunk.ts'
import { showType } from './types.ts'

export function call1(callee: Value, argument: Slot, site: Site): Value {
  const depth = machine.depth
  if (depth > machine.maxCallDepth) throw stackOverflow(site)
  sites[depth] = site
  machine.depth = depth + 1
  let value: Value
  if (callee instanceof Lambda) {
    const code = callee.code
    callees[depth] = code
    const frame = code.open(callee.frame)
    code.bind(frame, argument, site)
    value = code.next === undefined ? code.body(frame) : new Lambda(code.next, kept(frame, code.next))
  } else if (callee instanceof PrimOp) {
    callees[depth] = callee
    value = callee.arity === 1 ? callee.run(argument, null, null) : new PartialPrimOp(callee, [argument])
  } else {
    callees[depth] = UNKNOWN
    value = callOther(callee, [argument], site)
  }
  machine.depth = depth
  return value
}

export function call2(callee: Value, first: Slot, second: Slot, site: Site): Value {
  const depth = machine.depth
  if (depth > machine.maxCallDepth) throw stackOverflow(site)
  sites[depth] = site
  machine.depth = depth + 1
  let value: Value
  if (callee instanceof Lambda) {
    const code = callee.code
    callees[depth] = code
    const frame = code.open(callee.frame)
    code.bind(frame, first, site)
    const next = code.next
    if (next === undefined) {
      value = apply(code.body(frame), second, site)
    } else {
      next.bind(frame, second, site)
      value = next.next === undefined ? next.body(frame) : new Lambda(next.next, kept(frame, next.next))
    }
  } else if (callee instanceof PrimOp && callee.arity >= 2) {
    callees[depth] = callee
    value = callee.arity === 2 ? callee.run(first, second, null) : new PartialPrimOp(callee, [first, second])
  } else {
    callees[depth] = UNKNOWN
    value = callOther(callee, [first, second], site)
  }
  machine.depth = depth
  return value
}

export function call3(callee: Value, first: Slot, second: Slot, third: Slot, site: Site): Value {
  if (callee instanceof PrimOp && callee.arity === 3) {
    const depth = machine.depth
    if (depth > machine.maxCallDepth) throw stackOverflow(site)
    sites[depth] = site
    callees[depth] = callee
    machine.depth = depth + 1
    const value = callee.run(first, second, third)
    machine.depth = depth
    return value
  }
  return callN(callee, [first, second, third], site)
}

/** Any number of arguments, at least one. */
export function callN(callee: Value, args: readonly Slot[], site: Site): Value {
  const depth = machine.depth
  if (depth > machine.maxCallDepth) throw stackOverflow(site)
  sites[depth] = site
  callees[depth] = UNKNOWN
  machine.depth = depth + 1
  const value = callOther(callee, args, site)
  machine.depth = depth
  return value
}

/** One more argument within a call that has been counted. */
function apply(callee: Value, argument: Slot, site: Site): Value {
  const depth = machine.depth - 1
  if (callee instanceof Lambda) {
    const code = callee.code
    callees[depth] = code
    const frame = code.open(callee.frame)
    code.bind(frame, argument, site)
    return code.next === undefined ? code.body(frame) : new Lambda(code.next, kept(frame, code.next))
  }
  return callOther(callee, [argument], site)
}

function callOther(callee: Value, args: readonly Slot[], site: Site): Value {
  const depth = machine.depth - 1
  let current = callee
  let done = 0
  while (done < args.length) {
    if (current instanceof Lambda) {
      let code = current.code
      callees[depth] = code
      const frame = code.open(current.frame)
      code.bind(frame, args[done++]!, site)
      while (code.next !== undefined && done < args.length) {
        code = code.next
        code.bind(frame, args[done++]!, site)
      }
      current = code.next === undefined ? code.body(frame) : new Lambda(code.next, kept(frame, code.next))
    } else if (current instanceof PrimOp || current instanceof PartialPrimOp) {
      const primOp = current instanceof PrimOp ? current : current.primOp
      const before = current instanceof PrimOp ? [] : current.args
      const missing = primOp.arity - before.length
      const all = [...before, ...args.slice(done, done + missing)]
      done += missing
      if (all.length < primOp.arity) return new PartialPrimOp(primOp, all)
      callees[depth] = primOp
      current = primOp.run(all[0]!, all[1] ?? null, all[2] ?? null)
    } else if (current instanceof Attributes && current.has('__functor')) {
      const functor = force(current.get('__functor')!)
      current = call2(functor, current, args[done++]!, site)
    } else {
      throw new EvaluationError('type', `attempt to call something which is not a function but ${showType(current)}: ${showExcerpt(current)}`, { location: site })
    }
  }
  return current
}

/** The part of a frame that holds arguments so far, for a function that waits for more. */
function kept(frame: Frame, next: LambdaCode): Frame {
  return frame.slice(0, next.start)
}

const UNKNOWN: Callee = { kind: 'builtin', name: undefined }

/** Work that counts as a call, by its depth. */
export function nested<T>(site: Site, work: () => T): T {
  const depth = machine.depth
  if (depth > machine.maxCallDepth) throw stackOverflow(site)
  sites[depth] = site
  callees[depth] = UNKNOWN
  machine.depth = depth + 1
  const result = work()
  machine.depth = depth
  return result
}

/** Calls that are made when their results are wanted, of one function with many arguments: what `map` and `genList` put into their results. */
export class DelayedCalls implements Code {
  readonly location = undefined
  private readonly callee: Value
  constructor(callee: Value) {
    this.callee = callee
  }

  run(argument: Slot): Value {
    return call1(this.callee, argument, NO_SITE)
  }
}

/** The same for two arguments. */
class Application {
  readonly callee: Slot
  readonly first: Slot
  readonly second: Slot
  constructor(callee: Slot, first: Slot, second: Slot) {
    this.callee = callee
    this.first = first
    this.second = second
  }
}

const APPLY2: Code = { location: undefined, run: (payload: Application) => call2(force(payload.callee), payload.first, payload.second, NO_SITE) }

export function delayedCall2(callee: Slot, first: Slot, second: Slot): Thunk {
  return new Thunk(APPLY2, new Application(callee, first, second))
}

/**
 * The location that builtins give their messages: none, since in Nix a builtin gets the position of the function value, which a
 * builtin has not; the line `while calling the … builtin` above says where.
 */
export function callSite(): Site {
  return NO_SITE
}
