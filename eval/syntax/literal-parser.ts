/**
 * Ring: eval. The parts of the syntax that hold text: strings of both kinds, paths, and the interpolations in them.
 * Upstream counterpart: `string_parts` and `path_start` of src/libexpr/parser.y.
 */
import type { Expression, Position } from './ast.ts'
import { canonicalPath } from './paths.ts'
import { indentedPart, stripIndentation, unescape, type IndentedPart } from './strings.ts'
import { TokenCursor } from './token-cursor.ts'
import * as T from './tokens.ts'

export abstract class LiteralParser extends TokenCursor {
  /** Whatever an interpolation may hold. */
  protected abstract expression(): Expression

  /** A `"` string. */
  protected quoted(): Expression {
    const start = this.position()
    this.at++
    if (this.kind() === T.QUOTE) {
      this.at++
      return { kind: 'string', position: start, value: '' }
    }
    if (this.kind() === T.STRING && this.kinds[this.at + 1] === T.QUOTE) {
      const value = this.stringPiece()
      this.at++
      return { kind: 'string', position: start, value }
    }
    const position = this.position()
    const { parts, partPositions } = this.parts(T.QUOTE)
    return { kind: 'interpolation', position, parts, partPositions }
  }

  /** Texts and interpolations up to and including the token `close`. */
  protected parts(close: number): { parts: Expression[]; partPositions: Position[] } {
    const parts: Expression[] = []
    const partPositions: Position[] = []
    while (this.kind() !== close) {
      const position = this.position()
      partPositions.push(position)
      if (this.kind() === T.STRING) {
        parts.push({ kind: 'string', position, value: close === T.QUOTE ? this.stringPiece() : this.lexeme() })
        if (close !== T.QUOTE) this.at++
      } else parts.push(this.interpolated())
    }
    this.at++
    return { parts, partPositions }
  }

  /** `${ expr }` */
  protected interpolated(): Expression {
    this.expect(T.INTERPOLATION)
    const expression = this.expression()
    this.expect(T.BRACE_CLOSE)
    return expression
  }

  protected stringPiece(): string {
    const value = unescape(this.lexeme())
    this.rejectNull(value)
    this.at++
    return value
  }

  /** A `''` string. */
  protected indented(): Expression {
    const position = this.position()
    this.at++
    const parts: IndentedPart[] = []
    while (this.kind() !== T.INDENTED_CLOSE) {
      const partPosition = this.position()
      if (this.kind() === T.INDENTED_STRING) {
        const part = indentedPart(this.lexeme(), partPosition)
        if (part.kind === 'text') this.rejectNull(part.text)
        parts.push(part)
        this.at++
      } else parts.push({ kind: 'expression', position: partPosition, expression: this.interpolated() })
    }
    this.at++
    const stripped = stripIndentation(parts)
    if (stripped.length === 0) return { kind: 'string', position, value: '' }
    if (stripped.length === 1 && stripped[0]!.expression.kind === 'string') return stripped[0]!.expression
    return { kind: 'interpolation', position, parts: stripped.map((part) => part.expression), partPositions: stripped.map((part) => part.position) }
  }

  protected path(): Expression {
    const position = this.position()
    const literal = this.lexeme()
    const value = this.kind() === T.HOME_PATH ? this.homePath(literal, position) : this.plainPath(literal, position)
    this.at++
    if (this.kind() === T.PATH_END) {
      this.at++
      return { kind: 'path', position, value }
    }
    // `a//b`: a piece of text is allowed only where an interpolation follows
    if (this.kind() === T.STRING && this.kinds[this.at + 1] !== T.INTERPOLATION) {
      this.at++
      this.unexpected()
    }
    const { parts, partPositions } = this.parts(T.PATH_END)
    return { kind: 'path-interpolation', position, parts: [{ kind: 'path', position, value }, ...parts], partPositions: [position, ...partPositions] }
  }

  protected plainPath(literal: string, position: Position): string {
    const absolute = literal.startsWith('/')
    if (absolute) this.lint('absolutePathLiterals', () => `absolute path literals are not portable. Consider replacing path literal '${literal}' by a string, relative path, or parameter`, position)
    else if (!literal.startsWith('.')) this.lint('shortPathLiterals', () => `relative path literal '${literal}' should be prefixed with '.' for clarity: './${literal}'`, position)
    const path = canonicalPath(absolute ? literal : `${this.options.basePath}/${literal}`)
    // the slash before an interpolation is kept
    return literal.length > 1 && literal.endsWith('/') ? `${path}/` : path
  }

  protected homePath(literal: string, position: Position): string {
    if (this.options.pure === true) this.fail(`the path '${literal}' can not be resolved in pure mode`, undefined)
    this.lint('absolutePathLiterals', () => `home path literals are not portable. Consider replacing path literal '${literal}' by a string, relative path, or parameter`, position)
    if (this.options.homePath === undefined) this.fail(`the path '${literal}' can not be resolved without a home folder`, position)
    const path = canonicalPath(this.options.homePath + literal.slice(1))
    return literal.endsWith('/') ? `${path}/` : path
  }
}
