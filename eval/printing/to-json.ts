/** Ring: eval. Values as JSON. Upstream counterpart: src/libexpr/value-to-json.cc. */
import { call1, nested } from '../runtime/call.ts'
import { EvaluationError } from '../runtime/errors.ts'
import type { Host } from '../runtime/host.ts'
import { machine } from '../runtime/machine.ts'
import { NO_SITE, type Site } from '../runtime/site.ts'
import { speculate } from '../runtime/speculate.ts'
import { force } from '../runtime/thunk.ts'
import { isString, showType } from '../runtime/types.ts'
import { showExcerpt } from './excerpt.ts'
import { formatJsonFloat, JsonError, printJsonString } from '../text/json.ts'
import type { ContextBuilder } from '../values/context.ts'
import { placeAt } from '../values/places.ts'
import { Attributes, ContextString, Float, Lambda, PathValue, type List, type Slot, type Value } from '../values/value.ts'

/** JSON without spaces; what strings refer to goes to `context`. Paths are copied to the store if `copy`. */
export function valueToJson(host: Host, slot: Slot, context: ContextBuilder, copy: boolean, site: Site): string {
  const value = force(slot)
  switch (typeof value) {
    case 'string': return jsonString(value)
    case 'number':
    case 'bigint':
    case 'boolean': return String(value)
    default: break
  }
  if (value === null) return 'null'
  if (value instanceof Attributes || Array.isArray(value)) return containerToJson(host, value, context, copy, site)
  if (value instanceof ContextString) {
    context.add(value.context)
    return jsonString(value.text)
  }
  if (value instanceof PathValue) {
    if (!copy) return jsonString(value.path)
    const copied = host.copyPathToStore(value.path)
    context.add(copied.context)
    return jsonString(copied.text)
  }
  if (value instanceof Float) return formatJsonFloat(value.value)
  throw new EvaluationError('type', `cannot convert ${showType(value)} to JSON`, { location: value instanceof Lambda ? value.code.location : site })
}

/** Nesting counts as calls do, so that data without end ends with a message. */
function containerToJson(host: Host, value: Attributes | List, context: ContextBuilder, copy: boolean, site: Site): string {
  return nested(site, () => value instanceof Attributes ? attributesToJson(host, value, context, copy) : listToJson(host, value, context, copy, site))
}

function attributesToJson(host: Host, value: Attributes, context: ContextBuilder, copy: boolean): string {
  const toString = value.get('__toString')
  if (toString !== undefined) {
    const location = value.locationOf('__toString') ?? NO_SITE
    return stringResultToJson(host, call1(force(toString), value, location), context, location)
  }
  const outPath = value.get('outPath')
  if (outPath !== undefined) return valueToJson(host, outPath, context, copy, value.locationOf('outPath') ?? NO_SITE)
  const { names } = value.layout
  const parts: string[] = []
  const { depth } = machine
  speculate(names.length, (i) => {
    const location = placeAt(value.places, i)
    try {
      parts.push(`${jsonString(names[i]!)}:${valueToJson(host, value.values[i]!, context, copy, location ?? NO_SITE)}`)
    } catch (error) {
      if (error instanceof EvaluationError) error.addTrace(`while evaluating attribute '${names[i]!}'`, location, depth)
      throw error
    }
  })
  return `{${parts.join(',')}}`
}

/** What `__toString` gave must be a string, or a set that leads to one; a path among them is not copied. */
function stringResultToJson(host: Host, result: Value, context: ContextBuilder, site: Site): string {
  if (isString(result) || result instanceof PathValue) return valueToJson(host, result, context, false, site)
  if (result instanceof Attributes) {
    const toString = result.get('__toString')
    if (toString !== undefined) return stringResultToJson(host, call1(force(toString), result, site), context, site)
    const outPath = result.get('outPath')
    if (outPath !== undefined) return stringResultToJson(host, force(outPath), context, site)
  }
  const verb = result instanceof Attributes ? 'must' : 'should'
  throw new EvaluationError('type', `\`__toString\` ${verb} return a string, but got ${showType(result)}: ${showExcerpt(result)}`, { location: site })
}

function listToJson(host: Host, list: List, context: ContextBuilder, copy: boolean, site: Site): string {
  const parts: string[] = []
  const { depth } = machine
  speculate(list.length, (i) => {
    try {
      parts.push(valueToJson(host, list[i]!, context, copy, site))
    } catch (error) {
      if (error instanceof EvaluationError) error.addTrace(`while evaluating list element at index ${i}`, site, depth)
      throw error
    }
  })
  return `[${parts.join(',')}]`
}

/** A string in JSON, which holds text only. */
export function jsonString(text: string): string {
  try {
    return printJsonString(text)
  } catch (error) {
    if (error instanceof JsonError) throw new EvaluationError('eval', `JSON serialization error: ${error.message}`, { cause: error })
    throw error
  }
}
