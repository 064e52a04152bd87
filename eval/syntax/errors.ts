/** Errors of reading an expression's text. Messages are Nix's own, without `error: ` in front. */
import type { Position, SourceFile } from './ast.ts'

/** The text does not parse. `position` is a byte offset into `source.text`; undefined where Nix gives none either. */
export class ParseError extends Error {
  readonly kind = 'parse'
  readonly source: SourceFile
  readonly position: Position | undefined

  constructor(message: string, source: SourceFile, position: Position | undefined) {
    super(message)
    this.name = 'ParseError'
    this.source = source
    this.position = position
  }
}
