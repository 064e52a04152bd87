/** Depth: needs a larger JavaScript stack than tests have, so each case runs in a process of its own, as the farm runs it. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { largeStackCommand } from '../evaluator/spawn.ts'

const SCRIPT = `
import { Evaluator } from '${import.meta.dirname}/evaluator.ts'
import { MemoryIO } from '${import.meta.dirname}/memory-io.ts'
import { printAmbiguous } from '${import.meta.dirname}/printing/print.ts'
import { attempt, AttemptHistory } from '${import.meta.dirname}/session/attempt.ts'
import { SETTINGS } from '${import.meta.dirname}/testing/worlds.ts'
const evaluator = new Evaluator({ io: new MemoryIO(), settings: SETTINGS })
const outcome = attempt(new AttemptHistory(), () => evaluator.evaluateText(process.argv.at(-1), '/'))
console.log(outcome.kind === 'value' ? printAmbiguous(outcome.value) : outcome.kind === 'failed' ? outcome.error.kind + ': ' + outcome.error.message : outcome.kind)
`

function evaluate(expression: string): string {
  const { command, arguments: words } = largeStackCommand(['--input-type=module-typescript', '--eval', SCRIPT, '--', expression])
  return execFileSync(command, [...words], { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 }).trim()
}

const CASES: readonly (readonly [string, string, string])[] = [
  ['nested calls end at Nix\'s limit', 'let f = x: 1 + f (x + 1); in f 0', 'stack-overflow: stack overflow; max-call-depth exceeded'],
  ['calls within the limit', 'let f = x: if x == 0 then 0 else 1 + f (x - 1); in f 9900', '9900'],
  ['endless data is not evaluated deeply', 'let f = n: { inherit n; next = f (n + 1); }; in builtins.deepSeq (f 0) 1', 'stack-overflow: stack overflow; max-call-depth exceeded'],
  ['a list of a million', 'builtins.length (builtins.filter (x: x > 10) (builtins.genList (x: x) 1000000))', '999989'],
  ['a million elements, all evaluated and compared', 'let l = builtins.genList (x: x) 1000000; in builtins.deepSeq l (l == builtins.genList (x: x + 0) 1000000)', 'true'],
  ['a strict fold of a million', 'builtins.foldl\' (a: b: a + b) 0 (builtins.genList (x: x) 1000000)', '499999500000'],
  ['a fold of a million merges', 'let s = builtins.foldl\' (a: i: a // { ${"k" + toString (i - i / 100 * 100)} = i; }) { } (builtins.genList (i: i) 1000000); in s.k99', '999999'],
  ['a chain of 100,000 thunks', '(builtins.foldl\' (a: i: { v = a.v + i; }) { v = 0; } (builtins.genList (i: i) 100000)).v', '4999950000'],
  ['equality of deep data', 'let deep = n: builtins.foldl\' (a: i: { v = a; }) null (builtins.genList (i: i) n); in deep 200000 == deep 200000', 'true'],
  ['a closure of 100,000 keys', 'builtins.length (builtins.genericClosure { startSet = [ { key = 0; } ]; operator = x: if x.key < 99999 then [ { key = x.key + 1; } ] else [ ]; })', '100000'],
  ['joining a million strings', 'builtins.stringLength (builtins.concatStringsSep "," (builtins.genList toString 1000000))', '6888889'],
]

for (const [name, expression, expected] of CASES) {
  test(name, () => {
    assert.equal(evaluate(expression), expected)
  })
}
