/** Ring: config. The settings as a list, from the schema: for reading the environment and for printing the reference. */
import { z } from 'zod'
import type { SettingNote } from './settings.ts'

export interface SettingDescription extends SettingNote {
  /** Dotted: `section.someKey`. */
  readonly name: string
  readonly env: string
  readonly type: 'text' | 'number' | 'bytes' | 'boolean' | 'list' | 'table'
  /** Values it accepts, where these are few. */
  readonly choices?: readonly string[]
  readonly default?: unknown
}

/** All settings in the order of the schema. */
export function describeSettings(schema: z.ZodObject): SettingDescription[] {
  return Object.entries(schema.shape).flatMap(([name, field]) => {
    const { inner } = unwrap(field as z.ZodType)
    return inner instanceof z.ZodObject
      ? Object.entries(inner.shape).map(([key, value]) => describe(`${name}.${key}`, value as z.ZodType))
      : [describe(name, field as z.ZodType)]
  })
}

/** Sections with what they are about, in order. */
export function describeSections(schema: z.ZodObject): { readonly name: string, readonly description: string }[] {
  return Object.entries(schema.shape)
    .filter(([, field]) => unwrap(field as z.ZodType).inner instanceof z.ZodObject)
    .map(([name, field]) => ({ name, description: noteOf(field as z.ZodType).description }))
}

function describe(name: string, field: z.ZodType): SettingDescription {
  const { inner, fallback } = unwrap(field)
  const setting = noteOf(field)
  const choices = inner instanceof z.ZodEnum ? inner.options.map(String) : undefined
  return {
    ...setting,
    name,
    env: setting.env ?? `FIRN_${name.replace('.', '_').replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`,
    type: typeOf(inner),
    ...(choices ? { choices } : {}),
    ...(fallback === undefined ? {} : { default: fallback }),
  }
}

function typeOf(inner: z.ZodType): SettingDescription['type'] {
  if (inner instanceof z.ZodNumber) return 'number'
  if (inner instanceof z.ZodBoolean) return 'boolean'
  if (inner instanceof z.ZodArray) return 'list'
  if (inner instanceof z.ZodRecord) return 'table'
  // the only preprocessed settings are sizes
  if (inner instanceof z.ZodPipe) return 'bytes'
  return 'text'
}

function unwrap(field: z.ZodType): { inner: z.ZodType, fallback?: unknown } {
  if (field instanceof z.ZodDefault || field instanceof z.ZodPrefault) return { inner: unwrap(field.def.innerType as z.ZodType).inner, fallback: field.def.defaultValue }
  if (field instanceof z.ZodOptional) return unwrap(field.def.innerType as z.ZodType)
  return { inner: field }
}

function noteOf(field: z.ZodType): SettingNote {
  const meta = field.meta() as SettingNote | undefined
  if (!meta) throw new Error('a setting without a description')
  return meta
}
