/** Ring: eval. Other formats: JSON, TOML, XML. */
import { callSite } from '../runtime/call.ts'
import { EvaluationError } from '../runtime/errors.ts'
import { forcePlainString } from '../runtime/expect.ts'
import { valueToJson } from '../printing/to-json.ts'
import { valueToXml } from '../printing/to-xml.ts'
import type { ValueBuilder } from '../text/builder.ts'
import { JsonError, parseJson } from '../text/json.ts'
import { parseToml } from '../text/toml.ts'
import { ContextBuilder } from '../values/context.ts'
import { attributesOf } from '../values/make.ts'
import { Float, intValue, stringValue, type Slot, type Value } from '../values/value.ts'
import { builtin, type BuiltinFamily } from './definition.ts'

/** Makes values while a text is read. */
const VALUES: ValueBuilder<Value> = {
  null: () => null,
  boolean: (value) => value,
  integer: (value) => (typeof value === 'number' ? value : intValue(value)),
  float: (value) => new Float(value),
  string: (value) => value,
  list: (values) => values,
  attributes: (entries) => attributesOf(entries),
}

function fromJson(slot: Slot): Value {
  const site = callSite()
  const text = forcePlainString(slot, 'while evaluating the first argument passed to builtins.fromJSON', site)
  try {
    return parseJson(text, VALUES)
  } catch (error) {
    if (!(error instanceof JsonError)) throw error
    throw new EvaluationError('eval', error.message, { traces: [{ text: 'while decoding a JSON string', location: site }], cause: error })
  }
}

function fromToml(slot: Slot, timestamps: boolean): Value {
  const site = callSite()
  const text = forcePlainString(slot, 'while evaluating the argument passed to builtins.fromTOML', site)
  try {
    return parseToml(text, VALUES, { timestamps })
  } catch (error) {
    if (error instanceof EvaluationError || !(error instanceof Error)) throw error
    throw new EvaluationError('eval', `while parsing TOML: ${error.message}`, { location: site, cause: error })
  }
}

export const data: BuiltinFamily = (evaluator) => [
  builtin('__fromJSON', 1, fromJson),
  builtin('fromTOML', 1, (a) => fromToml(a, evaluator.language.tomlTimestamps ?? false)),
  builtin('__toJSON', 1, (a) => {
    const context = new ContextBuilder()
    const text = valueToJson(evaluator, a, context, true, callSite())
    return stringValue(text, context.build())
  }),
  builtin('__toXML', 1, (a) => {
    const context = new ContextBuilder()
    const text = valueToXml(a, context, { strict: true, locations: false })
    return stringValue(text, context.build())
  }),
]
