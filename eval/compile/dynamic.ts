/** Ring: eval. Attributes with computed names. */
import type { Bindings } from '../syntax/ast.ts'
import { EvaluationError } from '../runtime/errors.ts'
import { forcePlainString } from '../runtime/expect.ts'
import { shownLocation, siteOf, type Site } from '../runtime/site.ts'
import { showLocation } from '../printing/locations.ts'
import { printAttributeName } from '../text/printing.ts'
import { layoutOf, layoutOfSorted, type Layout } from '../values/layout.ts'
import { placeAt, type Places } from '../values/places.ts'
import { Attributes, EMPTY_ATTRIBUTES, type Frame, type Slot } from '../values/value.ts'
import type { Context, Delayed, Strict } from './scope.ts'

interface DynamicAttribute {
  readonly site: Site
  readonly name: Strict
  readonly make: Delayed
}

/** Adds attributes with computed names, which come after all others. */
export function addDynamic(bindings: Bindings, context: Context, fixed: (frame: Frame) => Attributes): Strict {
  const dynamic = bindings.dynamic.map((binding): DynamicAttribute => ({
    site: siteOf(context.source, binding.position),
    name: context.compiler.strict(binding.name, context),
    make: context.compiler.delayed(binding.value, context),
  }))
  return dynamic.length === 1 && bindings.static.length === 0 ? singleDynamic(dynamic[0]!) : withDynamic(fixed, dynamic)
}

function withDynamic(fixed: (frame: Frame) => Attributes, dynamic: readonly DynamicAttribute[]): Strict {
  let tree: Tree | undefined
  return (frame) => {
    const base = fixed(frame)
    if (tree?.base !== base.layout || tree.places !== base.places) tree = new Tree(base)
    const values: Slot[] = []
    let at = tree.none
    for (let i = 0; i < dynamic.length; i++) {
      const { site, name, make } = dynamic[i]!
      const nameValue = name(frame)
      if (nameValue === null) continue
      at = at.with(forcePlainString(nameValue, 'while evaluating the name of a dynamic attribute', site), site)
      values.push(make(frame))
    }
    if (values.length === 0) return base
    const { layout, places, order } = at.result()
    return new Attributes(layout, placed(order, base.values, values), places)
  }
}

/** What a set of fixed attributes became before with computed ones: a package set asks for the same few combinations over and over. */
class Tree {
  readonly base: Layout
  readonly places: Places | undefined
  readonly none: Step
  /** Steps in it; so that it doesn't grow with every name that a program thinks of. */
  size = 0

  constructor({ layout, places }: Attributes) {
    this.base = layout
    this.places = places
    this.none = new Step(this, undefined, '', undefined)
  }
}

const LARGEST_TREE = 1000
const MOST_CHOICES = 32

interface Extension {
  readonly layout: Layout
  readonly places: Places
  /** For each attribute of the result: its index among those of the base, then those that were added. */
  readonly order: readonly number[]
}

/** One more attribute. That its name is new has been checked. */
class Step {
  private readonly tree: Tree
  private readonly parent: Step | undefined
  private readonly name: string
  private readonly site: Site | undefined
  private last: Step | undefined = undefined
  private others: Step[] | undefined = undefined
  private extension: Extension | undefined = undefined

  constructor(tree: Tree, parent: Step | undefined, name: string, site: Site | undefined) {
    this.tree = tree
    this.parent = parent
    this.name = name
    this.site = site
  }

  with(name: string, site: Site): Step {
    const { last } = this
    if (last !== undefined && last.name === name && last.site === site) return last
    const step = this.others?.find((other) => other.name === name && other.site === site) ?? this.made(name, site)
    this.last = step
    return step
  }

  private made(name: string, site: Site): Step {
    this.check(name, site)
    const step = new Step(this.tree, this, name, site)
    const others = (this.others ??= [])
    if (others.length < MOST_CHOICES && this.tree.size++ < LARGEST_TREE) others.push(step)
    return step
  }

  private check(name: string, site: Site): void {
    const { base, places } = this.tree
    const before = base.find(name)
    const other = before < 0 ? this.added().find((step) => step.name === name) : undefined
    if (before < 0 && other === undefined) return
    throw new EvaluationError('eval', `dynamic attribute '${printAttributeName(name)}' already defined at ${showLocation(shownLocation(before >= 0 ? placeAt(places, before) : other!.site))}`, { location: site })
  }

  /** All computed attributes, in order. */
  private added(): Step[] {
    const steps: Step[] = []
    for (let step: Step = this; step.parent !== undefined; step = step.parent) steps.push(step)
    return steps.reverse()
  }

  result(): Extension {
    return (this.extension ??= this.extend())
  }

  private extend(): Extension {
    const { base, places } = this.tree
    const added = this.added()
    const { layout, order } = layoutOf([...base.names, ...added.map((step) => step.name)])
    const given = base.names.length
    return { layout, order, places: order.map((from) => (from < given ? placeAt(places, from) : added[from - given]!.site)) }
  }
}

function placed(order: readonly number[], base: readonly Slot[], added: readonly Slot[]): Slot[] {
  const given = base.length
  const values = new Array<Slot>(order.length)
  for (let i = 0; i < order.length; i++) {
    const from = order[i]!
    values[i] = from < given ? base[from]! : added[from - given]!
  }
  return values
}

/** Layouts of sets with one computed name, remembered per place: loops that build a set bit by bit merge them over and over. */
const LAYOUTS = 1000

function singleDynamic({ site, name, make }: DynamicAttribute): Strict {
  const layouts = new Map<string, Layout>()
  const places = [site]
  return (frame) => {
    const nameValue = name(frame)
    if (nameValue === null) return EMPTY_ATTRIBUTES
    const text = forcePlainString(nameValue, 'while evaluating the name of a dynamic attribute', site)
    let layout = layouts.get(text)
    if (layout === undefined) {
      if (layouts.size >= LAYOUTS) layouts.clear()
      layouts.set(text, (layout = layoutOfSorted([text])))
    }
    return new Attributes(layout, [make(frame)], places)
  }
}
