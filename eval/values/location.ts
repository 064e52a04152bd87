/** Ring: eval. Where something stands in a source; line and column are computed only when shown. */
import { depend, newObservation, tracker } from '../runtime/dependencies.ts'
import type { SourceFile } from '../syntax/ast.ts'
import { lineAndColumn, type LineAndColumn } from '../syntax/position.ts'

export class Location {
  readonly source: SourceFile
  /** In bytes of the text that was parsed. */
  readonly offset: number
  constructor(source: SourceFile, offset: number) {
    this.source = source
    this.offset = offset
  }

  /** Line and column, and the text that they are of: the newest, if the file was edited around it. Whoever asks depends on them. */
  get place(): LineAndColumn & { readonly text: string } {
    const { source: { text, standing }, offset } = this
    if (standing === undefined) return { text, ...lineAndColumn(text, offset) }
    if (tracker.on) depend(standing.observation ??= newObservation())
    return { text: standing.text, ...lineAndColumn(standing.text, standing.positions?.get(offset) ?? offset) }
  }
}
