/**
 * Ring: api. Query strings, path parameters and headers are text; the schemas speak of numbers and booleans. This turns the
 * text into what the schema's field says before zod checks it, so that one schema serves server, client and OpenAPI.
 */
import { z } from 'zod'
import { RequestError } from './problem.ts'
import { FirnError } from '../../contract/errors.ts'

/** Checks `raw` against a schema of flat fields; throws RequestError. Unknown query parameters are refused, for they are mistakes. */
export function decodeFields(schema: z.ZodObject, raw: Readonly<Record<string, unknown>>, where: 'query' | 'params' | 'headers'): unknown {
  const fields: Record<string, unknown> = {}
  for (const [name, field] of Object.entries(schema.shape)) {
    if (Object.hasOwn(raw, name) && raw[name] !== undefined) fields[name] = fromText(field as z.ZodType, raw[name])
  }
  if (where === 'query') refuseUnknown(Object.keys(raw), Object.keys(schema.shape))
  const result = schema.safeParse(fields)
  if (!result.success) throw new RequestError(where, result.error)
  return result.data
}

/** Refuses every query parameter, for routes that have none. */
export function refuseUnknown(given: readonly string[], known: readonly string[]): void {
  const unknown = given.filter((name) => !known.includes(name))
  if (unknown.length > 0) throw new FirnError('invalid-input', `unknown query parameter '${unknown[0]!.slice(0, 100)}'; known here: ${known.join(', ') || 'none'}`)
}

function fromText(field: z.ZodType, value: unknown): unknown {
  if (typeof value !== 'string') return value
  const plain = unwrap(field)
  // what doesn't look like one stays text, and the schema says what it wants
  if (plain instanceof z.ZodNumber) return /^-?\d{1,16}$/.test(value) ? Number(value) : value
  if (plain instanceof z.ZodBoolean) return value === 'true' ? true : value === 'false' ? false : value
  return value
}

function unwrap(field: unknown): unknown {
  let inner = field
  while (inner instanceof z.ZodOptional || inner instanceof z.ZodDefault || inner instanceof z.ZodNullable) inner = inner.unwrap()
  return inner
}
