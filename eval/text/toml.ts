/**
 * Ring: eval. TOML 1.0 for `builtins.fromTOML`. Our own reader, because the libraries at hand read TOML 1.1 (stock Nix refuses
 * what is new there), lose the digits of timestamps and want text, not bytes. Upstream counterpart: toml11 and
 * src/libexpr/primops/fromTOML.cc.
 */
import { nullByteMessage, type ValueBuilder } from './builder.ts'
import { encodeCodePoint, sequenceLength } from './utf8.ts'

export class TomlError extends Error {
  readonly kind = 'toml'

  constructor(message: string) {
    super(message)
    this.name = 'TomlError'
  }
}

export interface TomlOptions {
  /** Timestamps become `{ _type = "timestamp"; value = "…"; }` instead of an error. */
  readonly timestamps?: boolean
}

/** Reads a document. Throws TomlError. */
export function parseToml<T>(text: string, builder: ValueBuilder<T>, options: TomlOptions = {}): T {
  const root = new TomlReader(text).run()
  return build(root, builder, options)
}

type Item =
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'integer'; readonly value: bigint }
  | { readonly kind: 'float'; readonly value: number }
  | { readonly kind: 'boolean'; readonly value: boolean }
  | { readonly kind: 'timestamp'; readonly value: string }
  | { readonly kind: 'array'; readonly items: Item[]; /** made by `[[…]]`, so more may be added */ readonly ofTables: boolean }
  | Table

interface Table {
  readonly kind: 'table'
  readonly entries: Map<string, Item>
  /** Who may still add to it: `header` was named only on the way to another, `dotted` grows by dotted keys, `closed` nobody. */
  state: 'implicit' | 'defined' | 'dotted' | 'closed'
}

function build<T>(item: Item, builder: ValueBuilder<T>, options: TomlOptions): T {
  switch (item.kind) {
    case 'string': return builder.string(checked(item.value))
    case 'integer': return builder.integer(item.value)
    case 'float': return builder.float(item.value)
    case 'boolean': return builder.boolean(item.value)
    case 'timestamp':
      if (options.timestamps !== true) throw new TomlError('Dates and times are not supported')
      return builder.attributes(new Map([['_type', builder.string('timestamp')], ['value', builder.string(item.value)]]))
    case 'array': return builder.list(item.items.map((inner) => build(inner, builder, options)))
    case 'table': {
      const entries = new Map<string, T>()
      for (const [name, inner] of item.entries) entries.set(checked(name), build(inner, builder, options))
      return builder.attributes(entries)
    }
  }
}

function checked(text: string): string {
  const message = nullByteMessage(text)
  if (message !== undefined) throw new TomlError(`error: ${message}`)
  return text
}

function newTable(state: Table['state']): Table {
  return { kind: 'table', entries: new Map(), state }
}

const BARE_KEY = /[A-Za-z0-9_-]+/y
const SCALAR = /[A-Za-z0-9_+\-.:]+/y
const DATE = '[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])'
const TIME = '(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\\.[0-9]+)?'
const TIMESTAMP = new RegExp(`^(?:(${DATE})(?:[Tt ](${TIME})([Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])?)?|(${TIME}))$`)
const MAXIMUM = 0x7fffffffffffffffn

class TomlReader {
  private readonly text: string
  private at = 0
  private readonly root = newTable('defined')
  private current = this.root

  constructor(text: string) {
    this.text = text
    if (text.startsWith('\u00ef\u00bb\u00bf')) this.at = 3
  }

  run(): Table {
    for (let at = 0; at < this.text.length;) {
      const length = sequenceLength(this.text, at)
      if (length <= 0) this.fail('invalid UTF-8', at)
      at += length
    }
    for (;;) {
      this.blank()
      const character = this.text[this.at]
      if (character === undefined) return this.root
      if (character === '[') this.header()
      else {
        this.keyValue(this.current)
        this.lineEnd()
      }
    }
  }

  private fail(message: string, at = this.at): never {
    const before = this.text.slice(0, at)
    const line = before.split('\n').length
    const start = before.lastIndexOf('\n') + 1
    const end = this.text.indexOf('\n', at)
    const shown = this.text.slice(start, end < 0 ? undefined : end)
    const margin = ' '.repeat(String(line).length)
    throw new TomlError(`[error] ${message}\n ${margin}--> fromTOML\n ${margin} |\n ${line} | ${shown}\n ${margin} | ${' '.repeat(at - start)}^-- here\n`)
  }

  private spaces(): void {
    while (this.text[this.at] === ' ' || this.text[this.at] === '\t') this.at++
  }

  /** Spaces, comments and line ends. */
  private blank(): void {
    for (;;) {
      this.spaces()
      if (this.text[this.at] === '#') this.comment()
      if (!this.newline()) return
    }
  }

  private newline(): boolean {
    if (this.text[this.at] === '\n') this.at++
    else if (this.text.startsWith('\r\n', this.at)) this.at += 2
    else return false
    return true
  }

  private comment(): void {
    while (this.at < this.text.length && this.text[this.at] !== '\n') {
      const code = this.text.charCodeAt(this.at)
      if ((code < 32 && code !== 9 && !this.text.startsWith('\r\n', this.at)) || code === 127) this.fail('a control character in a comment')
      if (code === 13) return
      this.at++
    }
  }

  private lineEnd(): void {
    this.spaces()
    if (this.text[this.at] === '#') this.comment()
    if (this.at < this.text.length && !this.newline()) this.fail('expected the end of the line')
  }

  private expect(text: string): void {
    if (!this.text.startsWith(text, this.at)) this.fail(`expected '${text}'`)
    this.at += text.length
  }

  /** `[a.b]` or `[[a.b]]` */
  private header(): void {
    const start = this.at
    this.at++
    const many = this.text[this.at] === '['
    if (many) this.at++
    this.spaces()
    const path = this.key()
    this.spaces()
    this.expect(many ? ']]' : ']')
    this.lineEnd()
    let table = this.root
    for (const name of path.slice(0, -1)) {
      const known = table.entries.get(name)
      if (known === undefined) {
        const made = newTable('implicit')
        table.entries.set(name, made)
        table = made
      } else if (known.kind === 'table' && known.state !== 'closed') table = known
      else if (known.kind === 'array' && known.ofTables) table = known.items.at(-1) as Table
      else this.fail(`'${name}' is no table`, start)
    }
    const last = path.at(-1)!
    const known = table.entries.get(last)
    if (many) {
      const made = newTable('defined')
      if (known === undefined) table.entries.set(last, { kind: 'array', items: [made], ofTables: true })
      else if (known.kind === 'array' && known.ofTables) known.items.push(made)
      else this.fail(`'${last}' is no array of tables`, start)
      this.current = made
    } else if (known === undefined) {
      this.current = newTable('defined')
      table.entries.set(last, this.current)
    } else if (known.kind === 'table' && known.state === 'implicit') {
      known.state = 'defined'
      this.current = known
    } else this.fail(`table '${last}' is defined twice`, start)
  }

  private keyValue(into: Table): void {
    const start = this.at
    const path = this.key()
    this.spaces()
    this.expect('=')
    this.spaces()
    let table = into
    for (const name of path.slice(0, -1)) {
      const known = table.entries.get(name)
      if (known === undefined) {
        const made = newTable('dotted')
        table.entries.set(name, made)
        table = made
      } else if (known.kind === 'table' && (known.state === 'dotted' || known.state === 'implicit')) table = known
      else this.fail(`'${name}' is defined already`, start)
    }
    const last = path.at(-1)!
    const value = this.value()
    if (table.entries.has(last)) this.fail(`'${last}' is defined twice`, start)
    table.entries.set(last, value)
  }

  private key(): string[] {
    const path = [this.simpleKey()]
    for (;;) {
      const before = this.at
      this.spaces()
      if (this.text[this.at] !== '.') {
        this.at = before
        return path
      }
      this.at++
      this.spaces()
      path.push(this.simpleKey())
    }
  }

  private simpleKey(): string {
    const character = this.text[this.at]
    if (character === '"') return this.basicString(false)
    if (character === "'") return this.literalString(false)
    BARE_KEY.lastIndex = this.at
    const bare = BARE_KEY.exec(this.text)
    if (bare === null) return this.fail('expected a key')
    this.at += bare[0].length
    return bare[0]
  }

  private value(): Item {
    switch (this.text[this.at]) {
      case '"': return { kind: 'string', value: this.basicString(true) }
      case "'": return { kind: 'string', value: this.literalString(true) }
      case '[': return this.array()
      case '{': return this.inlineTable()
      default: return this.scalar()
    }
  }

  private array(): Item {
    const items: Item[] = []
    this.at++
    for (;;) {
      this.blank()
      if (this.text[this.at] === ']') break
      items.push(this.value())
      this.blank()
      if (this.text[this.at] === ',') this.at++
      else if (this.text[this.at] !== ']') this.fail("expected ',' or ']'")
    }
    this.at++
    return { kind: 'array', items, ofTables: false }
  }

  private inlineTable(): Item {
    const table = newTable('defined')
    this.at++
    this.spaces()
    if (this.text[this.at] === '}') this.at++
    else {
      for (;;) {
        this.spaces()
        this.keyValue(table)
        this.spaces()
        if (this.text[this.at] === '}') break
        this.expect(',')
      }
      this.at++
    }
    close(table)
    return table
  }

  private scalar(): Item {
    const start = this.at
    SCALAR.lastIndex = start
    let literal = SCALAR.exec(this.text)?.[0]
    if (literal === undefined) return this.fail('expected a value')
    // a date and a time may be parted by a space
    if (/^[0-9]{4}-[0-9]{2}-[0-9]{2}$/.test(literal) && /^ [0-9]{2}:/.test(this.text.slice(start + 10, start + 14))) {
      SCALAR.lastIndex = start + 11
      literal += ` ${SCALAR.exec(this.text)?.[0] ?? ''}`
    }
    this.at += literal.length
    if (literal === 'true' || literal === 'false') return { kind: 'boolean', value: literal === 'true' }
    const timestamp = TIMESTAMP.exec(literal)
    if (timestamp !== null) return { kind: 'timestamp', value: this.timestamp(timestamp, start) }
    return this.number(literal, start)
  }

  private timestamp(found: RegExpExecArray, start: number): string {
    const [, date, time, zone, alone] = found
    if (date !== undefined) {
      const [year, month, day] = date.split('-').map(Number) as [number, number, number]
      if (new Date(Date.UTC(year, month - 1, day)).getUTCDate() !== day) this.fail('there is no such day', start)
    }
    const clock = time ?? alone
    const parts = [date, clock === undefined ? undefined : withPrecision(clock)].filter((part) => part !== undefined)
    return parts.join('T') + (zone === undefined ? '' : zone.toUpperCase())
  }

  private number(literal: string, start: number): Item {
    if (/^[+-]?(?:0|[1-9](?:_?[0-9])*)$/.test(literal)) return { kind: 'integer', value: this.integer(literal.replaceAll('_', ''), start) }
    const prefixed = /^0(?:x[0-9A-Fa-f](?:_?[0-9A-Fa-f])*|o[0-7](?:_?[0-7])*|b[01](?:_?[01])*)$/.test(literal)
    if (prefixed) return { kind: 'integer', value: this.integer(literal.replaceAll('_', ''), start) }
    if (/^[+-]?(?:inf|nan)$/.test(literal)) {
      const sign = literal.startsWith('-') ? -1 : 1
      return { kind: 'float', value: literal.endsWith('nan') ? NaN : sign * Infinity }
    }
    if (/^[+-]?(?:0|[1-9](?:_?[0-9])*)(?:\.[0-9](?:_?[0-9])*)?(?:[eE][+-]?[0-9](?:_?[0-9])*)?$/.test(literal)) {
      return { kind: 'float', value: Number(literal.replaceAll('_', '')) }
    }
    return this.fail(`'${literal}' is no value`, start)
  }

  private integer(literal: string, start: number): bigint {
    const negative = literal.startsWith('-')
    const magnitude = BigInt(literal.replace(/^[+-]/, ''))
    const value = negative ? -magnitude : magnitude
    if (value > MAXIMUM || value < -MAXIMUM - 1n) this.fail('toml::parse_dec_integer: too large integer: current max digits = 2^63', start)
    return value
  }

  private literalString(multiline: boolean): string {
    if (multiline && this.text.startsWith("'''", this.at)) return this.longString("'", (raw) => raw)
    const end = this.text.indexOf("'", this.at + 1)
    const value = end < 0 ? undefined : this.text.slice(this.at + 1, end)
    if (value === undefined || hasControls(value)) return this.fail('a string is not closed')
    this.at = end + 1
    return value
  }

  private basicString(multiline: boolean): string {
    if (multiline && this.text.startsWith('"""', this.at)) return this.longString('"', (raw, start) => this.unescape(raw, start, true))
    const start = this.at + 1
    let end = start
    while (this.text[end] !== '"') {
      if (end >= this.text.length || this.text[end] === '\n') this.fail('a string is not closed')
      end += this.text[end] === '\\' ? 2 : 1
    }
    this.at = end + 1
    return this.unescape(this.text.slice(start, end), start, false)
  }

  /** Between three quotes; up to two more may stand right before the end and belong to the string. */
  private longString(quote: string, decode: (raw: string, start: number) => string): string {
    let start = this.at + 3
    if (this.text[start] === '\n') start++
    else if (this.text.startsWith('\r\n', start)) start += 2
    const close = quote.repeat(3)
    let end = start
    while (!this.text.startsWith(close, end)) {
      if (end >= this.text.length) this.fail('a string is not closed')
      end += quote === '"' && this.text[end] === '\\' ? 2 : 1
    }
    for (let extra = 0; extra < 2 && this.text[end + 3] === quote; extra++) end++
    this.at = end + 3
    const raw = this.text.slice(start, end)
    if (hasControls(raw.replaceAll('\r\n', '').replaceAll('\n', ''))) this.fail('a control character in a string', start)
    return decode(raw, start)
  }

  private unescape(raw: string, start: number, multiline: boolean): string {
    if (!multiline && hasControls(raw)) this.fail('a control character in a string', start)
    if (!raw.includes('\\')) return raw
    return raw.replace(/\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|([ \t]*\r?\n[ \t\r\n]*)|([^]?))/g, (_whole, short: string | undefined, long: string | undefined, folded: string | undefined, plain: string | undefined, offset: number) => {
      const hexadecimal = short ?? long
      if (hexadecimal !== undefined) {
        const code = parseInt(hexadecimal, 16)
        if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) this.fail('no such character', start + offset)
        return encodeCodePoint(code)
      }
      if (folded !== undefined && multiline) return ''
      const value = plain === undefined ? undefined : ESCAPES[plain]
      return value ?? this.fail('unknown escape', start + offset)
    })
  }
}

const ESCAPES: Readonly<Record<string, string | undefined>> = { b: '\b', t: '\t', n: '\n', f: '\f', r: '\r', '"': '"', '\\': '\\' }

function hasControls(text: string): boolean {
  return /[\0-\x08\n-\x1f\x7f]/.test(text)
}

/** Inline tables can't be added to, nor can what is in them. */
function close(table: Table): void {
  table.state = 'closed'
  for (const item of table.entries.values()) if (item.kind === 'table' && item.state !== 'closed') close(item)
}

/** Fractions of a second are shown with three, six or nine digits. */
function withPrecision(time: string): string {
  const [clock, fraction] = time.split('.') as [string, string | undefined]
  const digits = (fraction ?? '').slice(0, 9).padEnd(9, '0')
  if (/^0*$/.test(digits)) return clock
  const shown = digits.endsWith('000000') ? 3 : digits.endsWith('000') ? 6 : 9
  return `${clock}.${digits.slice(0, shown)}`
}
