/** Ring: eval. Operators and interpolation. Chains of `+`, `++` and `//` run as loops: generated files have thousands of links. */
import type { Expression } from '../syntax/ast.ts'
import { coerceToString, type Coercion } from '../runtime/coerce.ts'
import { equal } from '../runtime/equality.ts'
import { expectAttributes, expectBoolean } from '../runtime/expect.ts'
import { addValues, concatLists } from '../runtime/operations.ts'
import { markGroups, noteAborted } from '../runtime/needs.ts'
import type { Host } from '../runtime/host.ts'
import { siteOf, type Site } from '../runtime/site.ts'
import { probe, speculateAfter, speculateRest } from '../runtime/speculate.ts'
import { Suspended } from '../io.ts'
import { machine, restoreMachine } from '../runtime/machine.ts'
import { mergeAttributes } from '../values/make.ts'
import { ContextBuilder } from '../values/context.ts'
import { stringValue, type Attributes, type Frame, type Value } from '../values/value.ts'
import { Thunk } from '../runtime/thunk.ts'
import { resolve, type Context, type Strict } from './scope.ts'

type Binary = Expression & { readonly kind: 'binary' }

export function compileBinary(expression: Binary, context: Context): Strict {
  const site = siteOf(context.source, expression.position)
  const { operator } = expression
  switch (operator) {
    case '+': return compileAddition(expression, context)
    case '++': return compileConcatenation(expression, context)
    case '//': return compileUpdate(expression, context)
    default: break
  }
  const left = context.compiler.strict(expression.left, context)
  const right = context.compiler.strict(expression.right, context)
  switch (operator) {
    case '&&': return and(left, right, site)
    case '||': return or(left, right, site)
    case '->': return implies(left, right, site)
    case '==': return isConstant(expression.right, context) ? equalsConstant(left, right(NO_FRAME)) : equals(left, right)
    case '!=': return isConstant(expression.right, context) ? differsConstant(left, right(NO_FRAME)) : differs(left, right)
  }
}

function and(left: Strict, right: Strict, site: Site): Strict {
  return (frame) => expectBoolean(left(frame), 'in the left operand of the AND (&&) operator', site) && expectBoolean(right(frame), 'in the right operand of the AND (&&) operator', site)
}

function or(left: Strict, right: Strict, site: Site): Strict {
  return (frame) => expectBoolean(left(frame), 'in the left operand of the OR (||) operator', site) || expectBoolean(right(frame), 'in the right operand of the OR (||) operator', site)
}

function implies(left: Strict, right: Strict, site: Site): Strict {
  return (frame) => !expectBoolean(left(frame), 'in the left operand of the IMPL (->) operator', site) || expectBoolean(right(frame), 'in the right operand of the IMPL (->) operator', site)
}

const NO_FRAME: Frame = []

/** A constant on the right of a comparison is there at once: nothing has to be looked at beside the left. */
function isConstant(expression: Expression, context: Context): boolean {
  switch (expression.kind) {
    case 'int':
    case 'string': return true
    case 'list': return expression.elements.length === 0
    case 'variable': {
      const resolution = resolve(expression.name, context)
      return resolution.kind === 'global' && !(resolution.value instanceof Thunk)
    }
    default: return false
  }
}

function equalsConstant(left: Strict, right: Value): Strict {
  return (frame) => equal(left(frame), right)
}

function differsConstant(left: Strict, right: Value): Strict {
  return (frame) => !equal(left(frame), right)
}

function equals(left: Strict, right: Strict): Strict {
  return (frame) => {
    const first = both(left, right, frame)
    return equal(first, right(frame))
  }
}

function differs(left: Strict, right: Strict): Strict {
  return (frame) => {
    const first = both(left, right, frame)
    return !equal(first, right(frame))
  }
}

/** The left operand; if it suspends, the right one is looked at too. */
function both(left: Strict, right: Strict, frame: Frame): Value {
  const { forcing, depth, speculating } = machine
  try {
    return left(frame)
  } catch (error) {
    if (error instanceof Suspended) {
      noteAborted(forcing)
      restoreMachine({ forcing, depth, speculating })
      probe(() => void right(frame))
    }
    throw error
  }
}

interface Operand {
  readonly run: Strict
  readonly site: Site
}

function compileAddition(expression: Binary, context: Context): Strict {
  // ((a + b) + c): operands from the left.
  const links: Binary[] = []
  let first: Expression = expression
  while (first.kind === 'binary' && first.operator === '+') {
    links.push(first)
    first = first.left
  }
  links.reverse()
  const innermost = links[0]!
  const start: Operand = { run: context.compiler.strict(first, context), site: siteOf(context.source, innermost.leftPosition ?? first.position) }
  const rest = links.map((link) => ({
    run: context.compiler.strict(link.right, context),
    site: siteOf(context.source, link.position),
    rightSite: siteOf(context.source, link.rightPosition ?? link.right.position),
  }))
  return rest.length === 1 ? sum(context.host, start, rest[0]!) : sumOfMany(context.host, start, rest)
}

interface Link extends Operand {
  readonly rightSite: Site
}

function sum(host: Host, start: Operand, link: Link): Strict {
  return (frame) => {
    const left = start.run(frame)
    if (typeof left === 'number') {
      const right = link.run(frame)
      if (typeof right === 'number') {
        const sum = left + right
        if (Number.isSafeInteger(sum)) return sum
      }
      return addValues(host, left, () => right, start.site, link.rightSite, link.site)
    }
    if (typeof left === 'string') {
      const right = link.run(frame)
      return typeof right === 'string' ? left + right : addValues(host, left, () => right, start.site, link.rightSite, link.site)
    }
    return addValues(host, left, () => link.run(frame), start.site, link.rightSite, link.site)
  }
}

function sumOfMany(host: Host, start: Operand, rest: readonly Link[]): Strict {
  return (frame) => {
    let value = start.run(frame)
    for (let i = 0; i < rest.length; i++) {
      const link = rest[i]!
      if (typeof value === 'string') {
        const right = link.run(frame)
        value = typeof right === 'string' ? value + right : addValues(host, value, () => right, start.site, link.rightSite, link.site)
      } else {
        value = addValues(host, value, () => link.run(frame), start.site, link.rightSite, link.site)
      }
    }
    return value
  }
}

/** The operands of `a ++ b ++ c`, which leans to the right, without recursion: chains of a million are met. One site for each operator. */
function compileChain(expression: Binary, context: Context): { readonly operands: Strict[]; readonly sites: Site[] } {
  const operands: Strict[] = []
  const sites: Site[] = []
  let at: Expression = expression
  while (at.kind === 'binary' && at.operator === expression.operator) {
    operands.push(context.compiler.strict(at.left, context))
    sites.push(siteOf(context.source, at.position))
    at = at.right
  }
  operands.push(context.compiler.strict(at, context))
  return { operands, sites }
}

function compileConcatenation(expression: Binary, context: Context): Strict {
  const { operands, sites } = compileChain(expression, context)
  return concatenation(operands, sites[0]!)
}

function concatenation(operands: readonly Strict[], site: Site): Strict {
  const { length } = operands
  return (frame) => {
    const { forcing, depth, speculating } = machine
    const groups = markGroups()
    const values = new Array<Value>(length)
    let i = 0
    try {
      for (; i < length; i++) values[i] = operands[i]!(frame)
    } catch (error) {
      if (error instanceof Suspended) speculateAfter(error, groups, { forcing, depth, speculating }, i, length, (at) => void operands[at]!(frame))
      throw error
    }
    return concatLists(values, 'while evaluating one of the elements to concatenate', site)
  }
}

function compileUpdate(expression: Binary, context: Context): Strict {
  const { operands, sites } = compileChain(expression, context)
  return operands.length === 2 ? update(operands[0]!, operands[1]!, sites[0]!) : updates(operands, sites)
}

function update(left: Strict, right: Strict, site: Site): Strict {
  return (frame) => {
    const first = expectAttributes(both(left, right, frame), 'in the left operand of the update (//) operator', site)
    return mergeAttributes(first, expectAttributes(right(frame), 'in the right operand of the update (//) operator', site))
  }
}

function updates(operands: readonly Strict[], sites: readonly Site[]): Strict {
  const { length } = operands
  const last = length - 1
  const operand = (i: number, frame: Frame): Attributes => i < last
    ? expectAttributes(operands[i]!(frame), 'in the left operand of the update (//) operator', sites[i]!)
    : expectAttributes(operands[i]!(frame), 'in the right operand of the update (//) operator', sites[i - 1]!)
  return (frame) => {
    const { forcing, depth, speculating } = machine
    const groups = markGroups()
    const values = new Array<Attributes>(length)
    let i = 0
    try {
      for (; i < length; i++) values[i] = operand(i, frame)
    } catch (error) {
      if (error instanceof Suspended) speculateAfter(error, groups, { forcing, depth, speculating }, i, length, (at) => void operand(at, frame))
      throw error
    }
    // From the right: most chains end in small sets.
    let result = values[last]!
    for (let i = last - 1; i >= 0; i--) result = mergeAttributes(values[i]!, result)
    return result
  }
}

const STRING_PART: Coercion = { more: false, copy: true, doing: 'while evaluating a path segment' }

export function compileInterpolation(expression: Expression & { readonly kind: 'interpolation' | 'path-interpolation' }, context: Context): Strict {
  const { host } = context
  if (expression.kind === 'path-interpolation') {
    // A path and strings, added in turn.
    const [head, ...tail] = expression.parts
    const first = context.compiler.strict(head!, context)
    const parts = tail.map((part, i) => ({ run: context.compiler.strict(part, context), site: siteOf(context.source, expression.partPositions[i + 1] ?? part.position) }))
    const site = siteOf(context.source, expression.position)
    return (frame) => {
      const values = parts.map((part) => () => part.run(frame))
      return addValues(host, first(frame), values, site, parts[0]?.site ?? site, site)
    }
  }
  const parts = expression.parts.map((part, i) => ({
    text: part.kind === 'string' ? part.value : undefined,
    run: context.compiler.strict(part, context),
    site: siteOf(context.source, expression.partPositions[i] ?? part.position),
  }))
  return interpolation(host, parts)
}

interface Part {
  /** Of a part that is a literal. */
  readonly text: string | undefined
  readonly run: Strict
  readonly site: Site
}

function interpolation(host: Host, parts: readonly Part[]): Strict {
  const { length } = parts
  return (frame) => {
    const { forcing, depth, speculating } = machine
    let builder: ContextBuilder | undefined
    let text = ''
    let i = 0
    try {
      for (; i < length; i++) {
        const part = parts[i]!
        if (part.text !== undefined) {
          text += part.text
          continue
        }
        const value = part.run(frame)
        if (typeof value === 'string') text += value
        else text += coerceToString(host, value, (builder ??= new ContextBuilder()), STRING_PART, part.site)
      }
    } catch (error) {
      // not by `speculate`, which takes a function: strings are many
      if (error instanceof Suspended) {
        speculateRest({ forcing, depth, speculating }, i + 1, length, (rest) => {
          const { run, site } = parts[rest]!
          coerceToString(host, run(frame), new ContextBuilder(), STRING_PART, site)
        })
      }
      throw error
    }
    return builder === undefined ? text : stringValue(text, builder.build())
  }
}
