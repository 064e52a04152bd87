/** Ring: cli. How things are shown: times, sizes, tables, errors, exit codes. */
import Table from 'cli-table3'
import colors from 'picocolors'
import { asFirnError, type ErrorKind, FirnError } from '../contract/errors.ts'

/** Exit codes: 1 something failed, 2 the command line or its input is wrong, 3 the farm can't be reached, 130 interrupted. */
export function exitCodeOf(kind: ErrorKind): number {
  if (kind === 'invalid-input') return 2
  if (kind === 'unavailable') return 3
  return kind === 'cancelled' ? 130 : 1
}

/** An ending that was already explained on the terminal. */
export class ExitSilently extends Error {
  readonly code: number
  constructor(code: number) {
    super(`exit ${code}`)
    this.code = code
  }
}

/** Shows an error and sets the exit code. */
export function reportError(error: unknown, json: boolean): void {
  if (error instanceof ExitSilently) {
    process.exitCode = error.code
    return
  }
  const known = asFirnError(error)
  if (json) printJson({ error: { kind: known.kind, message: known.message, data: known.data } })
  console.error(`${colors.red('error:')} ${known.message}`)
  if (known.kind === 'internal' && process.env['FIRN_DEBUG']) console.error((known.cause as Error | undefined)?.stack ?? known.stack)
  process.exitCode = exitCodeOf(known.kind)
}

export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, process.stdout.isTTY ? 2 : undefined)}\n`)
}

/** Rows under column heads, aligned, without lines; cut to nothing: terminals wrap. Numbers should be given aligned right. */
export function printTable(head: readonly string[], rows: readonly (readonly (string | number)[])[], options: { readonly right?: readonly number[] } = {}): void {
  process.stdout.write(`${formatTable(head, rows, options)}\n`)
}

export function formatTable(head: readonly string[], rows: readonly (readonly (string | number)[])[], options: { readonly right?: readonly number[] } = {}): string {
  const table = new Table({
    head: head.map((name) => colors.bold(name)),
    colAligns: head.map((_, index) => (options.right?.includes(index) ? 'right' : 'left')),
    chars: { 'top': '', 'top-mid': '', 'top-left': '', 'top-right': '', 'bottom': '', 'bottom-mid': '', 'bottom-left': '', 'bottom-right': '', 'left': '', 'left-mid': '', 'mid': '', 'mid-mid': '', 'right': '', 'right-mid': '', 'middle': '  ' },
    style: { 'head': [], 'border': [], 'padding-left': 0, 'padding-right': 0, 'compact': true },
  })
  for (const row of rows) table.push(row.map(String))
  return table.toString().split('\n').map((line) => line.trimEnd()).join('\n')
}

/** `1.2 s`, `3 m 05 s`, `2 h 04 m`. */
export function formatSeconds(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`
  if (seconds < 60) return `${Math.round(seconds)} s`
  const whole = Math.round(seconds)
  if (whole < 3600) return `${Math.floor(whole / 60)} m ${String(whole % 60).padStart(2, '0')} s`
  return `${Math.floor(whole / 3600)} h ${String(Math.floor((whole % 3600) / 60)).padStart(2, '0')} m`
}

/** `512 B`, `3.4 MiB`. */
export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`
  const units = ['KiB', 'MiB', 'GiB', 'TiB']
  let value = bytes / 1024
  let unit = 0
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit++
  }
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`
}

/** Seconds between two times of the API; up to now where the second is missing. */
export function secondsBetween(start: string | null, end: string | null): number | undefined {
  if (start === null) return undefined
  return ((end === null ? Date.now() : Date.parse(end)) - Date.parse(start)) / 1000
}

export function stateColor(state: string): string {
  switch (state) {
    case 'succeeded': return colors.green(state)
    case 'failed':
    case 'error': return colors.red(state)
    case 'running':
    case 'building':
    case 'evaluating': return colors.cyan(state)
    default: return colors.dim(state)
  }
}

/** A number that a command was given as text. Errors: 'invalid-input'. */
export function parseId(text: string, what: string): number {
  if (!/^[1-9]\d{0,9}$/.test(text)) throw new FirnError('invalid-input', `'${text}' is not the number of ${what}`)
  return Number(text)
}
