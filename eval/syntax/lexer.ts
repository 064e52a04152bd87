/**
 * Ring: eval. Cuts the text of an expression into tokens, all of them before parsing starts, so that the parser can look as
 * far ahead as it likes at no cost. Upstream counterpart: src/libexpr/lexer.l, whose rules (longest match, earlier rule
 * first, a stack of modes for strings and paths) are kept by hand-written scanning.
 *
 * Paths and URIs are what makes it delicate: `a.b-c/d` is one path, `x:x` a URI, `a//b` an operator. Whether a path begins
 * here is known only at the first character that can't be in one; `plainUntil` remembers that place, so that a chain of
 * selections is scanned once.
 */
import { CLASSES, DIGIT, LETTER, PATH_CHARACTER, SCHEME, SINGLE, SPACE, URI_CHARACTER, WORD, WORD_START } from './characters.ts'
import { TextLexer } from './text-lexer.ts'
import { BOTTOM, IN_INDENTED, IN_PATH, IN_PATH_AFTER_SLASH, IN_STRING, NORMAL, type Tokens } from './token-buffer.ts'
import * as T from './tokens.ts'

const KEYWORDS: ReadonlyMap<string, number> = new Map([
  ['if', T.IF], ['then', T.THEN], ['else', T.ELSE], ['assert', T.ASSERT], ['with', T.WITH], ['let', T.LET], ['in', T.IN],
  ['rec', T.REC], ['inherit', T.INHERIT], ['or', T.OR_WORD],
])

/** Tokens of `text` (a byte string). Never throws: the last token is END_OF_FILE or FAILURE. */
export function tokenize(text: string, options: { readonly pipeOperators: boolean }): Tokens {
  return new Lexer(text, options.pipeOperators).run()
}

class Lexer extends TextLexer {
  private readonly pipeOperators: boolean
  /** No path and no URI begins before this offset. */
  private plainUntil = 0

  constructor(text: string, pipeOperators: boolean) {
    super(text)
    this.pipeOperators = pipeOperators
  }

  run(): Tokens {
    let offset = 0
    while (offset >= 0) {
      const mode = this.modes[this.modes.length - 1]
      if (mode === IN_STRING) offset = this.string(offset)
      else if (mode === IN_INDENTED) offset = this.indented(offset)
      else if (mode === IN_PATH || mode === IN_PATH_AFTER_SLASH) offset = this.path(offset, mode)
      else offset = this.normal(offset)
    }
    return this.tokens()
  }

  /** Tokens outside of strings, until the mode changes or the text ends. */
  private normal(from: number): number {
    const { text, length } = this
    let offset = from
    for (;;) {
      if (offset >= length) return this.end()
      const code = text.charCodeAt(offset)
      const klass = CLASSES[code]!
      if (klass & SPACE) {
        offset++
        continue
      }
      if (code === 35 /* # */) {
        offset = this.lineComment(offset)
        continue
      }
      if (code === 47 /* / */ && text.charCodeAt(offset + 1) === 42 /* * */) {
        const close = text.indexOf('*/', offset + 2)
        if (close >= 0) {
          offset = close + 2
          continue
        }
      }
      if (klass & WORD_START) {
        let end = offset + 1
        while (end < length && CLASSES[text.charCodeAt(end)]! & WORD) end++
        if (end >= this.plainUntil) {
          const special = this.pathOrUri(offset, end)
          if (special !== 0) return special
        }
        offset = this.word(offset, end)
        continue
      }
      if (klass & PATH_CHARACTER || code === 47) {
        // digits, `.`, `-`, `+`, `/`
        if (offset >= this.plainUntil || code === 47) {
          const special = this.pathOrUri(offset, offset)
          if (special !== 0) return special
        }
        if (klass & DIGIT || code === 46) {
          const number = this.number(offset)
          if (number < 0) return number
          if (number > 0) {
            offset = number
            continue
          }
        }
      }
      switch (code) {
        case 34 /* " */:
          this.modes.push(IN_STRING)
          return this.emit(T.QUOTE, offset, offset + 1)
        case 39 /* ' */:
          if (text.charCodeAt(offset + 1) === 39) return this.openIndented(offset)
          offset = this.emit(T.INVALID, offset, offset + 1)
          continue
        case 123 /* { */:
          this.modes.push(NORMAL)
          offset = this.emit(T.BRACE_OPEN, offset, offset + 1)
          continue
        case 125 /* } */:
          offset = this.emit(T.BRACE_CLOSE, offset, offset + 1)
          if (this.modes.length > 1) {
            this.pop()
            const mode = this.modes[this.modes.length - 1]
            if (mode !== NORMAL && mode !== BOTTOM) return offset
          }
          continue
        case 36 /* $ */:
          if (text.charCodeAt(offset + 1) === 123) {
            this.modes.push(NORMAL)
            offset = this.emit(T.INTERPOLATION, offset, offset + 2)
          } else offset = this.emit(T.INVALID, offset, offset + 1)
          continue
        case 126 /* ~ */: {
          const special = this.homePath(offset)
          if (special !== 0) return special
          offset = this.emit(T.INVALID, offset, offset + 1)
          continue
        }
        case 0:
          return this.end(offset)
        default:
          offset = this.operator(offset, code)
          if (offset < 0) return offset
      }
    }
  }

  private lineComment(offset: number): number {
    const { text, length } = this
    let end = offset + 1
    while (end < length) {
      const code = text.charCodeAt(end)
      if (code === 10 || code === 13) break
      end++
    }
    return end
  }

  private word(start: number, end: number): number {
    if (end - start <= 7) {
      const keyword = KEYWORDS.get(this.text.slice(start, end))
      if (keyword !== undefined) return this.emit(keyword, start, end)
    }
    return this.emit(T.IDENTIFIER, start, end)
  }

  /**
   * Looks for a path or URI that begins at `start` and is longer than `wordEnd - start`. Returns 0 where there is none
   * (and remembers how far that holds), else where lexing goes on, after having entered the path's mode.
   */
  private pathOrUri(start: number, wordEnd: number): number {
    const { text, length } = this
    let end = start
    while (end < length && CLASSES[text.charCodeAt(end)]! & PATH_CHARACTER) end++
    const code = end < length ? text.charCodeAt(end) : 0
    if (code === 47 /* / */) {
      const next = text.charCodeAt(end + 1)
      if (end + 1 < length && CLASSES[next]! & PATH_CHARACTER) return this.emitPath(T.PATH, start, this.pathSegments(end))
      if (next === 36 && text.charCodeAt(end + 2) === 123 /* ${ */) return this.emitPath(T.PATH, start, end + 1)
    } else if (code === 58 /* : */ && end >= wordEnd && CLASSES[text.charCodeAt(start)]! & LETTER) {
      let scheme = start + 1
      while (CLASSES[text.charCodeAt(scheme)]! & SCHEME) scheme++
      if (scheme === end) {
        let uriEnd = end + 1
        while (uriEnd < length && CLASSES[text.charCodeAt(uriEnd)]! & URI_CHARACTER) uriEnd++
        if (uriEnd > end + 1) return this.emit(T.URI, start, uriEnd)
      }
      return 0
    }
    if (end > this.plainUntil && code !== 58) this.plainUntil = end
    return 0
  }

  private homePath(start: number): number {
    const { text } = this
    if (text.charCodeAt(start + 1) !== 47) return 0
    if (this.classAt(start + 2) & PATH_CHARACTER) return this.emitPath(T.HOME_PATH, start, this.pathSegments(start + 1))
    if (text.charCodeAt(start + 2) === 36 && text.charCodeAt(start + 3) === 123) return this.emitPath(T.HOME_PATH, start, start + 2)
    return 0
  }

  /** An integer or float at `start`, or `.`, which is no number: then 0. */
  private number(start: number): number {
    const { text } = this
    let end = start
    while (this.classAt(end) & DIGIT) end++
    const integerEnd = end
    const leadingZero = text.charCodeAt(start) === 48
    let isFloat = false
    if (text.charCodeAt(end) === 46) {
      const fraction = end + 1
      let fractionEnd = fraction
      while (this.classAt(fractionEnd) & DIGIT) fractionEnd++
      const digits = integerEnd - start
      // `12.`, `12.5`, `0.5`, `.5`; but `00.5` is `00` and `.5`
      if (digits > 0 && !leadingZero) isFloat = true
      else if (digits <= 1 && fractionEnd > fraction) isFloat = true
      if (isFloat) end = fractionEnd
    }
    if (!isFloat) {
      if (integerEnd === start) return 0
      const literal = text.slice(start, integerEnd)
      if (literal.length >= 19 && BigInt(literal) > 0x7fffffffffffffffn) {
        return this.fail(`invalid integer '${literal}'`, start, integerEnd)
      }
      return this.emit(T.INTEGER, start, integerEnd)
    }
    const letter = text.charCodeAt(end)
    if (letter === 69 || letter === 101) {
      let exponent = end + 1
      const sign = text.charCodeAt(exponent)
      if (sign === 43 || sign === 45) exponent++
      if (this.classAt(exponent) & DIGIT) {
        while (this.classAt(exponent) & DIGIT) exponent++
        end = exponent
      }
    }
    const literal = text.slice(start, end)
    if (outOfRange(literal)) return this.fail(`invalid float '${literal}'`, start, end)
    return this.emit(T.FLOAT, start, end)
  }

  private operator(start: number, code: number): number {
    const { text } = this
    const next = text.charCodeAt(start + 1)
    switch (code) {
      case 61 /* = */: return next === 61 ? this.emit(T.EQUAL, start, start + 2) : this.emit(T.ASSIGN, start, start + 1)
      case 33 /* ! */: return next === 61 ? this.emit(T.NOT_EQUAL, start, start + 2) : this.emit(T.NOT, start, start + 1)
      case 62 /* > */: return next === 61 ? this.emit(T.GREATER_OR_EQUAL, start, start + 2) : this.emit(T.GREATER, start, start + 1)
      case 38 /* & */: return next === 38 ? this.emit(T.AND, start, start + 2) : this.emit(T.INVALID, start, start + 1)
      case 45 /* - */: return next === 62 ? this.emit(T.IMPLIES, start, start + 2) : this.emit(T.MINUS, start, start + 1)
      case 47 /* / */: return next === 47 ? this.emit(T.UPDATE, start, start + 2) : this.emit(T.DIVIDE, start, start + 1)
      case 43 /* + */: return next === 43 ? this.emit(T.CONCATENATE, start, start + 2) : this.emit(T.PLUS, start, start + 1)
      case 46 /* . */: return next === 46 && text.charCodeAt(start + 2) === 46 ? this.emit(T.ELLIPSIS, start, start + 3) : this.emit(T.DOT, start, start + 1)
      case 60 /* < */: {
        const end = this.searchPathEnd(start)
        if (end > 0) return this.emit(T.SEARCH_PATH, start, end)
        if (next === 61) return this.emit(T.LESS_OR_EQUAL, start, start + 2)
        if (next === 124) return this.pipe(T.PIPE_FROM, start)
        return this.emit(T.LESS, start, start + 1)
      }
      case 124 /* | */:
        if (next === 124) return this.emit(T.OR, start, start + 2)
        if (next === 62) return this.pipe(T.PIPE_INTO, start)
        return this.emit(T.INVALID, start, start + 1)
      default:
        return this.emit(SINGLE[code]!, start, start + 1)
    }
  }

  private pipe(kind: number, start: number): number {
    if (this.pipeOperators) return this.emit(kind, start, start + 2)
    return this.fail("experimental Nix feature 'pipe-operators' is disabled; add '--extra-experimental-features pipe-operators' to enable it", start, start + 2)
  }

  private searchPathEnd(start: number): number {
    const { text } = this
    let end = start + 1
    for (;;) {
      const segment = end
      while (this.classAt(end) & PATH_CHARACTER) end++
      if (end === segment) return 0
      const code = text.charCodeAt(end)
      if (code === 62) return end + 1
      if (code !== 47) return 0
      end++
    }
  }
}

/** As strtod's ERANGE: too large, or not zero and too small for a normal number. */
function outOfRange(literal: string): boolean {
  const value = Number(literal)
  if (!Number.isFinite(value)) return true
  return Math.abs(value) < 2.2250738585072014e-308 && /[1-9]/.test(literal.replace(/[eE].*$/, ''))
}
