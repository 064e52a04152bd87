/** Ring: eval. Values where strings are expected. Upstream counterpart: coerceToString and coerceToPath in src/libexpr/eval.cc. */
import { ContextBuilder, singleContext } from '../values/context.ts'
import { Attributes, ContextString, Float, PathValue, type Slot } from '../values/value.ts'
import { showExcerpt } from '../printing/excerpt.ts'
import { formatFloatFixed } from '../text/printing.ts'
import { canonicalPath } from '../syntax/paths.ts'
import { Suspended } from '../io.ts'
import { call1 } from './call.ts'
import { EvaluationError } from './errors.ts'
import type { Host } from './host.ts'
import { machine } from './machine.ts'
import { markGroups } from './needs.ts'
import type { Site } from './site.ts'
import { speculateAfter } from './speculate.ts'
import { force } from './thunk.ts'
import { isList, showType } from './types.ts'

export interface Coercion {
  /** Whether booleans, numbers, null and lists are taken too. */
  readonly more: boolean
  /** Whether a path becomes a store path that holds its content, rather than its text. */
  readonly copy: boolean
  /** What was going on, for messages. */
  readonly doing: string
}

/** The text of a value; what it refers to goes to `context`. */
export function coerceToString(host: Host, slot: Slot, context: ContextBuilder, coercion: Coercion, site: Site): string {
  const value = force(slot)
  if (typeof value === 'string') return value
  if (value instanceof ContextString) {
    context.add(value.context)
    return value.text
  }
  if (value instanceof PathValue) {
    if (!coercion.copy) return value.path
    const copied = host.copyPathToStore(value.path)
    context.add(copied.context)
    return copied.text
  }
  if (value instanceof Attributes) {
    const toString = value.get('__toString')
    if (toString !== undefined) {
      const result = call1(force(toString), value, site)
      return coerceToString(host, result, context, { ...coercion, doing: 'while evaluating the result of the `__toString` attribute' }, site)
    }
    const outPath = value.get('outPath')
    if (outPath !== undefined) return coerceToString(host, outPath, context, coercion, site)
  } else if (coercion.more) {
    if (value === true) return '1'
    if (value === false || value === null) return ''
    if (typeof value === 'number' || typeof value === 'bigint') return value.toString()
    if (value instanceof Float) return formatFloatFixed(value.value)
    if (isList(value)) return coerceList(host, value, context, coercion, site)
  }
  throw new EvaluationError('type', `cannot coerce ${showType(value)} to a string: ${showExcerpt(value)}`, { traces: [{ text: coercion.doing, location: site }] })
}

const ELEMENT = 'while evaluating one element of the list'
const COPIED_ELEMENT: Coercion = { more: true, copy: true, doing: ELEMENT }
const PLAIN_ELEMENT: Coercion = { more: true, copy: false, doing: ELEMENT }

function coerceList(host: Host, list: readonly Slot[], context: ContextBuilder, { copy }: Coercion, site: Site): string {
  const { length } = list
  if (length === 0) return ''
  const coercion = copy ? COPIED_ELEMENT : PLAIN_ELEMENT
  const { forcing, depth, speculating } = machine
  const groups = markGroups()
  let text = ''
  let i = 0
  try {
    for (; i < length; i++) {
      text += coerceToString(host, list[i]!, context, coercion, site)
      if (i === length - 1) break
      const value = force(list[i]!)
      // Not quite right for elements that are empty lists, but it is what Nix does.
      if (!isList(value) || value.length > 0) text += ' '
    }
  } catch (error) {
    // not by `speculate`, which takes a function: derivations have a dozen lists each
    if (error instanceof Suspended) speculateAfter(error, groups, { forcing, depth, speculating }, i, length, (at) => void coerceToString(host, list[at]!, new ContextBuilder(), coercion, site))
    throw error
  }
  return text
}

/** An absolute path, from a path or a string. */
export function coerceToPath(host: Host, slot: Slot, context: ContextBuilder, doing: string, site: Site): string {
  const value = force(slot)
  if (value instanceof PathValue) return value.path
  if (value instanceof Attributes) {
    const toString = value.get('__toString')
    if (toString !== undefined) return coerceToPath(host, call1(force(toString), value, site), context, doing, site)
  }
  const text = coerceToString(host, value, context, { more: false, copy: false, doing }, site)
  if (text === '' || text[0] !== '/') {
    throw new EvaluationError('eval', `string '${text}' doesn't represent an absolute path`, { traces: [{ text: doing, location: site }] })
  }
  return canonicalPath(text)
}

/** The context of one opaque store path. */
export function opaqueContext(storePath: string): ReturnType<typeof singleContext> {
  return singleContext('opaque', storePath)
}
