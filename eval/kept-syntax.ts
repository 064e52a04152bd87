/**
 * Ring: eval. The syntax of a file that is kept though the file was edited, because the edit left it the same, or all but parts that can be
 * exchanged: what was compiled from it and the values that came of it stay, and its places are looked up where they are now.
 * docs/design/resident-evaluation.md says why.
 */
import { markChanged } from './runtime/dependencies.ts'
import type { ParsedFile, Position, SourceFile } from './syntax/ast.ts'
import { lineAndColumn } from './syntax/position.ts'
import { matchSyntax } from './syntax/same.ts'
import { standingAlone, type Segment } from './syntax/segments.ts'

/** Whether `kept` can be what `edited` is; it is from then on, else nothing changes. */
export function keepSyntax(kept: ParsedFile, edited: ParsedFile): boolean {
  const segments: [Segment, Segment][] = []
  const positions = matchSyntax(kept.expression, edited.expression, segments)
  if (positions === undefined) return false
  const { source } = edited
  stand(kept.source, source.text, positions)
  for (const [segment, { expression }] of segments) {
    const inside = matchSyntax(segment.expression, expression)
    if (inside === undefined) exchange(segment, { expression, source: standingAlone(source), observation: undefined })
    else stand(segment.source, source.text, inside)
  }
  return true
}

/** Whoever ran the segment depends on its observation, and nobody else has anything that came of it. */
function exchange(segment: Segment, other: Segment): void {
  if (segment.observation !== undefined) markChanged(segment.observation)
  Object.assign(segment, other)
}

/** The parts of a source stand in another text from now on. */
function stand({ standing }: SourceFile, text: string, positions: ReadonlyMap<Position, Position>): void {
  if (standing === undefined) return
  if (standing.observation !== undefined && hasMoved()) {
    markChanged(standing.observation)
    standing.observation = undefined
  }
  standing.text = text
  standing.positions = positions

  function hasMoved(): boolean {
    for (const [first, now] of positions) {
      const before = lineAndColumn(standing!.text, standing!.positions?.get(first) ?? first)
      const after = lineAndColumn(text, now)
      if (before.line !== after.line || before.column !== after.column) return true
    }
    return false
  }
}
