/** Ring: eval. Functions and calls. */
import type { Expression } from '../syntax/ast.ts'
import { call1, call2, call3, callN } from '../runtime/call.ts'
import { LambdaCode, type BoundParameter } from '../runtime/lambda.ts'
import { siteOf, type Site } from '../runtime/site.ts'
import { force } from '../runtime/thunk.ts'
import { Lambda, type Frame, type Slot } from '../values/value.ts'
import { FrameShape, localPlace, Scope, up, type Context, type Delayed, type Strict } from './scope.ts'

type LambdaExpression = Expression & { readonly kind: 'lambda' }

export function compileLambda(expression: LambdaExpression, context: Context): Strict {
  return closure(lambdaCode(expression, context))
}

function closure(code: LambdaCode): Strict {
  return (frame) => new Lambda(code, frame)
}

/** The codes of `a: b: …`, which share a frame; the body is compiled by the first call that reaches it. */
function lambdaCode(expression: LambdaExpression, outer: Context): LambdaCode {
  const chain: LambdaExpression[] = [expression]
  for (let at: Expression = expression.body; at.kind === 'lambda'; at = at.body) chain.push(at)

  const shape = new FrameShape(outer.frame)
  let context: Context = { ...outer, frame: shape, extensible: false }
  const parameters: { readonly bound: BoundParameter; readonly start: number }[] = []
  for (const { parameter } of chain) {
    const start = shape.size
    const slots = new Map<string, number>()
    if (parameter.kind === 'name') {
      slots.set(parameter.name, shape.allocate())
      parameters.push({ bound: { kind: 'name', name: parameter.name, slot: start }, start })
      context = { ...context, scope: new Scope(context.scope, shape, slots) }
    } else {
      const wholeSlot = parameter.name === undefined ? -1 : shape.allocate()
      if (parameter.name !== undefined) slots.set(parameter.name, wholeSlot)
      const firstSlot = shape.size
      for (const formal of parameter.formals) slots.set(formal.name, shape.allocate())
      context = { ...context, scope: new Scope(context.scope, shape, slots) }
      const inner = context
      const formals = parameter.formals.map((formal) => ({
        name: formal.name,
        location: siteOf(outer.source, formal.position),
        fallback: formal.fallback === undefined ? undefined : outer.compiler.delayed(formal.fallback, inner),
      }))
      parameters.push({ bound: { kind: 'pattern', formals, firstSlot, ellipsis: parameter.ellipsis, wholeSlot, wholeName: parameter.name }, start })
    }
  }

  const bodyContext: Context = { ...context, extensible: true }
  const last = chain[chain.length - 1]!
  let run: Strict | undefined
  const template: { frame: Frame | undefined; readonly prepare: () => Frame } = {
    frame: undefined,
    prepare: () => {
      run = outer.compiler.strict(last.body, bodyContext)
      return (template.frame = shape.template())
    },
  }
  const body = (frame: Frame) => run!(frame)

  let next: LambdaCode | undefined
  for (let i = chain.length - 1; i >= 0; i--) {
    const { name, position } = chain[i]!
    const { bound, start } = parameters[i]!
    next = new LambdaCode({ name, location: siteOf(outer.source, position), parameter: bound, next, continues: i > 0, start, body, template })
  }
  return next!
}

export function compileCall(expression: Expression & { readonly kind: 'call' }, context: Context): Strict {
  const callee = context.compiler.strict(expression.callee, context)
  const args = expression.arguments.map((argument) => context.compiler.delayed(argument, context))
  const site = siteOf(context.source, expression.position)
  const place = localPlace(expression.callee, context)
  switch (args.length) {
    case 1: return place === undefined ? caller1(callee, args[0]!, site) : variableCaller1(place.hops, place.slot, args[0]!, site)
    case 2: return place === undefined ? caller2(callee, args[0]!, args[1]!, site) : variableCaller2(place.hops, place.slot, args[0]!, args[1]!, site)
    case 3: return caller3(callee, args[0]!, args[1]!, args[2]!, site)
    default: return callerN(callee, args, site)
  }
}

function caller1(callee: Strict, a: Delayed, site: Site): Strict {
  return (frame) => call1(callee(frame), a(frame), site)
}

function caller2(callee: Strict, a: Delayed, b: Delayed, site: Site): Strict {
  return (frame) => call2(callee(frame), a(frame), b(frame), site)
}

function variableCaller1(hops: number, slot: number, a: Delayed, site: Site): Strict {
  return (frame) => call1(force(up(frame, hops)[slot] as Slot), a(frame), site)
}

function variableCaller2(hops: number, slot: number, a: Delayed, b: Delayed, site: Site): Strict {
  return (frame) => call2(force(up(frame, hops)[slot] as Slot), a(frame), b(frame), site)
}

function caller3(callee: Strict, a: Delayed, b: Delayed, c: Delayed, site: Site): Strict {
  return (frame) => call3(callee(frame), a(frame), b(frame), c(frame), site)
}

function callerN(callee: Strict, args: readonly Delayed[], site: Site): Strict {
  return (frame) => callN(callee(frame), args.map((a) => a(frame)), site)
}
