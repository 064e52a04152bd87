/** Ring: eval. Where something stands in a source; line and column are computed only when shown. */
import type { SourceFile } from '../syntax/ast.ts'

export class Location {
  readonly source: SourceFile
  /** In bytes. */
  readonly offset: number
  constructor(source: SourceFile, offset: number) {
    this.source = source
    this.offset = offset
  }
}
