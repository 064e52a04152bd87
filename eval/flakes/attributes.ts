/** Ring: eval. Attributes of things to fetch. Upstream counterpart: src/libfetchers/attrs.cc. */
import { EvaluationError } from '../runtime/errors.ts'
import { byBytes } from '../../nix/sorting.ts'

export type InputAttribute = string | number | boolean

/** Attributes of an input, `type` among them. Texts are byte strings. */
export type Input = ReadonlyMap<string, InputAttribute>

export function textAttribute(input: Input, name: string): string | undefined {
  const value = input.get(name)
  return typeof value === 'string' ? value : undefined
}

export function requiredText(input: Input, name: string): string {
  const value = input.get(name)
  if (value === undefined) throw new EvaluationError('eval', `input attribute '${name}' is missing`)
  if (typeof value !== 'string') throw new EvaluationError('eval', `input attribute '${name}' is not a string`)
  return value
}

export function typeOfInput(input: Input): string {
  return requiredText(input, 'type')
}

export function without(input: Input, ...names: readonly string[]): Input {
  return new Map([...input].filter(([name]) => !names.includes(name)))
}

/** With more attributes, or others; undefined ones are left as they are. */
export function withAttributes(input: Input, more: Readonly<Record<string, InputAttribute | undefined>>): Input {
  const result = new Map(input)
  for (const [name, value] of Object.entries(more)) if (value !== undefined) result.set(name, value)
  return result
}

/** As JSON, for messages. */
export function showAttributes(input: Input): string {
  return JSON.stringify(Object.fromEntries([...input].sort(([a], [b]) => byBytes(a, b))))
}
