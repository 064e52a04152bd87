/** Lines and columns from byte offsets, computed only when a message needs them. Upstream counterpart: Nix's pos-table. */
import type { Position, SourceFile } from './ast.ts'

export interface LineAndColumn {
  /** Both count from 1; columns count bytes, as Nix does. */
  readonly line: number
  readonly column: number
}

/** Texts whose line starts were computed last: positions are asked for in bursts (traces, `unsafeGetAttrPos` in meta checks). */
const recent = new Map<string, Int32Array>()
const RECENT = 64

/** Line and column of a byte offset. A line ends with LF, CR or CR LF. */
export function lineAndColumn(text: string, offset: Position): LineAndColumn {
  const starts = lineStarts(text)
  let low = 0
  let high = starts.length - 1
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if (starts[middle]! <= offset) low = middle
    else high = middle - 1
  }
  return { line: low + 1, column: offset - starts[low]! + 1 }
}

/** The text of a line (counting from 1), without its end; undefined where there is no such line. */
export function lineText(text: string, line: number): string | undefined {
  const starts = lineStarts(text)
  const start = starts[line - 1]
  if (start === undefined) return undefined
  let end = start
  while (end < text.length) {
    const code = text.charCodeAt(end)
    if (code === 10 || code === 13) break
    end++
  }
  return text.slice(start, end)
}

/** How a source is named in messages. */
export function originName(source: SourceFile): string {
  switch (source.origin.kind) {
    case 'file': return source.origin.path
    // UTF-8 bytes of « and »
    case 'string': return '\u00c2\u00abstring\u00c2\u00bb'
    case 'stdin': return '\u00c2\u00abstdin\u00c2\u00bb'
  }
}

function lineStarts(text: string): Int32Array {
  const known = recent.get(text)
  if (known !== undefined) return known
  const starts = [0]
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === 13 && text.charCodeAt(at + 1) === 10) at++
    else if (code !== 10 && code !== 13) continue
    starts.push(at + 1)
  }
  const result = Int32Array.from(starts)
  if (recent.size >= RECENT) recent.delete(recent.keys().next().value!)
  recent.set(text, result)
  return result
}
