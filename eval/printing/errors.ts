/** Ring: eval. Errors as Nix shows them on standard error, without colours. Upstream counterpart: showErrorInfo in src/libutil/error.cc. */
import { textOfByteString } from '../../nix/bytes.ts'
import { lineText } from '../syntax/position.ts'
import { EvaluationError } from '../runtime/errors.ts'
import { showSuggestions } from '../runtime/suggestions.ts'
import type { Location } from '../values/location.ts'
import { showLocation } from './locations.ts'

interface Line {
  readonly text: string
  readonly location: Location | undefined
  readonly always: boolean
}

/** `error: …` with the traces that belong to it, as a byte string; ends with a line's end. */
export function showError(error: { readonly message: string; readonly location?: Location | undefined }, showTrace: boolean): string {
  const body = `${showTraces(error instanceof EvaluationError ? traceLines(error, showTrace) : [], showTrace)}${messageLines(error)}`
  const rendered = body.startsWith('\n') ? `error:${indent(body)}` : `error: ${indentRest(body)}`
  return `${rendered.replace(/\n+$/, '')}\n`
}

/** A warning's text after `warning: `, as ordinary text, with the place it is about. */
export function showWarning(message: string, location: Location | undefined): string {
  if (location === undefined) return textOfByteString(message)
  const place = showPlace(location, '').split('\n').map((line) => `         ${line}`.trimEnd()).join('\n')
  return textOfByteString(`${message}\n${place}`.trimEnd())
}

/** From the outermost to the innermost. */
function traceLines(error: EvaluationError, showTrace: boolean): Line[] {
  const lines: Line[] = []
  const added = [...error.traces].reverse()
  let next = 0
  for (let depth = 0; depth <= error.calls.length; depth++) {
    for (; next < added.length && added[next]!.depth <= depth; next++) lines.push({ text: added[next]!.text, location: added[next]!.location, always: false })
    const call = error.calls[depth]
    if (call === undefined) continue
    const { callee, site } = call
    if (callee.kind === 'builtin') {
      if (callee.name !== undefined && callee.name !== 'addErrorContext') lines.push({ text: `while calling the '${callee.name}' builtin`, location: site, always: false })
      for (const { text, location } of call.lines()) lines.push({ text, location, always: false })
    } else if (showTrace) {
      if (site !== undefined) lines.push({ text: 'from call site', location: site, always: false })
      const { location } = callee as { readonly location?: Location }
      lines.push({ text: `while calling ${callee.name === undefined ? 'anonymous lambda' : `'${callee.name}'`}`, location, always: false })
    }
  }
  for (; next < added.length; next++) lines.push({ text: added[next]!.text, location: added[next]!.location, always: false })
  return lines
}

function showTraces(lines: readonly Line[], showTrace: boolean): string {
  let text = ''
  let count = 0
  let truncated = false
  const seen = new Set<string>()
  let skipped: Line[] = []
  const print = (line: Line) => {
    text += `\n… ${line.text}\n`.replaceAll('…', '\u00e2\u0080\u00a6')
    if (line.location !== undefined) {
      text += showPlace(line.location, '  ')
      count++
    }
  }
  const flush = () => {
    if (skipped.length > 5) {
      text += `\n(${skipped.length} duplicate frames omitted)\n`
      seen.clear()
    } else {
      for (const line of skipped) print(line)
    }
    skipped = []
  }
  for (const line of lines) {
    if (!showTrace && count > 3) truncated = true
    if (truncated && !line.always) continue
    const key = `${line.text}\0${line.location === undefined ? '' : showLocation(line.location)}`
    if (seen.has(key)) {
      skipped.push(line)
      continue
    }
    seen.add(key)
    flush()
    count++
    print(line)
  }
  flush()
  if (truncated) text += '\n(stack trace truncated; use \'--show-trace\' to show the full, detailed trace)\n'
  return text === '' ? '' : `${text}\nerror: `
}

function messageLines(error: { readonly message: string; readonly location?: Location | undefined }): string {
  let text = `${error.message}\n`
  if (error.location !== undefined) text += showPlace(error.location, '')
  if (error instanceof EvaluationError && error.suggestions.length > 0) text += `${showSuggestions(error.suggestions)}\n`
  return text
}

/** `at file:line:column:` and the lines around it. */
function showPlace(location: Location, before: string): string {
  const { line, column, text } = location.place
  let shown = `${before}at ${showLocation(location)}:`
  const previous = line > 1 ? lineText(text, line - 1) : undefined
  const current = lineText(text, line)
  const next = lineText(text, line + 1)
  if (current === undefined) return `${shown}\n`
  if (previous !== undefined) shown += `\n ${String(line - 1).padStart(5)}| ${previous}`
  shown += `\n ${String(line).padStart(5)}| ${current}\n      |${' '.repeat(column)}^`
  if (next !== undefined) shown += `\n ${String(line + 1).padStart(5)}| ${next}`
  return `${shown}\n`
}

const INDENT = '       '

function indent(body: string): string {
  return body.split('\n').map((line) => `${INDENT}${line}`.trimEnd()).join('\n').replace(/^ +/, '')
}

function indentRest(body: string): string {
  return body.split('\n').map((line, i) => (i === 0 ? line : `${INDENT}${line}`.trimEnd())).join('\n')
}
