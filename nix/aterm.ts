/**
 * Ring: nix. The tokens of the ATerm subset that derivations are written in. Upstream: libstore/derivation/aterm.cc.
 * Strings are cut out of the text with `indexOf`, and only those with a backslash are rebuilt: a farm parses tens of
 * thousands of derivations, and most strings have none.
 */
import { FormatError } from './errors.ts'

/** Nested dynamic inputs beyond this are not something that Nix wrote. */
const DEPTH_LIMIT = 256
const UNESCAPED: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t' }
const ESCAPED: Readonly<Record<string, string>> = { '"': '\\"', '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' }

export class AtermReader {
  readonly #text: string
  #position = 0
  #depth = 0

  constructor(text: string) {
    this.#text = text
  }

  error(message: string): FormatError {
    return new FormatError(`error parsing derivation: ${message}`, { position: this.#position })
  }

  /** Takes the token if it is next. */
  takeIf(token: string): boolean {
    if (!this.#text.startsWith(token, this.#position)) return false
    this.#position += token.length
    return true
  }

  take(token: string): void {
    if (!this.takeIf(token)) throw this.error(`expected '${token}'`)
  }

  /** A quoted string. */
  string(): string {
    this.take('"')
    const start = this.#position
    let end = this.#text.indexOf('"', start)
    while (end !== -1 && this.#escaped(start, end)) end = this.#text.indexOf('"', end + 1)
    if (end === -1) throw this.error('unterminated string')
    this.#position = end + 1
    const raw = this.#text.slice(start, end)
    return raw.includes('\\') ? raw.replace(/\\([^])/g, (_, character: string) => UNESCAPED[character] ?? character) : raw
  }

  /** Whether an odd number of backslashes stands before `position`. */
  #escaped(start: number, position: number): boolean {
    let before = position
    while (before > start && this.#text.charCodeAt(before - 1) === 92) before--
    return (position - before) % 2 === 1
  }

  /** `[…,…]`; `item` reads one. */
  list(item: () => void): void {
    this.take('[')
    if (this.takeIf(']')) return
    do item(); while (this.takeIf(','))
    this.take(']')
  }

  /** A list of quoted strings. */
  strings(): string[] {
    const strings: string[] = []
    this.list(() => { strings.push(this.string()) })
    return strings
  }

  nested<Value>(read: () => Value): Value {
    if (++this.#depth > DEPTH_LIMIT) throw this.error('nested too deeply')
    const value = read()
    this.#depth--
    return value
  }

  end(): void {
    if (this.#position !== this.#text.length) throw this.error('something follows the end')
  }
}

/** A string as a derivation holds it. */
export function quote(text: string): string {
  return `"${/["\\\n\r\t]/.test(text) ? text.replace(/["\\\n\r\t]/g, (character) => ESCAPED[character]!) : text}"`
}
