/**
 * Ring: eval. What string literals mean: escapes of `"` strings and the indentation of `''` strings.
 * Upstream counterpart: `unescapeStr` in lexer.l and `stripIndentation` in parser-state.hh.
 */
import type { Expression, Position } from './ast.ts'

/** A piece of a `''` string: an interpolated expression or text; only text as written (not escapes) takes part in indentation. */
export type IndentedPart =
  | { readonly kind: 'expression'; readonly position: Position; readonly expression: Expression }
  | { readonly kind: 'text'; readonly position: Position; readonly text: string; readonly plain: boolean }

/** The value of a piece of a `"` string: `\n`, `\r`, `\t`, any other escaped byte as itself, CR and CR LF as LF. */
export function unescape(raw: string): string {
  if (!raw.includes('\\') && !raw.includes('\r')) return raw
  return raw.replace(/\\([^])|\r\n?/g, (whole, escaped: string | undefined) => {
    if (escaped === undefined) return '\n'
    if (escaped === 'n') return '\n'
    if (escaped === 'r') return '\r'
    if (escaped === 't') return '\t'
    return whole.slice(1)
  })
}

/** A piece of a `''` string as the lexer cut it. The lexer's pieces are either plain or exactly one escape. */
export function indentedPart(raw: string, position: Position): IndentedPart {
  if (raw === '$' || raw === "'") return { kind: 'text', position, text: raw, plain: false }
  if (!raw.startsWith("''")) return { kind: 'text', position, text: raw, plain: true }
  const text = raw === "''$" ? '$' : raw === "'''" ? "''" : unescape(raw.slice(2))
  return { kind: 'text', position, text, plain: false }
}

export type StrippedPart = { readonly position: Position; readonly expression: Expression }

/** Takes the common indentation away. Returns the remaining parts, without empty texts. */
export function stripIndentation(parts: readonly IndentedPart[]): StrippedPart[] {
  const indentation = commonIndentation(parts)
  const result: StrippedPart[] = []
  let atLineStart = true
  let dropped = 0
  parts.forEach((part, index) => {
    if (part.kind === 'expression') {
      atLineStart = false
      dropped = 0
      result.push({ position: part.position, expression: part.expression })
      return
    }
    const source = part.text
    let text = ''
    let copied = 0
    // text is copied in runs: from `copied` up to the next byte that is dropped
    for (let at = 0; at < source.length; at++) {
      const code = source.charCodeAt(at)
      if (!atLineStart) {
        if (code !== 10) {
          const newline = source.indexOf('\n', at)
          if (newline < 0) break
          at = newline
        }
        atLineStart = true
      } else if (code === 32) {
        if (dropped++ < indentation) {
          text += source.slice(copied, at)
          copied = at + 1
        }
      } else {
        dropped = 0
        if (code !== 10) atLineStart = false
      }
      if (code === 10) dropped = 0
    }
    text += source.slice(copied)
    if (index === parts.length - 1) text = withoutBlankLastLine(text)
    if (text !== '') result.push({ position: part.position, expression: { kind: 'string', position: part.position, value: text } })
  })
  return result
}

/** Blank lines and a last line that holds only spaces don't count; text that an escape begins does. */
function commonIndentation(parts: readonly IndentedPart[]): number {
  let atLineStart = true
  let minimum = 1_000_000
  let current = 0
  for (const part of parts) {
    if (part.kind === 'expression' || !part.plain) {
      if (atLineStart) {
        atLineStart = false
        minimum = Math.min(minimum, current)
      }
      continue
    }
    const text = part.text
    for (let at = 0; at < text.length; at++) {
      if (!atLineStart) {
        at = text.indexOf('\n', at)
        if (at < 0) break
        atLineStart = true
        current = 0
        continue
      }
      const code = text.charCodeAt(at)
      if (code === 32) current++
      else if (code === 10) current = 0
      else {
        atLineStart = false
        minimum = Math.min(minimum, current)
      }
    }
  }
  return minimum
}

function withoutBlankLastLine(text: string): string {
  const newline = text.lastIndexOf('\n')
  if (newline < 0) return text
  for (let at = newline + 1; at < text.length; at++) if (text.charCodeAt(at) !== 32) return text
  return text.slice(0, newline + 1)
}
