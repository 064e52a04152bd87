/**
 * Ring: nix. Structured attributes (`__structuredAttrs`): a derivation's attributes as JSON in the variable `__json`,
 * which a builder finds in `.attrs.json`, and as declarations of a shell in `.attrs.sh`. Pure; the builder writes the
 * files. Upstream: libstore/parsed-derivations.cc.
 */
import { byteStringOfText } from './bytes.ts'
import type { ContentAddress } from './content-address.ts'
import { formatContentAddress } from './content-address.ts'
import { FormatError } from './errors.ts'
import { formatHash, type Hash } from './hash.ts'
import { isJsonObject, JsonNumber, parseJson, printJson, sortedEntries, type Json, type JsonObject } from './json.ts'

export const STRUCTURED_ATTRIBUTES_VARIABLE = '__json'

export type StructuredAttributes = JsonObject

/** What the builder of a derivation learns about a path through `exportReferencesGraph`. */
export interface ExportedPath {
  /** Absolute. */
  readonly path: string
  readonly narHash: Hash
  readonly narSize: number
  /** Absolute. */
  readonly references: readonly string[]
  readonly contentAddress?: ContentAddress
  /** Sum of the NAR sizes of its closure. */
  readonly closureSize: number
}

/** Reads the value of `__json`, a byte string. */
export function parseStructuredAttributes(json: string): StructuredAttributes {
  let value: Json
  try {
    value = parseJson(json)
  } catch (error) {
    if (error instanceof FormatError) throw new FormatError(`cannot process ${STRUCTURED_ATTRIBUTES_VARIABLE} attribute: ${error.message}`, { cause: error })
    throw error
  }
  if (!isJsonObject(value)) throw new FormatError(`cannot process ${STRUCTURED_ATTRIBUTES_VARIABLE} attribute: it is not an object`)
  return value
}

/**
 * The attributes as a build gets them: with the paths of its outputs (or placeholders that are rewritten later), and
 * the closures that `exportReferencesGraph` asks for, each under its key.
 */
export function prepareStructuredAttributes(
  attributes: StructuredAttributes,
  outputs: ReadonlyMap<string, string>,
  exportedReferences: ReadonlyMap<string, readonly ExportedPath[]> = new Map(),
): StructuredAttributes {
  const prepared = new Map(attributes)
  prepared.set('outputs', new Map(outputs))
  for (const [key, paths] of exportedReferences) prepared.set(key, paths.map(exportedPathAsJson))
  return prepared
}

function exportedPathAsJson(path: ExportedPath): JsonObject {
  const fields = new Map<string, Json>([
    ['narHash', formatHash(path.narHash, 'nix32', true)],
    ['narSize', new JsonNumber(String(path.narSize))],
    ['references', [...path.references].sort()],
    ['path', path.path],
    ['valid', true],
    ['closureSize', new JsonNumber(String(path.closureSize))],
  ])
  if (path.contentAddress !== undefined) fields.set('ca', formatContentAddress(path.contentAddress))
  return fields
}

/** The content of `.attrs.json`, a byte string. */
export function renderAttributesJson(attributes: StructuredAttributes): string {
  return printJson(attributes)
}

/** The content of `.attrs.sh`, a byte string. What a shell can't hold (nested values, odd names, fractions) is left out. */
export function renderAttributesShell(attributes: StructuredAttributes): string {
  let shell = ''
  for (const [name, value] of sortedEntries(attributes)) {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) continue
    const simple = simpleValue(value)
    if (simple !== undefined) {
      shell += `declare ${name}=${simple}\n`
    } else if (Array.isArray(value)) {
      const items = (value as readonly Json[]).map(simpleValue)
      if (items.every((item) => item !== undefined)) shell += `declare -a ${name}=(${items.map((item) => `${item} `).join('')})\n`
    } else if (isJsonObject(value)) {
      const items = sortedEntries(value).map(([key, item]) => [key, simpleValue(item)] as const)
      if (items.every(([, item]) => item !== undefined)) shell += `declare -A ${name}=(${items.map(([key, item]) => `[${quoteForShell(key)}]=${item} `).join('')})\n`
    }
  }
  return shell
}

function simpleValue(value: Json): string | undefined {
  if (value === null) return '\'\''
  if (typeof value === 'boolean') return value ? '1' : ''
  if (typeof value === 'string') return quoteForShell(value)
  return value instanceof JsonNumber ? integerForShell(value) : undefined
}

/** Nix asks whether the number is whole as a 32-bit float, and prints it as a 32-bit integer. */
function integerForShell(number: JsonNumber): string | undefined {
  const single = Math.fround(Number(number.text))
  if (Math.ceil(single) !== single) return undefined
  if (number.isInteger) return String(BigInt.asIntN(32, BigInt(number.text)))
  const whole = Math.trunc(Number(number.text))
  return String(whole >= -0x8000_0000 && whole <= 0x7fff_ffff ? whole + 0 : -0x8000_0000)
}

function quoteForShell(text: string): string {
  return `'${byteStringOfText(text).replaceAll('\'', '\'\\\'\'')}'`
}
