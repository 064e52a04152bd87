/** Ring: eval. Selecting attributes: `a.b.c`, `a.b or c`, `a ? b.c`. Each place remembers the layout that it met last. */
import type { AttributeName, Expression } from '../syntax/ast.ts'
import { EvaluationError } from '../runtime/errors.ts'
import { expectAttributes, forcePlainString } from '../runtime/expect.ts'
import { machine } from '../runtime/machine.ts'
import { printExpression } from '../syntax/print.ts'
import { siteOf, type Site } from '../runtime/site.ts'
import { bestMatches } from '../runtime/suggestions.ts'
import { printAttributeName } from '../text/printing.ts'
import { force, settled, Thunk } from '../runtime/thunk.ts'
import type { Layout } from '../values/layout.ts'
import { Attributes, type Frame, type Slot, type Value } from '../values/value.ts'
import { localPlace, up, type Context, type Strict } from './scope.ts'

type Step = (subject: Value, frame: Frame) => Slot | undefined

/** Finds one attribute; undefined where the subject is no set or lacks it. */
function compileStep(name: AttributeName, context: Context): Step {
  if (name.kind === 'dynamic') {
    const run = context.compiler.strict(name.expression, context)
    const site = siteOf(context.source, name.expression.position)
    return (subject, frame) => {
      const text = forcePlainString(run(frame), 'while evaluating an attribute name', site)
      return subject instanceof Attributes ? subject.get(text) : undefined
    }
  }
  return attributeFinder(name.name)
}

export type AttributeFinder = (subject: Value) => Slot | undefined

/** Finds the attribute of an (interned) name at one place of the program; undefined where the subject is no set or lacks it. */
export function attributeFinder(name: string): AttributeFinder {
  let lastLayout: Layout | undefined
  let lastIndex = -1
  return (subject) => {
    if (!(subject instanceof Attributes)) return undefined
    const { layout } = subject
    if (layout !== lastLayout) {
      lastIndex = layout.find(name)
      lastLayout = layout
    }
    return lastIndex < 0 ? undefined : subject.values[lastIndex]
  }
}

export function compileSelect(expression: Expression & { readonly kind: 'select' }, context: Context): Strict {
  const subject = context.compiler.strict(expression.subject, context)
  const site = siteOf(context.source, expression.position)
  if (expression.fallback !== undefined) {
    const steps = expression.path.map((name) => compileStep(name, context))
    return selectOr(subject, steps, context.compiler.strict(expression.fallback, context))
  }
  let run = subject
  let place = localPlace(expression.subject, context)
  const whole = new Selection(expression.path, expression.path.length, site)
  for (const [i, name] of expression.path.entries()) {
    const selection = i === expression.path.length - 1 ? whole : new Selection(expression.path, i + 1, site)
    if (place !== undefined && name.kind === 'static') run = selectFromVariable(place.hops, place.slot, name.name, selection)
    else run = name.kind === 'static' ? selectStatic(run, name.name, selection) : selectDynamic(run, name, context, selection)
    place = undefined
  }
  return run
}

function selectOr(subject: Strict, steps: readonly Step[], fallback: Strict): Strict {
  if (steps.length === 1) return selectOneOr(subject, steps[0]!, fallback)
  return (frame) => {
    let value = subject(frame)
    for (let i = 0; i < steps.length; i++) {
      const found = steps[i]!(value, frame)
      if (found === undefined) return fallback(frame)
      value = force(found)
    }
    return value
  }
}

function selectOneOr(subject: Strict, step: Step, fallback: Strict): Strict {
  return (frame) => {
    const found = step(subject(frame), frame)
    return found === undefined ? fallback(frame) : force(found)
  }
}

/** One step of a selection, for the lines that an error gets where it passes. */
class Selection {
  readonly site: Site
  private readonly path: readonly AttributeName[]
  private readonly steps: number

  constructor(path: readonly AttributeName[], steps: number, site: Site) {
    this.path = path
    this.steps = steps
    this.site = site
  }

  /** The value of what was selected; `set` is what it was selected from. */
  force(thunk: Thunk, set: Attributes, name: string): Value {
    const { depth } = machine
    try {
      return force(thunk)
    } catch (error) {
      if (error instanceof EvaluationError) {
        const definition = set.locationOf(name)
        if (definition?.source.internal !== true && definition !== undefined) error.addTrace(`from the definition of '${this.shown(this.steps)}'`, definition, depth)
        error.addTrace(`while evaluating the attribute '${this.shown(this.path.length)}'`, this.site, depth)
      }
      throw error
    }
  }

  private shown(steps: number): string {
    return this.path.slice(0, steps).map((name) => (name.kind === 'static' ? printAttributeName(name.name) : `"\${${printExpression(name.expression)}}"`)).join('.')
  }
}

function selectStatic(subject: Strict, name: string, selection: Selection): Strict {
  const { site } = selection
  let lastLayout: Layout | undefined
  let lastIndex = 0
  return (frame) => {
    const value = subject(frame)
    if (!(value instanceof Attributes)) throw notASet(value, site)
    const { layout } = value
    if (layout !== lastLayout) {
      const index = layout.find(name)
      if (index < 0) throw missing(value, name, site)
      lastIndex = index
      lastLayout = layout
    }
    const slot = settled(value.values[lastIndex]!)
    return slot instanceof Thunk ? selection.force(slot, value, name) : slot
  }
}

/** The same where the set is a variable: most are. */
function selectFromVariable(hops: number, slot: number, name: string, selection: Selection): Strict {
  let lastLayout: Layout | undefined
  let lastIndex = 0
  return (frame) => {
    const value = force(up(frame, hops)[slot] as Slot)
    if (!(value instanceof Attributes)) throw notASet(value, selection.site)
    const { layout } = value
    if (layout !== lastLayout) {
      const index = layout.find(name)
      if (index < 0) throw missing(value, name, selection.site)
      lastIndex = index
      lastLayout = layout
    }
    const found = settled(value.values[lastIndex]!)
    return found instanceof Thunk ? selection.force(found, value, name) : found
  }
}

function selectDynamic(subject: Strict, name: AttributeName & { readonly kind: 'dynamic' }, context: Context, selection: Selection): Strict {
  const { site } = selection
  const run = context.compiler.strict(name.expression, context)
  const nameSite = siteOf(context.source, name.expression.position)
  return (frame) => {
    const value = subject(frame)
    const text = forcePlainString(run(frame), 'while evaluating an attribute name', nameSite)
    if (!(value instanceof Attributes)) throw notASet(value, site)
    const found = value.get(text)
    if (found === undefined) throw missing(value, text, site)
    return found instanceof Thunk ? selection.force(found, value, text) : found
  }
}

function notASet(value: Value, site: Site): unknown {
  try {
    return expectAttributes(value, 'while selecting an attribute', site)
  } catch (error) {
    return error
  }
}

function missing(attributes: Attributes, name: string, site: Site): EvaluationError {
  return new EvaluationError('missing-attribute', `attribute '${printAttributeName(name)}' missing`, { location: site, suggestions: bestMatches(attributes.layout.names, name) })
}

export function compileHasAttribute(expression: Expression & { readonly kind: 'has-attribute' }, context: Context): Strict {
  const subject = context.compiler.strict(expression.subject, context)
  const steps = expression.path.map((name) => compileStep(name, context))
  return steps.length === 1 ? has(subject, steps[0]!) : hasAll(subject, steps)
}

function has(subject: Strict, step: Step): Strict {
  return (frame) => step(subject(frame), frame) !== undefined
}

function hasAll(subject: Strict, steps: readonly Step[]): Strict {
  return (frame) => {
    let value = subject(frame)
    for (let i = 0; i < steps.length; i++) {
      const found = steps[i]!(value, frame)
      if (found === undefined) return false
      // The last one is not evaluated.
      if (i < steps.length - 1) value = force(found)
    }
    return true
  }
}
