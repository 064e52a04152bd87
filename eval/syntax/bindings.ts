/**
 * Ring: eval. Bindings while they are read: `a.b = 1; a.c = 2;` and `a = { b = 1; }; a.c = 2;` make one nested set.
 * Upstream counterpart: `addAttr` of parser-state.hh, its errors included.
 */
import type { AttributeName, Bindings, Expression, Position, StaticBinding } from './ast.ts'
import { printAttributePath } from './print.ts'

/** Throws the parser's error; gets where the attribute stands and where it stood before. */
export type DuplicateHandler = (path: string, position: Position, previous: Position) => never

/** Sets with fewer names are searched from end to end. */
const INDEXED_FROM = 12

export class BindingsBuilder implements Bindings {
  recursive = false
  readonly static: StaticBinding[] = []
  readonly dynamic: { position: Position; name: Expression; value: Expression }[] = []
  readonly inheritFrom: Expression[] = []
  private index: Map<string, number> | undefined = undefined

  find(name: string): StaticBinding | undefined {
    const bindings = this.static
    if (bindings.length < INDEXED_FROM) {
      for (const binding of bindings) if (binding.name === name) return binding
      return undefined
    }
    if (this.index === undefined) {
      this.index = new Map()
      bindings.forEach((binding, at) => this.index!.set(binding.name, at))
    }
    const at = this.index.get(name)
    return at === undefined ? undefined : bindings[at]
  }

  insert(binding: StaticBinding): void {
    this.index?.set(binding.name, this.static.length)
    this.static.push(binding)
    if (binding.kind === 'plain') nameLambdas(binding.value, binding.name)
  }

  /** `path = value;` */
  define(path: readonly AttributeName[], position: Position, value: Expression, duplicate: DuplicateHandler): void {
     
    let target: BindingsBuilder = this
    const last = path.length - 1
    for (let at = 0; at < last; at++) {
      const step = path[at]!
      let nested: BindingsBuilder
      if (step.kind === 'static') {
        const known = target.find(step.name)
        if (known === undefined) {
          nested = new BindingsBuilder()
          target.insert({ kind: 'plain', position, name: step.name, value: { kind: 'attributes', position, bindings: nested } })
        } else {
          const set = nestedSet(known)
          if (set === undefined) duplicate(printAttributePath(path.slice(0, at + 1)), position, known.position)
          nested = set
        }
      } else {
        nested = new BindingsBuilder()
        target.dynamic.push({ position, name: step.expression, value: { kind: 'attributes', position, bindings: nested } })
      }
      target = nested
    }
    const step = path[last]!
    if (step.kind === 'static') target.merge(path, { kind: 'plain', position, name: step.name, value }, duplicate)
    else target.dynamic.push({ position, name: step.expression, value })
  }

  /** Adds a binding, or the bindings of its set to a set that is already there. `path` ends with the binding's name. */
  private merge(path: readonly AttributeName[], binding: StaticBinding, duplicate: DuplicateHandler): void {
    const known = this.find(binding.name)
    if (known === undefined) {
      this.insert(binding)
      return
    }
    const into = nestedSet(known)
    const from = nestedSet(binding)
    if (into === undefined || from === undefined) duplicate(printAttributePath(path), binding.position, known.position)
    const shift = into.inheritFrom.length
    for (const inner of from.static) {
      const moved = inner.kind === 'inherited-from' ? { ...inner, source: inner.source + shift } : inner
      into.merge([...path, { kind: 'static', position: inner.position, name: inner.name }], moved, duplicate)
    }
    into.dynamic.push(...from.dynamic)
    into.inheritFrom.push(...from.inheritFrom)
  }
}

function nestedSet(binding: StaticBinding): BindingsBuilder | undefined {
  if (binding.kind !== 'plain' || binding.value.kind !== 'attributes') return undefined
  return binding.value.bindings instanceof BindingsBuilder ? binding.value.bindings : undefined
}

/** Functions are called after the attribute they stand in, curried ones on every level. */
function nameLambdas(value: Expression, name: string): void {
  let lambda = value
  while (lambda.kind === 'lambda') {
    (lambda as { name?: string }).name = name
    lambda = lambda.body
  }
}
