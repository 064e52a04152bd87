/**
 * Ring: eval. Says what is wrong with text that does not parse, in the words of Nix's generated parser: `syntax error,
 * unexpected X, expecting Y or Z`. What such a parser lists as expected depends on its tables (on which reductions it has done
 * before it noticed), so after a failure, and only then, its tables are made and the tokens are run through them.
 */
import { PRECEDENCES, RULES, START } from './grammar.ts'
import { makeTables, type Tables } from './lalr.ts'
import type { Tokens } from './token-buffer.ts'
import { END_OF_FILE, FAILURE, TOKEN_NAMES } from './tokens.ts'

export interface Diagnosis {
  readonly message: string
  /** Byte offset. */
  readonly position: number
}

/** As many are listed; where more are possible, none is. */
const MOST_EXPECTED = 4

let tables: Tables | undefined

/** The error in these tokens; `at` is the token that the caller could not use. */
export function syntaxErrorOf(tokens: Tokens, at: number): Diagnosis {
  tables ??= makeTables(RULES, START, PRECEDENCES)
  const found = run(tokens, tables)
  if (found === undefined) return diagnosis(tokens, at, [])
  return diagnosis(tokens, found.at, found.expected)
}

function diagnosis(tokens: Tokens, at: number, expected: readonly number[]): Diagnosis {
  const kind = tokens.kinds[at]!
  if (kind === FAILURE) return { message: tokens.failure!, position: tokens.starts[at]! }
  let message = `syntax error, unexpected ${TOKEN_NAMES[kind]!}`
  if (expected.length > 0 && expected.length <= MOST_EXPECTED) message += `, expecting ${expected.map((token) => TOKEN_NAMES[token]!).join(' or ')}`
  return { message, position: kind === END_OF_FILE ? tokens.ends[at]! : tokens.starts[at]! }
}

/** Runs the parser; gives where it stops and what it would have gone on with there, undefined if it accepts. */
function run(tokens: Tokens, { states, rules }: Tables): { at: number; expected: number[] } | undefined {
  const stack = [0]
  let at = 0
  for (;;) {
    const state = states[stack[stack.length - 1]!]!
    const token = tokens.kinds[at]!
    const known = state.actions.size === 0 ? undefined : state.actions.get(token)
    if (token === FAILURE && state.actions.size > 0) return { at, expected: [] }
    if (known?.kind === 'accept') return undefined
    if (known?.kind === 'shift') {
      stack.push(known.state)
      at++
      continue
    }
    const rule = known?.kind === 'reduce' ? known.rule : known?.kind === 'error' ? undefined : state.otherwise
    if (rule === undefined) {
      const expected = [...state.actions].filter(([, action]) => action.kind !== 'error').map(([expectedToken]) => expectedToken)
      return { at, expected: expected.sort((a, b) => a - b) }
    }
    const { left, right } = rules[rule]!
    stack.length -= right.length
    stack.push(states[stack[stack.length - 1]!]!.next.get(left)!)
  }
}
