/** Standard output and error of evaluations: bytes as they are, written at once, in the order in which things happen. */
import { Buffer } from 'node:buffer'
import { readFileSync, writeSync } from 'node:fs'
import { byteStringOfNative } from '../../evaluator/paths.ts'

/** Where a test wants output to go, and input to come from. */
export interface Streams {
  readonly write: (descriptor: 1 | 2, text: string) => void
  readonly input: string
}

let redirected: Streams | undefined

/** For tests that evaluate many expressions in one process; undefined for the process's own streams again. */
export function redirectStreams(streams: Streams | undefined): void {
  redirected = streams
}

/** All of standard input, as a byte string. */
export function readStandardInput(): string {
  return redirected === undefined ? readFileSync(0, 'latin1') : redirected.input
}

/** Writes a byte string to standard output (1) or standard error (2). */
export function writeBytes(descriptor: 1 | 2, text: string): void {
  if (redirected !== undefined) return redirected.write(descriptor, text)
  if (descriptor === 2) text = withoutEscapes(text, !process.stderr.isTTY)
  const bytes = Buffer.from(text, 'latin1')
  for (let at = 0; at < bytes.length;) {
    try {
      at += writeSync(descriptor, bytes, at)
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      // nobody reads on: as if SIGPIPE had ended us, which Node ignores
      if (code === 'EPIPE') process.exit(141)
      if (code !== 'EAGAIN') throw error
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2)
    }
  }
}

/**
 * What Nix's logger lets through (filterANSIEscapes in libutil/terminal.cc): colours on a terminal and no other escapes, none elsewhere;
 * tabs become blanks.
 */
export function withoutEscapes(text: string, all: boolean): string {
  if (!CONTROLS.test(text)) return text
  return text.split('\n').map((line) => {
    let shown = ''
    let width = 0
    for (const part of line.match(PARTS) ?? []) {
      if (part === '\t') {
        const blanks = 8 - (width % 8)
        shown += ' '.repeat(blanks)
        width += blanks
      } else if (part[0] === '\u001b') {
        if (!all && part.endsWith('m') && part[1] === '[') shown += part
      } else if (part !== '\r' && part !== '\u0007') {
        shown += part
        // continuation bytes of UTF-8 take no room
        for (const byte of part) if (byte < '\u0080' || byte > '\u00bf') width++
      }
    }
    return shown
  }).join('\n')
}

const CONTROLS = /[\u0007\t\r\u001b]/
const PARTS = /\u001b(?:\[[0-?]*[ -/]*[@-~]?|\][^\u001b\u0007]*(?:\u0007|\u001b\\?)?|[@-_])?|[\t\r\u0007]|[^\u001b\t\r\u0007]+/g

/** A trace or warning as Nix shows it; the text is ordinary text. */
export function printMessage(level: 'trace' | 'warn', text: string): void {
  const bytes = byteStringOfNative(text)
  if (level === 'trace') writeBytes(2, `trace: ${bytes}\n`)
  else if (bytes.startsWith(EVALUATION_WARNING)) writeBytes(2, `${evaluationWarning(bytes.slice(EVALUATION_WARNING.length))}\n`)
  else writeBytes(2, `warning: ${bytes}\n`)
}

const EVALUATION_WARNING = 'evaluation warning: '

/** Further lines stand under the first, unless the message begins with a line's end. */
function evaluationWarning(message: string): string {
  if (message.startsWith('\n')) return `${EVALUATION_WARNING.trimEnd()}${message.trimEnd()}`
  const [first, ...rest] = message.trimEnd().split('\n') as [string, ...string[]]
  return [EVALUATION_WARNING + first, ...rest.map((line) => `${' '.repeat(EVALUATION_WARNING.length)}${line}`.trimEnd())].join('\n')
}
