/** Ring: eval. Selecting attributes: `a.b.c`, `a.b or c`, `a ? b.c`. Each place remembers the layout that it met last. */
import type { AttributeName, Expression } from '../syntax/ast.ts'
import { EvaluationError } from '../runtime/errors.ts'
import { expectAttributes, forcePlainString } from '../runtime/expect.ts'
import { siteOf, type Site } from '../runtime/site.ts'
import { bestMatches } from '../runtime/suggestions.ts'
import { printAttributeName } from '../text/printing.ts'
import { force, Thunk } from '../runtime/thunk.ts'
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
  for (const name of expression.path) run = name.kind === 'static' ? selectStatic(run, internName(name.name), site) : selectDynamic(run, name, context, site)
  return run
}

function selectStatic(subject: Strict, name: string, site: Site): Strict {
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
    const slot = value.values[lastIndex]!
    return slot instanceof Thunk ? force(slot) : slot
  }
}

function selectDynamic(subject: Strict, name: AttributeName & { readonly kind: 'dynamic' }, context: Context, site: Site): Strict {
  const run = context.compiler.strict(name.expression, context)
  const nameSite = siteOf(context.source, name.expression.position)
  return (frame) => {
    const value = subject(frame)
    const text = forcePlainString(run(frame), 'while evaluating an attribute name', nameSite)
    if (!(value instanceof Attributes)) throw notASet(value, site)
    const found = value.get(text)
    if (found === undefined) throw missing(value, text, site)
    return force(found)
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
