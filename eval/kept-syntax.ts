/**
 * Ring: eval. The syntax of a file that is kept though the file was edited, because the edit left it the same: what was compiled from it and
 * the values that came of it stay, and its places are looked up where they are now. docs/design/resident-evaluation.md says why.
 */
import { markChanged } from './runtime/dependencies.ts'
import type { ParsedFile } from './syntax/ast.ts'
import { lineAndColumn } from './syntax/position.ts'
import { matchSyntax } from './syntax/same.ts'

/** Whether `edited` is the same syntax as `kept`, which stands where `edited` does from now on; else nothing changes. */
export function keepSyntax(kept: ParsedFile, edited: ParsedFile): boolean {
  const { standing } = kept.source
  if (standing === undefined) return false
  const positions = matchSyntax(kept.expression, edited.expression)
  if (positions === undefined) return false
  const { text } = edited.source
  if (standing.observation !== undefined && hasMoved()) {
    markChanged(standing.observation)
    standing.observation = undefined
  }
  standing.text = text
  standing.positions = positions
  return true

  function hasMoved(): boolean {
    for (const [first, now] of positions!) {
      const before = lineAndColumn(standing!.text, standing!.positions?.get(first) ?? first)
      const after = lineAndColumn(text, now)
      if (before.line !== after.line || before.column !== after.column) return true
    }
    return false
  }
}
