/**
 * Ring: eval. Compiling syntax to closures. Upstream counterpart: bindVars and the eval methods of src/libexpr/{nixexpr,eval}.cc. Every
 * expression has two forms: strict code gives a value, delayed code a slot (a thunk, unless the value costs nothing).
 * What a thunk or a function contains is compiled when it first runs.
 */
import type { AttributeName, Expression } from '../syntax/ast.ts'
import { EvaluationError } from '../runtime/errors.ts'
import { siteOf, type Site } from '../runtime/site.ts'
import { force, settled, Thunk, type Code } from '../runtime/thunk.ts'
import { Attributes, EMPTY_ATTRIBUTES, EMPTY_LIST, Float, intValue, PathValue, type Frame, type Slot, type Value } from '../values/value.ts'
import { expectAttributes, expectBoolean } from '../runtime/expect.ts'
import type { Location } from '../values/location.ts'
import { printExpression } from '../syntax/print.ts'
import { compileAttributes, compileLet } from './bindings.ts'
import { compileCall, compileLambda } from './functions.ts'
import { compileBinary, compileInterpolation } from './operators.ts'
import { delayedContext, openFrame, reader, resolve, Scope, up, type Compiler, type Context, type Delayed, type Place, type Strict } from './scope.ts'
import { compileSegment } from './segment.ts'
import { attributeFinder, type AttributeFinder, compileHasAttribute, compileSelect } from './select.ts'
import { assertEqual } from '../runtime/equality.ts'

/** Code of thunks that is compiled when one is first forced. */
class DelayedCode implements Code {
  run: (frame: Frame) => Value
  private readonly expression: Expression
  private readonly context: Context

  constructor(expression: Expression, context: Context) {
    this.expression = expression
    this.context = context
    this.run = DelayedCode.compile
  }

  /** The first run. */
  private static compile(this: DelayedCode, frame: Frame): Value {
    const run = compileStrict(this.expression, delayedContext(this.context))
    this.run = run
    return run(frame)
  }

  /** Sets without computed names, lists, functions: what flake.nix may hold where nothing is to be computed. */
  get isTrivial(): boolean {
    const expression = this.expression.kind === 'stored' ? this.expression.read() : this.expression
    return expression.kind === 'list' || expression.kind === 'lambda' || (expression.kind === 'attributes' && expression.bindings.dynamic.length === 0)
  }

  get location(): Location {
    return siteOf(this.context.source, this.expression.position)
  }
}

export function compileStrict(expression: Expression, context: Context): Strict {
  switch (expression.kind) {
    case 'int': return constant(intValue(expression.value))
    case 'float': return constant(new Float(expression.value))
    case 'string': return constant(expression.value)
    case 'path': return constant(new PathValue(expression.value))
    case 'interpolation':
    case 'path-interpolation': return compileInterpolation(expression, context)
    case 'search-path': return compileStrict(searchPathCall(expression), context)
    case 'variable': return compileVariable(expression, context)
    case 'select': return compileSelect(expression, context)
    case 'has-attribute': return compileHasAttribute(expression, context)
    case 'attributes': return compileAttributes(expression, context)
    case 'list': return compileList(expression, context)
    case 'lambda': return compileLambda(expression, context)
    case 'call': return compileCall(expression, context)
    case 'let': return compileLet(expression, context)
    case 'with': return compileWith(expression, context)
    case 'if': return compileIf(expression, context)
    case 'assert': return compileAssert(expression, context)
    case 'not': {
      const operand = compileStrict(expression.operand, context)
      const site = siteOf(context.source, expression.position)
      return negation(operand, site)
    }
    case 'binary': return compileBinary(expression, context)
    case 'segment': return compileSegment(expression, context)
    case 'stored': return compileStrict(expression.read(), context)
    case 'current-position': {
      const location = siteOf(context.source, expression.position)
      return () => context.host.positionValue(location)
    }
  }
}

export function compileDelayed(expression: Expression, context: Context): Delayed {
  switch (expression.kind) {
    case 'int':
    case 'float':
    case 'string':
    case 'path':
    // A function is made as cheaply as a thunk.
    case 'lambda': return compileStrict(expression, context)
    case 'list': if (expression.elements.length === 0) return () => EMPTY_LIST
      break
    case 'attributes': if (expression.bindings.static.length === 0 && expression.bindings.dynamic.length === 0) return () => EMPTY_ATTRIBUTES
      break
    case 'variable': {
      const resolution = resolve(expression.name, context)
      if (resolution.kind === 'global') {
        const { value } = resolution
        return () => value
      }
      if (resolution.kind === 'with') return delayedWith(expression, resolution.places, context)
      if (resolution.kind === 'local') {
        return delayedVariable(resolution.place, new DelayedCode(expression, context))
      }
      break
    }
    case 'select': {
      const early = delayedSelect(expression, context)
      if (early !== undefined) return early
      break
    }
    default: break
  }
  return thunkMaker(new DelayedCode(expression, context))
}

function thunkMaker(code: Code): Delayed {
  return (frame) => new Thunk(code, frame)
}

/** A variable of the same `let` may not be there yet. */
function delayedVariable({ hops, slot }: Place, code: Code): Delayed {
  switch (hops) {
    case 0: return delayed0(slot, code)
    case 1: return delayed1(slot, code)
    default: return delayedN(hops, slot, code)
  }
}

function delayed0(slot: number, code: Code): Delayed {
  return (frame) => {
    const found = frame[slot] as Slot | undefined
    return found === undefined ? new Thunk(code, frame) : settled(found)
  }
}

function delayed1(slot: number, code: Code): Delayed {
  return (frame) => {
    const found = (frame[0] as Frame)[slot] as Slot | undefined
    return found === undefined ? new Thunk(code, frame) : settled(found)
  }
}

function delayedN(hops: number, slot: number, code: Code): Delayed {
  return (frame) => {
    const found = up(frame, hops)[slot] as Slot | undefined
    return found === undefined ? new Thunk(code, frame) : settled(found)
  }
}

/** A variable of a `with` whose set is known and has it: its slot. Else a thunk. */
function delayedWith(expression: Expression & { readonly kind: 'variable' }, places: readonly Place[], context: Context): Delayed {
  return withReader(reader(places[0]!), attributeFinder(expression.name), new DelayedCode(expression, context))
}

function withReader(read: (frame: Frame) => unknown, find: AttributeFinder, code: Code): Delayed {
  return (frame) => {
    const set = settled(read(frame) as Slot)
    if (set instanceof Attributes) {
      const found = find(set)
      if (found !== undefined) return settled(found)
    }
    return new Thunk(code, frame)
  }
}

/** `a.b.c` of a variable: the slot itself where all that leads to it is known, which spares a thunk and a force. */
function delayedSelect(expression: Expression & { readonly kind: 'select' }, context: Context): Delayed | undefined {
  const { subject, path } = expression
  if (subject.kind !== 'variable' || path.some((name) => name.kind !== 'static')) return undefined
  const resolution = resolve(subject.name, context)
  if (resolution.kind !== 'local') return undefined
  const finders = path.map((name) => attributeFinder((name as AttributeName & { readonly kind: 'static' }).name))
  return selector(reader(resolution.place), finders, new DelayedCode(expression, context))
}

function selector(read: (frame: Frame) => unknown, finders: readonly AttributeFinder[], code: Code): Delayed {
  return (frame) => {
    let at = read(frame) as Slot | undefined
    for (let i = 0; i < finders.length; i++) {
      const set: Slot | undefined = at instanceof Thunk ? settled(at) : at
      if (!(set instanceof Attributes)) return new Thunk(code, frame)
      at = finders[i]!(set)
    }
    return at === undefined ? new Thunk(code, frame) : settled(at)
  }
}

export const COMPILER: Compiler = { strict: compileStrict, delayed: compileDelayed }

function constant(value: Value): Strict {
  return () => value
}

function searchPathCall(expression: Expression & { readonly kind: 'search-path' }): Expression {
  const { position } = expression
  return {
    kind: 'call', position, callee: { kind: 'variable', position, name: '__findFile' },
    arguments: [{ kind: 'variable', position, name: '__nixPath' }, { kind: 'string', position, value: expression.value }],
  }
}

function compileVariable(expression: Expression & { readonly kind: 'variable' }, context: Context): Strict {
  const { name } = expression
  const site = siteOf(context.source, expression.position)
  const resolution = resolve(name, context)
  switch (resolution.kind) {
    case 'global': {
      const { value } = resolution
      return value instanceof Thunk ? () => force(value) : constant(value)
    }
    case 'local': {
      return variableReader(resolution.place)
    }
    case 'with': {
      return searcher(resolution.places.map((place) => ({ read: reader(place), find: attributeFinder(name) })), name, site)
    }
    case 'undefined':
      return () => {
        throw new EvaluationError('undefined-variable', `undefined variable '${name}'`, { location: site })
      }
  }
}

function searcher(scopes: readonly { readonly read: (frame: Frame) => unknown; readonly find: AttributeFinder }[], name: string, site: Site): Strict {
  return (frame) => {
    for (let i = 0; i < scopes.length; i++) {
      const { read, find } = scopes[i]!
      const attributes = expectAttributes(force(read(frame) as Slot), 'while evaluating the first subexpression of a with expression', site)
      const found = find(attributes)
      if (found !== undefined) return force(found)
    }
    throw new EvaluationError('undefined-variable', `undefined variable '${name}'`, { location: site })
  }
}

function variableReader({ hops, slot }: Place): Strict {
  switch (hops) {
    case 0: return variable0(slot)
    case 1: return variable1(slot)
    default: return variableN(hops, slot)
  }
}

function variable0(slot: number): Strict {
  return (frame) => force(frame[slot] as Slot)
}

function variable1(slot: number): Strict {
  return (frame) => force((frame[0] as Frame)[slot] as Slot)
}

function variableN(hops: number, slot: number): Strict {
  return (frame) => force(up(frame, hops)[slot] as Slot)
}

function compileList(expression: Expression & { readonly kind: 'list' }, context: Context): Strict {
  const elements = expression.elements.map((element) => compileDelayed(element, context))
  const { length } = elements
  if (length === 0) return constant(EMPTY_LIST)
  return listMaker(elements)
}

function listMaker(elements: readonly Delayed[]): Strict {
  const { length } = elements
  if (length === 1) {
    const [first] = elements as [Delayed]
    return (frame) => [first(frame)]
  }
  if (length === 2) {
    const [first, second] = elements as [Delayed, Delayed]
    return (frame) => [first(frame), second(frame)]
  }
  return (frame) => {
    const list = new Array<Slot>(length)
    for (let i = 0; i < length; i++) list[i] = elements[i]!(frame)
    return list
  }
}

function compileWith(expression: Expression & { readonly kind: 'with' }, context: Context): Strict {
  const { context: inner, wrap } = openFrame(context)
  const slot = inner.frame.allocate()
  const attributes = compileDelayed(expression.scope, inner)
  const scope = new Scope(context.scope, inner.frame, undefined, slot)
  const body = compileStrict(expression.body, { ...inner, scope })
  return wrap(storing(slot, attributes, body))
}

/** Puts something into a variable first. */
function storing(slot: number, make: Delayed, body: Strict): Strict {
  return (frame) => {
    frame[slot] = make(frame)
    return body(frame)
  }
}

function compileIf(expression: Expression & { readonly kind: 'if' }, context: Context): Strict {
  const condition = compileStrict(expression.condition, context)
  const yes = compileStrict(expression.then, context)
  const no = compileStrict(expression.else, context)
  const site = siteOf(context.source, expression.position)
  return branch(condition, yes, no, site)
}

function branch(condition: Strict, yes: Strict, no: Strict, site: Site): Strict {
  return (frame) => {
    const value = condition(frame)
    return value === true ? yes(frame) : value === false ? no(frame) : (expectBoolean(value, 'while evaluating a branch condition', site), no(frame))
  }
}

function negation(operand: Strict, site: Site): Strict {
  return (frame) => !expectBoolean(operand(frame), 'in the argument of the not operator', site)
}

function compileAssert(expression: Expression & { readonly kind: 'assert' }, context: Context): Strict {
  const condition = compileStrict(expression.condition, context)
  const body = compileStrict(expression.body, context)
  const site = siteOf(context.source, expression.position)
  const fail = (frame: Frame): never => {
    const text = printExpression(expression.condition)
    if (expression.condition.kind === 'binary' && expression.condition.operator === '==') {
      const left = compileStrict(expression.condition.left, delayedContext(context))
      const right = compileStrict(expression.condition.right, delayedContext(context))
      assertEqual(left(frame), right(frame), siteOf(context.source, expression.condition.position), `while evaluating the condition of the assertion '${text}'`, site)
    }
    throw new EvaluationError('assertion', `assertion '${text}' failed`, { location: site })
  }
  return asserting(condition, body, fail, site)
}

function asserting(condition: Strict, body: Strict, fail: (frame: Frame) => never, site: Site): Strict {
  return (frame) => {
    const value = condition(frame)
    if (value !== true && !expectBoolean(value, 'in the condition of the assert statement', site)) fail(frame)
    return body(frame)
  }
}

/** Whether a value is a set; for callers that read attributes at once. */
export function isAttributes(value: Value): value is Attributes {
  return value instanceof Attributes
}
