/** Ring: eval. Values as JSON. Upstream counterpart: src/libexpr/value-to-json.cc. */
import { coerceToString } from '../runtime/coerce.ts'
import { call1 } from '../runtime/call.ts'
import { EvaluationError } from '../runtime/errors.ts'
import type { Host } from '../runtime/host.ts'
import { machine } from '../runtime/machine.ts'
import { NO_SITE, type Site } from '../runtime/site.ts'
import { speculate } from '../runtime/speculate.ts'
import { force } from '../runtime/thunk.ts'
import { showType } from '../runtime/types.ts'
import { formatJsonFloat, printJsonString } from '../text/json.ts'
import type { ContextBuilder } from '../values/context.ts'
import { Attributes, ContextString, Float, Lambda, PathValue, type List, type Slot } from '../values/value.ts'

/** JSON without spaces; what strings refer to goes to `context`. Paths are copied to the store if `copy`. */
export function valueToJson(host: Host, slot: Slot, context: ContextBuilder, copy: boolean, site: Site): string {
  const value = force(slot)
  switch (typeof value) {
    case 'string': return printJsonString(value)
    case 'number':
    case 'bigint':
    case 'boolean': return String(value)
    default: break
  }
  if (value === null) return 'null'
  if (value instanceof Attributes) return attributesToJson(host, value, context, copy, site)
  if (Array.isArray(value)) return listToJson(host, value as List, context, copy, site)
  if (value instanceof ContextString) {
    context.add(value.context)
    return printJsonString(value.text)
  }
  if (value instanceof PathValue) {
    if (!copy) return printJsonString(value.path)
    const copied = host.copyPathToStore(value.path)
    context.add(copied.context)
    return printJsonString(copied.text)
  }
  if (value instanceof Float) return formatJsonFloat(value.value)
  throw new EvaluationError('type', `cannot convert ${showType(value)} to JSON`, { location: value instanceof Lambda ? value.code.location : site })
}

function attributesToJson(host: Host, value: Attributes, context: ContextBuilder, copy: boolean, site: Site): string {
  const toString = value.get('__toString')
  if (toString !== undefined) {
    const result = call1(force(toString), value, site)
    return printJsonString(coerceToString(host, result, context, { more: false, copy: false, doing: 'while evaluating the result of the `__toString` attribute' }, site))
  }
  const outPath = value.get('outPath')
  if (outPath !== undefined) return valueToJson(host, outPath, context, copy, value.locationOf('outPath') ?? NO_SITE)
  const { names, locations } = value.layout
  const parts: string[] = []
  speculate(names.length, (i) => {
    const location = locations?.[i]
    traced(() => parts.push(`${printJsonString(names[i]!)}:${valueToJson(host, value.values[i]!, context, copy, location ?? NO_SITE)}`), () => `while evaluating attribute '${names[i]!}'`, location)
  })
  return `{${parts.join(',')}}`
}

function listToJson(host: Host, list: List, context: ContextBuilder, copy: boolean, site: Site): string {
  const parts: string[] = []
  speculate(list.length, (i) => {
    traced(() => parts.push(valueToJson(host, list[i]!, context, copy, site)), () => `while evaluating list element at index ${i}`, site)
  })
  return `[${parts.join(',')}]`
}

function traced(work: () => void, text: () => string, location: Site | undefined): void {
  const { depth } = machine
  try {
    work()
  } catch (error) {
    if (error instanceof EvaluationError) error.addTrace(text(), location, depth)
    throw error
  }
}
