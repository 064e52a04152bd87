/**
 * Ring: eval. JSON as nlohmann's library reads and writes it, which is what `builtins.fromJSON` and `toJSON` show: integers stay
 * integers up to 64 bits, errors name line, column and what was last read. Byte strings in and out; nesting needs no stack.
 */
import { grisu2 } from './grisu.ts'
import { nullByteMessage, type ValueBuilder } from './builder.ts'
import { encodeCodePoint, sequenceLength } from './utf8.ts'

export class JsonError extends Error {
  readonly kind = 'json'
  /** `syntax`: not JSON; `value`: JSON that Nix can't represent; `encoding`: a string to write is not UTF-8. */
  readonly reason: 'syntax' | 'value' | 'encoding'

  constructor(reason: JsonError['reason'], message: string) {
    super(message)
    this.name = 'JsonError'
    this.reason = reason
  }
}

/** Reads one JSON value. Of equal keys the last wins. Throws JsonError. */
export function parseJson<T>(text: string, builder: ValueBuilder<T>): T {
  return new JsonReader(text, builder).run()
}

type Token = 'true literal' | 'false literal' | 'null literal' | 'string literal' | 'number literal' | "'['" | "'{'" | "']'" | "'}'" | "':'" | "','" | 'end of input'

type Container<T> =
  | { readonly kind: 'list'; readonly values: T[] }
  | { readonly kind: 'object'; readonly values: Map<string, T>; key: string }

const ANY_VALUE = "'[', '{', or a literal"
const MAXIMUM = 0x7fffffffffffffffn

class JsonReader<T> {
  private readonly text: string
  private readonly builder: ValueBuilder<T>
  private at = 0
  /** Start of the token read last, and its value. */
  private start = 0
  /** Start of the last string or number: messages quote from there. */
  private quotedFrom = 0
  private finished = false
  private stringValue = ''
  /** What the parser is in the middle of, for messages. */
  private context = 'value'

  constructor(text: string, builder: ValueBuilder<T>) {
    this.text = text
    this.builder = builder
    if (text.startsWith('\u00ef\u00bb\u00bf')) this.at = 3
  }

  run(): T {
    const stack: Container<T>[] = []
    let token = this.next()
    for (;;) {
      let value: T
      if (token === "'['") {
        token = this.next()
        if (token !== "']'") {
          stack.push({ kind: 'list', values: [] })
          continue
        }
        value = this.builder.list([])
      } else if (token === "'{'") {
        this.context = 'object key'
        token = this.next()
        if (token !== "'}'") {
          stack.push({ kind: 'object', values: new Map(), key: this.key(token) })
          token = this.next()
          continue
        }
        value = this.builder.attributes(new Map())
      } else value = this.scalar(token)
      // hand the value up through everything that ends here
      for (;;) {
        const container = stack.at(-1)
        if (container === undefined) {
          this.context = 'value'
          this.finished = true
          token = this.next()
          if (token !== 'end of input') this.unexpected(token, 'end of input')
          return value
        }
        if (container.kind === 'list') {
          container.values.push(value)
          this.context = 'array'
          token = this.next()
          if (token === "','") {
            this.context = 'value'
            token = this.next()
            break
          }
          if (token !== "']'") this.unexpected(token, "']'")
          value = this.builder.list(container.values)
        } else {
          container.values.set(container.key, value)
          this.context = 'object'
          token = this.next()
          if (token === "','") {
            this.context = 'object key'
            container.key = this.key(this.next())
            token = this.next()
            break
          }
          if (token !== "'}'") this.unexpected(token, "'}'")
          value = this.builder.attributes(container.values)
        }
        stack.pop()
      }
    }
  }

  /** A key and the colon after it. */
  private key(token: Token): string {
    if (token !== 'string literal') this.unexpected(token, 'string literal')
    const key = this.stringValue
    this.rejectNull(key)
    this.context = 'object separator'
    const separator = this.next()
    if (separator !== "':'") this.unexpected(separator, "':'")
    this.context = 'value'
    return key
  }

  private scalar(token: Token): T {
    switch (token) {
      case 'true literal': return this.builder.boolean(true)
      case 'false literal': return this.builder.boolean(false)
      case 'null literal': return this.builder.null()
      case 'number literal': return this.number(this.text.slice(this.start, this.at))
      case 'string literal':
        this.rejectNull(this.stringValue)
        return this.builder.string(this.stringValue)
      case 'end of input':
        if (this.text.length === 0) this.fail('attempting to parse an empty input; check that your input string or stream contains the expected JSON')
        return this.unexpected(token, ANY_VALUE)
      default: return this.unexpected(token, ANY_VALUE)
    }
  }

  private rejectNull(text: string): void {
    const message = nullByteMessage(text)
    if (message !== undefined) throw new JsonError('value', message)
  }

  private number(literal: string): T {
    if (/^-?\d+$/.test(literal)) {
      if (literal.length < 16) return this.builder.integer(Number(literal) + 0)
      const value = BigInt(literal)
      if (value >= -MAXIMUM - 1n && value <= MAXIMUM) return this.builder.integer(value)
      if (value > 0n && value < 1n << 64n) throw new JsonError('value', `unsigned json number ${literal} outside of Nix integer range`)
    }
    const value = Number(literal)
    if (!Number.isFinite(value)) throw new JsonError('syntax', `[json.exception.out_of_range.406] number overflow parsing '${literal}'`)
    return this.builder.float(value)
  }

  private next(): Token {
    const { text } = this
    let at = this.at
    let code = text.charCodeAt(at)
    while (code === 32 || code === 10 || code === 13 || code === 9) code = text.charCodeAt(++at)
    this.start = at
    this.at = at + 1
    switch (code) {
      case 91: return "'['"
      case 93: return "']'"
      case 123: return "'{'"
      case 125: return "'}'"
      case 58: return "':'"
      case 44: return "','"
      case 34:
        this.quotedFrom = at
        return this.string()
      case 116: return this.literal('true', 'true literal')
      case 102: return this.literal('false', 'false literal')
      case 110: return this.literal('null', 'null literal')
      default:
        if (at >= text.length || code === 0) return 'end of input'
        if (code === 45 || (code >= 48 && code <= 57)) {
          this.quotedFrom = at
          return this.numeral()
        }
        return this.bad('invalid literal')
    }
  }

  private literal(word: string, token: Token): Token {
    for (let index = 1; index < word.length; index++) {
      this.at++
      if (this.text[this.at - 1] !== word[index]) this.bad('invalid literal')
    }
    return token
  }

  private digits(): boolean {
    const from = this.at
    while (isDigit(this.text.charCodeAt(this.at))) this.at++
    return this.at > from
  }

  private numeral(): Token {
    const { text } = this
    this.at = this.start
    if (text[this.at] === '-') this.at++
    if (text[this.at] === '0') this.at++
    else if (!this.digits()) this.badNext("invalid number; expected digit after '-'")
    if (text[this.at] === '.') {
      this.at++
      if (!this.digits()) this.badNext("invalid number; expected digit after '.'")
    }
    if (text[this.at] === 'e' || text[this.at] === 'E') {
      this.at++
      const signed = text[this.at] === '+' || text[this.at] === '-'
      if (signed) this.at++
      if (!this.digits()) this.badNext(signed ? 'invalid number; expected digit after exponent sign' : "invalid number; expected '+', '-', or digit after exponent")
    }
    return 'number literal'
  }

  private string(): Token {
    const { text } = this
    let result = ''
    let from = this.at
    for (;;) {
      const code = text.charCodeAt(this.at)
      if (code === 34) {
        this.stringValue = result + text.slice(from, this.at)
        this.at++
        return 'string literal'
      }
      if (code === 92) {
        result += text.slice(from, this.at)
        this.at++
        result += this.escape()
        from = this.at
      } else if (code >= 32 && code < 128) this.at++
      else if (this.at >= text.length) this.badNext('invalid string: missing closing quote')
      else if (code < 32) this.badNext(`invalid string: control character ${controlName(code)}`)
      else {
        const length = sequenceLength(text, this.at)
        if (length <= 0) this.badNext('invalid string: ill-formed UTF-8 byte')
        this.at += length
      }
    }
  }

  private escape(): string {
    const code = this.text[this.at]
    const simple = code === undefined ? undefined : SIMPLE_ESCAPES[code]
    if (simple !== undefined) {
      this.at++
      return simple
    }
    if (code !== 'u') return this.badNext('invalid string: forbidden character after backslash')
    const first = this.hexadecimal()
    if (first >= 0xdc00 && first <= 0xdfff) return this.bad('invalid string: surrogate U+DC00..U+DFFF must follow U+D800..U+DBFF')
    if (first < 0xd800 || first > 0xdbff) return encodeCodePoint(first)
    const needed = 'invalid string: surrogate U+D800..U+DBFF must be followed by U+DC00..U+DFFF'
    for (const expected of ['\\', 'u']) {
      if (this.text[this.at] !== expected) return this.badNext(needed)
      if (expected === '\\') this.at++
    }
    const second = this.hexadecimal()
    if (second < 0xdc00 || second > 0xdfff) return this.bad(needed)
    return encodeCodePoint(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00))
  }

  /** At `u`: four digits. */
  private hexadecimal(): number {
    let value = 0
    for (let index = 0; index < 4; index++) {
      this.at++
      const digit = parseInt(this.text[this.at] ?? '', 16)
      if (Number.isNaN(digit)) this.badNext("invalid string: '\\u' must be followed by 4 hex digits")
      value = value * 16 + digit
    }
    this.at++
    return value
  }

  /** As `bad`, when the byte at fault was not yet passed. */
  private badNext(message: string): never {
    this.at = Math.min(this.at + 1, this.text.length + 1)
    return this.bad(message)
  }

  private bad(message: string): never {
    const read = this.text.slice(this.quotedFrom, this.at).replace(/[\0-\x1f]/g, (byte) => `<U+${byte.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}>`)
    return this.fail(`syntax error while parsing ${this.context} - ${message}; last read: '${read}'${this.expectedAfterBad()}`)
  }

  private expectedAfterBad(): string {
    switch (this.context) {
      case 'array': return "; expected ']'"
      case 'object': return "; expected '}'"
      case 'object key': return '; expected string literal'
      case 'object separator': return "; expected ':'"
      default: return this.finished ? '; expected end of input' : ''
    }
  }

  private unexpected(token: Token, expected: string): never {
    return this.fail(`syntax error while parsing ${this.context} - unexpected ${token}; expected ${expected}`)
  }

  private fail(message: string): never {
    const read = this.text.slice(0, this.at)
    const line = read.split('\n').length
    const column = this.at - (read.lastIndexOf('\n') + 1)
    throw new JsonError('syntax', `[json.exception.parse_error.101] parse error at line ${line}, column ${column}: ${message}`)
  }
}

const SIMPLE_ESCAPES: Readonly<Record<string, string | undefined>> = { '"': '"', '\\': '\\', '/': '/', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' }
const CONTROL_NAMES = [
  'NUL', 'SOH', 'STX', 'ETX', 'EOT', 'ENQ', 'ACK', 'BEL', 'BS', 'HT', 'LF', 'VT', 'FF', 'CR', 'SO', 'SI', 'DLE', 'DC1', 'DC2', 'DC3', 'DC4', 'NAK',
  'SYN', 'ETB', 'CAN', 'EM', 'SUB', 'ESC', 'FS', 'GS', 'RS', 'US',
]
const SHORT_ESCAPES: Readonly<Record<number, string | undefined>> = { 8: '\\b', 9: '\\t', 10: '\\n', 12: '\\f', 13: '\\r' }

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57
}

function unicodeEscape(code: number): string {
  return `\\u${code.toString(16).padStart(4, '0')}`
}

function controlName(code: number): string {
  const number = code.toString(16).toUpperCase().padStart(4, '0')
  const short = SHORT_ESCAPES[code]
  const escape = `\\u${number}`
  return `U+${number} (${CONTROL_NAMES[code]!}) must be escaped to ${short === undefined ? escape : `${escape} or ${short}`}`
}

/** A string as JSON. Throws JsonError where it isn't UTF-8. */
export function printJsonString(text: string): string {
  if (/^[ !#-[\]-\x7f]*$/.test(text)) return `"${text}"`
  checkEncoding(text)
  return `"${text.replace(/["\\\x00-\x1f]/g, escaped)}"`
}

function escaped(character: string): string {
  const code = character.charCodeAt(0)
  if (code === 34 || code === 92) return `\\${character}`
  return SHORT_ESCAPES[code] ?? unicodeEscape(code)
}

function checkEncoding(text: string): void {
  for (let at = 0; at < text.length;) {
    if (text.charCodeAt(at) < 128) {
      at++
      continue
    }
    const length = sequenceLength(text, at)
    if (length <= 0) throw new JsonError('encoding', encodingMessage(text, at))
    at += length
  }
}

function encodingMessage(text: string, at: number): string {
  const hex = (index: number): string => text.charCodeAt(index).toString(16).toUpperCase().padStart(2, '0')
  if (sequenceLength(text, at) < 0) return `[json.exception.type_error.316] incomplete UTF-8 string; last byte: 0x${hex(text.length - 1)}`
  // the first byte that can't go on the sequence is at fault
  let index = at
  while (index < text.length && sequenceLength(text.slice(0, index + 1), at) < 0) index++
  return `[json.exception.type_error.316] invalid UTF-8 byte at index ${index}: 0x${hex(index)}`
}

/** A float as JSON: shortest digits that read back equal, always with a point or an exponent. */
export function formatJsonFloat(value: number): string {
  if (!Number.isFinite(value)) return 'null'
  if (value === 0) return Object.is(value, -0) ? '-0.0' : '0.0'
  const sign = value < 0 ? '-' : ''
  const { digits, exponent: scale } = grisu2(Math.abs(value))
  /** Place of the point, counted from the digits' start. */
  const point = digits.length + scale
  if (digits.length <= point && point <= 15) return `${sign}${digits.padEnd(point, '0')}.0`
  if (point > 0 && point <= 15) return `${sign}${digits.slice(0, point)}.${digits.slice(point)}`
  if (point > -4 && point <= 0) return `${sign}0.${'0'.repeat(-point)}${digits}`
  const exponent = point - 1
  const fraction = digits.length > 1 ? `.${digits.slice(1)}` : ''
  return `${sign}${digits[0]!}${fraction}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`
}
