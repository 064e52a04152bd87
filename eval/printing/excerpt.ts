/** Ring: eval. Values in messages: unevaluated parts stay so, and little is shown of large ones. Upstream: errorPrintOptions in src/libexpr/print-options.hh. */
import type { Value } from '../values/value.ts'
import { printValue } from './print.ts'

const EXCERPT = { maxDepth: 10, maxAttributes: 10, maxListItems: 10, maxStringLength: 1024 } as const

export function showExcerpt(value: Value): string {
  return printValue(value, EXCERPT)
}
