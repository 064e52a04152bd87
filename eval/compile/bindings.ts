/** Ring: eval. Attribute sets and `let`. */
import type { Bindings, Expression } from '../syntax/ast.ts'
import { expectAttributes } from '../runtime/expect.ts'
import { siteOf } from '../runtime/site.ts'
import { force, Thunk } from '../runtime/thunk.ts'
import { layoutOfSorted, type Layout } from '../values/layout.ts'
import type { Location } from '../values/location.ts'
import { mergeAttributes } from '../values/make.ts'
import type { Places } from '../values/places.ts'
import { byBytes } from '../../nix/sorting.ts'
import { Attributes, EMPTY_ATTRIBUTES, type Frame, type Slot, type Value } from '../values/value.ts'
import { addDynamic } from './dynamic.ts'
import { openFrame, Scope, type Context, type Delayed, type Strict } from './scope.ts'

interface PreparedBinding {
  readonly name: string
  readonly location: Location
  readonly make: Delayed
  /** Read straight from another variable, which had better be there first. */
  readonly alias: boolean
  readonly inherited: boolean
}

/** Needs a frame of its own for the sources of `inherit (…)`, unless they are variables that can be read again. */
function needsSources(bindings: Bindings): boolean {
  return bindings.inheritFrom.some((source) => source.kind !== 'variable')
}

/**
 * Compiles static bindings, sorted by name. `outer` is for `inherit x`, `inner` for everything else; both run in the same frame.
 * `prepare` fills the slots of inherit sources.
 */
function prepareBindings(bindings: Bindings, outer: Context, inner: Context): { readonly list: readonly PreparedBinding[]; readonly prepare: (frame: Frame) => void } {
  const { compiler } = inner
  const sources = bindings.inheritFrom.map((source) => {
    if (source.kind === 'variable') return { expression: source, slot: -1, make: undefined }
    return { expression: source, slot: inner.frame.allocate(), make: compiler.delayed(source, inner) }
  })
  // Sources get names that no program can write.
  const made = sources.filter((s) => s.make !== undefined) as { readonly slot: number; readonly make: Delayed }[]
  const sourceContext: Context = made.length === 0 ? inner : { ...inner, scope: new Scope(inner.scope, inner.frame, new Map(sources.map((s, i) => [`\0${i}`, s.slot]))) }

  const list = bindings.static.map((binding): PreparedBinding => {
    const name = binding.name
    const location = siteOf(inner.source, binding.position)
    if (binding.kind === 'plain') return { name, location, make: compiler.delayed(binding.value, inner), alias: binding.value.kind === 'variable', inherited: false }
    if (binding.kind === 'inherited') return { name, location, make: compiler.delayed(binding.value, outer), alias: false, inherited: true }
    const source = sources[binding.source]!
    const subject: Expression = source.make === undefined ? source.expression : { kind: 'variable', position: source.expression.position, name: `\0${binding.source}` }
    const select: Expression = { kind: 'select', position: binding.position, subject, path: [{ kind: 'static', position: binding.position, name: binding.name }] }
    return { name, location, make: compiler.delayed(select, sourceContext), alias: false, inherited: false }
  })
  list.sort((a, b) => byBytes(a.name, b.name))
  return {
    list,
    prepare: (frame) => {
      for (const { slot, make } of made) frame[slot] = make(frame)
    },
  }
}

/** Gives each binding a slot of the frame and a scope that knows them. */
function bindVariables(bindings: Bindings, context: Context, inner: Context): { readonly scoped: Context; readonly slots: ReadonlyMap<string, number> } {
  const slots = new Map<string, number>()
  for (const binding of bindings.static) slots.set(binding.name, inner.frame.allocate())
  return { scoped: { ...inner, scope: new Scope(context.scope, inner.frame, slots) }, slots }
}

/** Fills the variables' slots. Aliases come last, when what they name is there, or else they would need thunks. */
function initializer(list: readonly PreparedBinding[], slots: ReadonlyMap<string, number>): (frame: Frame) => void {
  const ordered = [...list.filter((b) => !b.alias), ...list.filter((b) => b.alias)]
  const makers = ordered.map((b) => b.make)
  const targets = ordered.map((b) => slots.get(b.name)!)
  return makers.length === 1 ? fillOne(targets[0]!, makers[0]!) : fill(targets, makers)
}

function fillOne(target: number, make: Delayed): (frame: Frame) => void {
  return (frame) => {
    frame[target] = make(frame)
  }
}

function fill(targets: readonly number[], makers: readonly Delayed[]): (frame: Frame) => void {
  return (frame) => {
    for (let i = 0; i < makers.length; i++) frame[targets[i]!] = makers[i]!(frame)
  }
}

export function compileLet(expression: Expression & { readonly kind: 'let' }, context: Context): Strict {
  const { context: inner, wrap } = openFrame(context)
  const { scoped, slots } = bindVariables(expression.bindings, context, inner)
  const { list, prepare } = prepareBindings(expression.bindings, { ...inner, scope: context.scope }, scoped)
  const initialize = initializer(list, slots)
  const body = inner.compiler.strict(expression.body, scoped)
  const filled = after(initialize, body)
  return wrap(needsSources(expression.bindings) ? after(prepare, filled) : filled)
}

/** Does something to the frame first. */
function after<C extends (frame: Frame) => Value>(prepare: (frame: Frame) => void, run: C): (frame: Frame) => ReturnType<C> {
  return (frame) => {
    prepare(frame)
    return run(frame) as ReturnType<C>
  }
}

export function compileAttributes(expression: Expression & { readonly kind: 'attributes' }, context: Context): Strict {
  const { bindings } = expression
  if (bindings.recursive) return compileRecursive(bindings, context)
  if (!needsSources(bindings)) return setMaker(bindings, context, context)
  const { context: inner, wrap } = openFrame(context)
  return wrap(setMaker(bindings, inner, inner))
}

function setMaker(bindings: Bindings, outer: Context, inner: Context): Strict {
  const { list, prepare } = prepareBindings(bindings, outer, inner)
  const withSources = needsSources(bindings)
  const makers = list.map((b) => b.make)
  const fixed = fixedMaker(layoutOfSorted(list.map((b) => b.name)), list.map((b) => b.location), makers)
  const run: (frame: Frame) => Attributes = withSources ? after(prepare, fixed) : fixed
  if (bindings.dynamic.length === 0) return run
  return addDynamic(bindings, inner, run)
}

function fixedMaker(layout: Layout, places: Places, makers: readonly Delayed[]): (frame: Frame) => Attributes {
  switch (makers.length) {
    case 0: return () => EMPTY_ATTRIBUTES
    case 1: return setOf1(layout, places, makers[0]!)
    case 2: return setOf2(layout, places, makers[0]!, makers[1]!)
    case 3: return setOf3(layout, places, makers[0]!, makers[1]!, makers[2]!)
    default: return setOfMany(layout, places, makers)
  }
}

function setOf1(layout: Layout, places: Places, a: Delayed): (frame: Frame) => Attributes {
  return (frame) => new Attributes(layout, [a(frame)], places)
}

function setOf2(layout: Layout, places: Places, a: Delayed, b: Delayed): (frame: Frame) => Attributes {
  return (frame) => new Attributes(layout, [a(frame), b(frame)], places)
}

function setOf3(layout: Layout, places: Places, a: Delayed, b: Delayed, c: Delayed): (frame: Frame) => Attributes {
  return (frame) => new Attributes(layout, [a(frame), b(frame), c(frame)], places)
}

function setOfMany(layout: Layout, places: Places, makers: readonly Delayed[]): (frame: Frame) => Attributes {
  const { length } = makers
  return (frame) => {
    const values = new Array<Slot>(length)
    for (let i = 0; i < length; i++) values[i] = makers[i]!(frame)
    return new Attributes(layout, values, places)
  }
}

function compileRecursive(bindings: Bindings, context: Context): Strict {
  const { context: inner, wrap } = openFrame(context)
  const { scoped, slots } = bindVariables(bindings, context, inner)
  const { list: given, prepare } = prepareBindings(bindings, { ...inner, scope: context.scope }, scoped)
  const overridable = given.some((b) => b.name === '__overrides')
  // With __overrides, no variable may be read before the overrides are in place.
  const list = overridable ? given.map((b) => (b.inherited ? b : delayAlias(b, bindings, scoped))) : given
  const initialize = initializer(list, slots)
  const layout = layoutOfSorted(list.map((b) => b.name))
  const places = list.map((b) => b.location)
  const order = list.map((b) => slots.get(b.name)!)
  const site = siteOf(context.source, bindings.static[0]?.position ?? 0)
  const collect = (frame: Frame) => {
    const values = new Array<Slot>(order.length)
    for (let i = 0; i < order.length; i++) values[i] = frame[order[i]!] as Slot
    return new Attributes(layout, values, places)
  }
  const build = (frame: Frame): Attributes => {
    prepare(frame)
    initialize(frame)
    if (!overridable) return collect(frame)
    const overrides = expectAttributes(force(frame[slots.get('__overrides')!] as Slot), 'while evaluating the `__overrides` attribute', site)
    for (const name of overrides.layout.names) {
      const slot = slots.get(name)
      if (slot !== undefined) frame[slot] = overrides.get(name)
    }
    return mergeAttributes(collect(frame), overrides)
  }
  return wrap(bindings.dynamic.length === 0 ? build : addDynamic(bindings, scoped, build))
}

function delayAlias(binding: PreparedBinding, bindings: Bindings, context: Context): PreparedBinding {
  const source = bindings.static.find((b) => b.name === binding.name)
  if (!binding.alias || source?.kind !== 'plain') return binding
  const run = context.compiler.strict(source.value, { ...context, extensible: false })
  const code = { run, location: binding.location }
  return { ...binding, make: (frame) => new Thunk(code, frame) }
}
