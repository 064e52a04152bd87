/**
 * Ring: nix. JSON as nlohmann's library reads and prints it, since the bytes of a derivation's structured attributes
 * and of `.attrs.json` are made by it: keys sorted by bytes, integers of 64 bits kept, floats printed its way.
 */
import { byteStringOfText, bytesOfByteString } from './bytes.ts'
import { FormatError } from './errors.ts'

/** A number as its text, normalised: an integer, or with a point or an exponent a float. */
export class JsonNumber {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }

  get isInteger(): boolean {
    return /^-?[0-9]+$/.test(this.text)
  }

  toJSON(): number {
    return Number(this.text)
  }
}

export type Json = null | boolean | string | JsonNumber | readonly Json[] | JsonObject
export type JsonObject = ReadonlyMap<string, Json>

const NESTING_LIMIT = 2000

/** Reads JSON from a byte string that is UTF-8. Strings in the result are ordinary text. */
export function parseJson(byteString: string): Json {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytesOfByteString(byteString))
  } catch (error) {
    throw new FormatError('JSON is not UTF-8', { cause: error })
  }
  return new JsonReader(text).whole()
}

/** Numbers need their text, which JSON.parse gives only in newer engines, so this reads for itself. */
class JsonReader {
  readonly #text: string
  #position = 0
  #depth = 0

  constructor(text: string) {
    this.#text = text
  }

  whole(): Json {
    const value = this.#value()
    this.#space()
    if (this.#position !== this.#text.length) throw this.#error('something follows the end')
    return value
  }

  #error(message: string): FormatError {
    return new FormatError(`malformed JSON: ${message}`, { position: this.#position })
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#position
    const match = pattern.exec(this.#text)?.[0]
    if (match !== undefined) this.#position += match.length
    return match
  }

  #space(): void {
    this.#match(/[ \t\n\r]*/y)
  }

  #value(): Json {
    this.#space()
    if (++this.#depth > NESTING_LIMIT) throw this.#error('nested too deeply')
    const value = this.#inner()
    this.#depth--
    return value
  }

  #inner(): Json {
    switch (this.#text[this.#position]) {
      case '{': return this.#object()
      case '[': return this.#array()
      case '"': return this.#string()
      default: {
        const word = this.#match(/true|false|null/y)
        if (word !== undefined) return word === 'null' ? null : word === 'true'
        const number = this.#match(/-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y)
        if (number === undefined) throw this.#error('expected a value')
        return normalise(number)
      }
    }
  }

  #string(): string {
    const raw = this.#match(/"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y)
    if (raw === undefined) throw this.#error('expected a string')
    return JSON.parse(raw) as string
  }

  #array(): Json[] {
    const items: Json[] = []
    this.#position++
    this.#space()
    if (this.#match(/\]/y) !== undefined) return items
    for (;;) {
      items.push(this.#value())
      this.#space()
      if (this.#match(/\]/y) !== undefined) return items
      if (this.#match(/,/y) === undefined) throw this.#error('expected \',\' or \']\'')
    }
  }

  #object(): JsonObject {
    const entries = new Map<string, Json>()
    this.#position++
    this.#space()
    if (this.#match(/\}/y) !== undefined) return entries
    for (;;) {
      this.#space()
      const key = this.#string()
      this.#space()
      if (this.#match(/:/y) === undefined) throw this.#error('expected \':\'')
      entries.set(key, this.#value())
      this.#space()
      if (this.#match(/\}/y) !== undefined) return entries
      if (this.#match(/,/y) === undefined) throw this.#error('expected \',\' or \'}\'')
    }
  }
}

const LARGEST_UNSIGNED = 0xffff_ffff_ffff_ffffn
const SMALLEST_SIGNED = -0x8000_0000_0000_0000n

function normalise(text: string): JsonNumber {
  if (/^-?[0-9]+$/.test(text)) {
    const value = BigInt(text)
    if (value >= SMALLEST_SIGNED && value <= LARGEST_UNSIGNED) return new JsonNumber(String(value))
  }
  const value = Number(text)
  if (!Number.isFinite(value)) throw new FormatError(`a number in JSON is out of range: '${text}'`)
  return new JsonNumber(formatFloat(value))
}

/** A float as nlohmann's `dump` prints it: always with a point or an exponent. */
export function formatFloat(value: number): string {
  const [mantissa, exponentText] = Math.abs(value).toExponential().split('e') as [string, string]
  const digits = mantissa.replace('.', '')
  const sign = value < 0 || Object.is(value, -0) ? '-' : ''
  /** Where the point stands, counted from the first digit. */
  const point = Number(exponentText) + 1
  if (value === 0) return `${sign}0.0`
  if (digits.length <= point && point <= 15) return `${sign}${digits.padEnd(point, '0')}.0`
  if (point > 0 && point <= 15) return `${sign}${digits.slice(0, point)}.${digits.slice(point)}`
  if (point > -4 && point <= 0) return `${sign}0.${'0'.repeat(-point)}${digits}`
  const exponent = point - 1
  const fraction = digits.length === 1 ? '' : `.${digits.slice(1)}`
  return `${sign}${digits[0]}${fraction}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`
}

/** Prints JSON as a byte string (UTF-8), keys sorted by bytes, without spaces. */
export function printJson(value: Json): string {
  if (value === null || typeof value === 'boolean') return String(value)
  if (typeof value === 'string') return byteStringOfText(JSON.stringify(value))
  if (value instanceof JsonNumber) return value.text
  if (Array.isArray(value)) return `[${(value as readonly Json[]).map(printJson).join(',')}]`
  return `{${sortedEntries(value as JsonObject).map(([key, item]) => `${byteStringOfText(JSON.stringify(key))}:${printJson(item)}`).join(',')}}`
}

/** Entries sorted by the bytes of their keys. */
export function sortedEntries(value: JsonObject): [string, Json][] {
  return [...value]
    .map(([key, item]) => ({ bytes: byteStringOfText(key), key, item }))
    .sort((left, right) => (left.bytes < right.bytes ? -1 : left.bytes > right.bytes ? 1 : 0))
    .map(({ key, item }) => [key, item])
}

export function isJsonObject(value: Json | undefined): value is JsonObject {
  return value instanceof Map
}
