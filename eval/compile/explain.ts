/**
 * Ring: eval. What the compiler makes of an expression, as a tree to look at: which frame and slot each variable became, what runs
 * at once and what becomes a thunk. Nothing is evaluated. The playground shows it; the code it describes is in the files beside
 * this one, and takes the same decisions by the same `resolve`.
 */
import type { AttributePath, Bindings, Expression } from '../syntax/ast.ts'
import { printAttributePath, printExpression } from '../syntax/print.ts'
import type { Slot } from '../values/value.ts'
import { PrimOp } from '../values/value.ts'
import { byBytes } from '../../nix/sorting.ts'
import { FrameShape, resolve, Scope, type Place } from './scope.ts'

/** A node of a tree to look at. Texts are byte strings. */
export interface Explained {
  readonly label: string
  readonly detail?: string
  /** Offset into the source's bytes. */
  readonly position?: number
  readonly children: readonly Explained[]
}

interface Where {
  readonly globals: ReadonlyMap<string, Slot>
  readonly scope: Scope | undefined
  readonly frame: FrameShape
  readonly extensible: boolean
}

/** The compiled form of a file. */
export function explainCompiled(expression: Expression, globals: ReadonlyMap<string, Slot>): Explained {
  const outer = new FrameShape(undefined)
  return new Explainer().strict(expression, { globals, scope: undefined, frame: new FrameShape(outer), extensible: true })
}

class Explainer {
  private readonly frames = new Map<FrameShape, number>()

  private frameName(frame: FrameShape): string {
    let number = this.frames.get(frame)
    if (number === undefined) this.frames.set(frame, (number = this.frames.size))
    return `frame ${number}`
  }

  strict(expression: Expression, at: Where): Explained {
    const { position } = expression
    const node = (label: string, children: readonly Explained[] = [], detail?: string): Explained => ({ label, position, children, ...(detail !== undefined && { detail }) })
    switch (expression.kind) {
      case 'int':
      case 'float':
      case 'string':
      case 'path': return node('constant', [], printExpression(expression))
      case 'interpolation':
      case 'path-interpolation': return node('concatenate', expression.parts.map((part) => this.strict(part, at)))
      case 'search-path': return node('call', [], `__findFile __nixPath ${printExpression({ kind: 'string', position, value: expression.value })}`)
      case 'variable': return { ...this.variable(expression.name, at), position }
      case 'select': return node('select', [this.strict(expression.subject, at), ...this.dynamicNames(expression.path, at), ...(expression.fallback === undefined ? [] : [named('or', this.strict(expression.fallback, at))])], printAttributePath(expression.path))
      case 'has-attribute': return node('has attribute', [this.strict(expression.subject, at), ...this.dynamicNames(expression.path, at)], printAttributePath(expression.path))
      case 'attributes': return this.attributes(expression, at)
      case 'list': return node(expression.elements.length === 0 ? 'empty list' : 'make list', expression.elements.map((element) => this.delayed(element, at)))
      case 'lambda': return this.lambda(expression, at)
      case 'call': return node(`call with ${expression.arguments.length}`, [this.strict(expression.callee, at), ...expression.arguments.map((argument) => this.delayed(argument, at))])
      case 'let': {
        const inner = open(at)
        const scoped = this.bind(expression.bindings, at, inner)
        return node('fill slots', [...this.bindings(expression.bindings, { ...inner, scope: at.scope }, scoped), named('then', this.strict(expression.body, scoped))], this.frameName(inner.frame))
      }
      case 'with': {
        const inner = open(at)
        const slot = inner.frame.allocate()
        const attributes = this.delayed(expression.scope, inner)
        const body = this.strict(expression.body, { ...inner, scope: new Scope(at.scope, inner.frame, undefined, slot) })
        return node('with', [named(`slot ${slot} <-`, attributes), named('then', body)], this.frameName(inner.frame))
      }
      case 'if': return node('branch', [this.strict(expression.condition, at), named('then', this.strict(expression.then, at)), named('else', this.strict(expression.else, at))])
      case 'assert': return node('assert', [this.strict(expression.condition, at), named('then', this.strict(expression.body, at))])
      case 'not': return node('not', [this.strict(expression.operand, at)])
      case 'binary': return node('operator', [this.strict(expression.left, at), this.strict(expression.right, at)], expression.operator)
      case 'current-position': return node('constant', [], '__curPos')
      case 'segment': return this.strict(expression.segment.expression, at)
      case 'stored': return this.strict(expression.read(), at)
    }
  }

  /** What costs nothing is made at once; everything else becomes a thunk, compiled when it is first forced. */
  delayed(expression: Expression, at: Where): Explained {
    switch (expression.kind) {
      case 'int':
      case 'float':
      case 'string':
      case 'path':
      case 'lambda': return this.strict(expression, at)
      case 'list': if (expression.elements.length === 0) return this.strict(expression, at)
        break
      case 'attributes': if (expression.bindings.static.length === 0 && expression.bindings.dynamic.length === 0) return this.strict(expression, at)
        break
      case 'variable': {
        const { kind } = resolve(expression.name, at)
        if (kind === 'global' || kind === 'local') return { ...this.variable(expression.name, at), position: expression.position }
        break
      }
      default: break
    }
    return { label: 'thunk', position: expression.position, children: [this.strict(expression, { ...at, extensible: false })] }
  }

  private variable(name: string, at: Where): Explained {
    const resolution = resolve(name, at)
    switch (resolution.kind) {
      case 'global': return { label: resolution.value instanceof PrimOp ? 'builtin' : 'global', detail: name, children: [] }
      case 'local': return { label: 'read', detail: `${name} = ${place(resolution.place)}`, children: [] }
      case 'with': return { label: 'look up', detail: `${name} in ${resolution.places.map(place).join(', then ')}`, children: [] }
      case 'undefined': return { label: 'undefined', detail: name, children: [] }
    }
  }

  private dynamicNames(path: AttributePath, at: Where): Explained[] {
    return path.flatMap((name) => (name.kind === 'dynamic' ? [named('name', this.strict(name.expression, at))] : []))
  }

  private bind(bindings: Bindings, outer: Where, inner: Where): Where {
    const slots = new Map<string, number>()
    for (const { name } of bindings.static) slots.set(name, inner.frame.allocate())
    return { ...inner, scope: new Scope(outer.scope, inner.frame, slots) }
  }

  /** In the order of names, as sets are laid out. */
  private bindings(bindings: Bindings, outer: Where, inner: Where): Explained[] {
    const sources = bindings.inheritFrom.map((source) => this.delayed(source, inner))
    const slotOf = (name: string): string => {
      const slot = inner.scope?.frame === inner.frame ? inner.scope.slots?.get(name) : undefined
      return slot === undefined ? name : `slot ${slot} ${name}`
    }
    const list = [...bindings.static].sort((a, b) => byBytes(a.name, b.name)).map((binding): Explained => {
      if (binding.kind === 'plain') return named(`${slotOf(binding.name)} <-`, this.delayed(binding.value, inner))
      if (binding.kind === 'inherited') return named(`${slotOf(binding.name)} <-`, this.delayed(binding.value, outer))
      return { label: `${slotOf(binding.name)} <-`, position: binding.position, children: [{ label: 'thunk', children: [{ label: 'select', detail: binding.name, children: [sources[binding.source]!] }] }] }
    })
    const dynamic = bindings.dynamic.map(({ name, value, position }): Explained => ({ label: 'computed name <-', position, children: [this.strict(name, inner), this.delayed(value, inner)] }))
    return [...list, ...dynamic]
  }

  private attributes(expression: Expression & { readonly kind: 'attributes' }, at: Where): Explained {
    const { bindings, position } = expression
    if (!bindings.recursive) return { label: bindings.static.length + bindings.dynamic.length === 0 ? 'empty set' : 'make set', position, children: this.bindings(bindings, at, { ...at, scope: at.scope }) }
    const inner = open(at)
    const scoped = this.bind(bindings, at, inner)
    return { label: 'fill slots, make set', detail: this.frameName(inner.frame), position, children: this.bindings(bindings, { ...inner, scope: at.scope }, scoped) }
  }

  /** `a: b: …` share a frame. */
  private lambda(expression: Expression & { readonly kind: 'lambda' }, at: Where): Explained {
    const frame = new FrameShape(at.frame)
    let inner: Where = { ...at, frame, extensible: false }
    const parameters: Explained[] = []
    let body: Expression = expression
    for (; body.kind === 'lambda'; body = body.body) {
      const { parameter, position } = body
      const slots = new Map<string, number>()
      if (parameter.kind === 'name') {
        slots.set(parameter.name, frame.allocate())
        inner = { ...inner, scope: new Scope(inner.scope, frame, slots) }
        parameters.push({ label: `slot ${slots.get(parameter.name)} <- argument`, detail: parameter.name, position, children: [] })
        continue
      }
      if (parameter.name !== undefined) slots.set(parameter.name, frame.allocate())
      for (const { name } of parameter.formals) slots.set(name, frame.allocate())
      inner = { ...inner, scope: new Scope(inner.scope, frame, slots) }
      const scoped = inner
      parameters.push({
        label: 'take apart', position, ...(parameter.ellipsis && { detail: 'others allowed' }),
        children: parameter.formals.map(({ name, fallback, position: formal }) => ({ label: `slot ${slots.get(name)} <-`, detail: name, position: formal, children: fallback === undefined ? [] : [named('otherwise', this.delayed(fallback, scoped))] })),
      })
    }
    return { label: 'function', detail: this.frameName(frame), position: expression.position, children: [...parameters, named('body', this.strict(body, { ...inner, extensible: true }))] }
  }
}

function open(at: Where): Where {
  return at.extensible ? at : { ...at, frame: new FrameShape(at.frame), extensible: true }
}

function named(label: string, child: Explained): Explained {
  return { label, ...(child.position !== undefined && { position: child.position }), children: [child] }
}

function place({ hops, slot }: Place): string {
  return hops === 0 ? `slot ${slot}` : `slot ${slot}, ${hops} frame${hops === 1 ? '' : 's'} up`
}
