/**
 * Compares Firn with stock Nix on many expressions. Stock Nix reads them all in one `nix repl`, which goes on after an error; values are told
 * by the hash of a description that goes into every corner of them (describe.nix). Restricted, so that no path is ever copied to a store.
 */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { showError } from '../../printing/errors.ts'
import { Evaluator } from '../../evaluator.ts'
import { attempt, AttemptHistory } from '../../session/attempt.ts'
import { force } from '../../runtime/thunk.ts'
import { call1 } from '../../runtime/call.ts'
import { NO_SITE } from '../../runtime/site.ts'
import { textOf } from '../../runtime/types.ts'
import { expectAttributes } from '../../runtime/expect.ts'
import { MemoryIO } from '../../memory-io.ts'
import { byteStringOfText, textOfByteString } from '../../../nix/bytes.ts'
import type { Value } from '../../values/value.ts'
import { SETTINGS } from '../worlds.ts'

const DESCRIBE = join(import.meta.dirname, 'describe.nix')

/** The hash of the value's description, or the line that says what is wrong. */
export type Result = { readonly kind: 'value'; readonly text: string } | { readonly kind: 'failure'; readonly text: string }

export interface Difference {
  readonly expression: string
  readonly stock: Result
  readonly firn: Result
}

/** `program` is a `nix` that has `repl`. What ends its process has no result; the next process goes on behind it. */
export function stockResults(program: string, expressions: readonly string[], what: 'hash' | 'description'): (Result | undefined)[] {
  const results: (Result | undefined)[] = []
  while (results.length < expressions.length) {
    const before = results.length
    results.push(...oneProcess(program, expressions.slice(before), what))
    if (results.length < expressions.length) results.push(undefined)
  }
  return results
}

function oneProcess(program: string, expressions: readonly string[], what: 'hash' | 'description'): Result[] {
  const input = expressions.map((expression, i) => `${what} (${expression})\n"#${i}"\n`).join('')
  const features = 'nix-command flakes pipe-operators parse-toml-timestamps'
  const { stdout, stderr, error } = spawnSync(program, ['repl', '--extra-experimental-features', features, '--option', 'restrict-eval', 'true', '-I', `describe=${import.meta.dirname}`, '--file', DESCRIBE], { input, encoding: 'utf8', maxBuffer: 2 ** 30, env: { ...process.env, NIX_CONF_DIR: '/var/empty', NO_COLOR: '1', TERM: 'dumb', HOME: '/nonexistent' } })
  // it may end before it has read everything
  if (error !== undefined && (error as NodeJS.ErrnoException).code !== 'EPIPE') throw error
  const messages = errorsIn(stderr)
  const clean = stdout.replace(/\u001b\[[0-9;]*m/g, '')
  const results: Result[] = []
  let at = 0
  for (let i = 0; i < expressions.length; i++) {
    const marker = `\n"#${i}"\n`
    const end = clean.indexOf(marker, at)
    if (end < 0) break
    // the answer is on the line after the prompt's
    const answer = clean.slice(at, end).split('\n').findLast((line) => line.startsWith('"'))
    at = end + marker.length
    const hash = answer === undefined || answer === `"#${i - 1}"` ? undefined : answer.slice(1, -1)
    results.push(hash === undefined ? { kind: 'failure', text: messages.shift() ?? '' } : { kind: 'value', text: hash })
  }
  return results
}

/** The innermost message of each error. */
function errorsIn(stderr: string): string[] {
  const clean = stderr.replace(/\u001b\[[0-9;]*m/g, '')
  return clean.split(/^(?=error:)/m).slice(1).map((block) => innermost(block))
}

function innermost(block: string): string {
  return /^\s*error: (.+)/.exec(block.split('\n').findLast((line) => /^\s*error: ./.test(line)) ?? '')?.[1] ?? ''
}

export function firnResults(expressions: readonly string[], what: 'hash' | 'description'): Result[] {
  const evaluator = new Evaluator({ io: new MemoryIO(), settings: { ...SETTINGS, mode: 'restricted' }, language: { pipeOperators: true, tomlTimestamps: true }, trace: () => undefined })
  const describe = force(expectAttributes(evaluator.evaluateText(readFileSync(DESCRIBE, 'latin1'), '/'), '', NO_SITE).get(what)!)
  return expressions.map((expression) => {
    const outcome = attempt(new AttemptHistory(), (): Value => call1(describe, evaluator.evaluateText(byteStringOfText(`(${expression})`), '/'), NO_SITE))
    if (outcome.kind === 'value') return { kind: 'value', text: textOfByteString(textOf(outcome.value as string)) }
    return { kind: 'failure', text: outcome.kind === 'suspended' ? 'suspended' : innermost(textOfByteString(showError(outcome.error, false))) }
  })
}

/** Where one gives a value and the other another, or none. */
export function differences(expressions: readonly string[], stock: readonly (Result | undefined)[], firn: readonly Result[]): Difference[] {
  return expressions.flatMap((expression, i) => {
    const theirs = stock[i]
    const ours = firn[i]!
    if (theirs === undefined) return []
    return theirs.kind === ours.kind && (theirs.kind === 'failure' || theirs.text === ours.text) ? [] : [{ expression, stock: theirs, firn: ours }]
  })
}
