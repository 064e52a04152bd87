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
import { internName } from './names.ts'
import type { Context, Strict } from './scope.ts'

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
  const find = attributeFinder(internName(name.name))
  return (subject) => (subject instanceof Attributes ? find(subject) : undefined)
}

/** Finds the attribute of an (interned) name at one place of the program; undefined where a set lacks it. */
export function attributeFinder(name: string): (attributes: Attributes) => Slot | undefined {
  let lastLayout: Layout | undefined
  let lastIndex = -1
  return (attributes) => {
    const { layout } = attributes
    if (layout !== lastLayout) {
      lastIndex = layout.find(name)
      lastLayout = layout
    }
    return lastIndex < 0 ? undefined : attributes.values[lastIndex]
  }
}

export function compileSelect(expression: Expression & { readonly kind: 'select' }, context: Context): Strict {
  const subject = context.compiler.strict(expression.subject, context)
  const site = siteOf(context.source, expression.position)
  if (expression.fallback !== undefined) {
    const steps = expression.path.map((name) => compileStep(name, context))
    const fallback = context.compiler.strict(expression.fallback, context)
    return (frame) => {
      let value = subject(frame)
      for (const step of steps) {
        const found = step(value, frame)
        if (found === undefined) return fallback(frame)
        value = force(found)
      }
      return value
    }
  }
  let run = subject
  const whole = new Selection(expression.path, expression.path.length, site)
  for (const [i, name] of expression.path.entries()) {
    const selection = i === expression.path.length - 1 ? whole : new Selection(expression.path, i + 1, site)
    run = name.kind === 'static' ? selectStatic(run, internName(name.name), selection) : selectDynamic(run, name, context, selection)
  }
  return run
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
  if (steps.length === 1) {
    const [step] = steps as [Step]
    return (frame) => step(subject(frame), frame) !== undefined
  }
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
