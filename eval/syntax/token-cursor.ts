/**
 * Ring: eval. Where a parser is in the tokens of a file, and how it complains there. When it fails it asks diagnose.ts for the
 * message: only that file knows what Nix's parser would have expected.
 */
import type { Position, SourceFile } from './ast.ts'
import { syntaxErrorOf } from './diagnose.ts'
import { ParseError } from './errors.ts'
import { internName } from './names.ts'
import type { Tokens } from './token-buffer.ts'
import type { ParseOptions } from './options.ts'
import { lineAndColumn, originName } from './position.ts'

export class TokenCursor {
  protected readonly source: SourceFile
  protected readonly text: string
  protected readonly options: ParseOptions
  protected readonly tokens: Tokens
  protected readonly kinds: Uint8Array
  protected readonly starts: Int32Array
  protected readonly ends: Int32Array
  protected at = 0

  constructor(source: SourceFile, tokens: Tokens, options: ParseOptions) {
    this.source = source
    this.text = source.text
    this.options = options
    this.tokens = tokens
    this.kinds = tokens.kinds
    this.starts = tokens.starts
    this.ends = tokens.ends
  }

  position(): Position {
    return this.starts[this.at]!
  }

  protected kind(): number {
    return this.kinds[this.at]!
  }

  protected lexeme(at = this.at): string {
    return this.text.slice(this.starts[at], this.ends[at])
  }

  protected expect(kind: number): void {
    if (this.kinds[this.at] !== kind) this.unexpected()
    this.at++
  }

  protected unexpected(): never {
    const { message, position } = syntaxErrorOf(this.tokens, this.at)
    throw new ParseError(message, this.source, position)
  }

  protected fail(message: string, position: Position | undefined): never {
    throw new ParseError(message, this.source, position)
  }

  protected duplicate = (path: string, position: Position, previous: Position): never => {
    const { line, column } = lineAndColumn(this.text, previous)
    return this.fail(`attribute '${path}' already defined at ${originName(this.source)}:${line}:${column}`, position)
  }

  protected name(at = this.at): string {
    return internName(this.lexeme(at))
  }

  protected rejectNull(value: string): void {
    if (!value.includes('\0')) return
    this.fail(`input string '${value.replaceAll('\0', '\u00e2\u0090\u0080')}' cannot be represented as Nix string because it contains null bytes`, this.position())
  }

  protected lint(name: keyof NonNullable<ParseOptions['lints']>, message: (fatal: boolean) => string, position: Position): void {
    const level = this.options.lints?.[name] ?? 'ignore'
    if (level === 'ignore') return
    const setting = { urlLiterals: 'lint-url-literals', absolutePathLiterals: 'lint-absolute-path-literals', shortPathLiterals: 'lint-short-path-literals' }[name]
    const text = `${message(level === 'fatal')} (${setting})`
    if (level === 'fatal') this.fail(text, position)
    this.options.warn?.(text, position)
  }
}
