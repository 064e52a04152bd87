/** Hydra's aggregates: names and patterns of jobs become inputs of their derivations. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { EvaluatorMessage, FoundJob } from '../../contract/evaluations.ts'
import { checkOutputPaths, derivationHash, type DerivationHash } from '../../nix/derivation-hash.ts'
import { parseDerivation, type Derivation } from '../../nix/derivation.ts'
import { derivationName, parseStorePath } from '../../nix/store-path.ts'
import { MemoryIO } from '../memory-io.ts'
import { EvaluationSession, type JobOptions } from '../session.ts'
import { SETTINGS } from '../testing/worlds.ts'
import { globPattern } from './aggregates.ts'

const PRELUDE = 'let make = name: more: derivation ({ inherit name; system = "x86_64-linux"; builder = "/bin/sh"; } // more); aggregate = name: constituents: make name { _hydraAggregate = true; inherit constituents; }; globs = name: constituents: make name { _hydraAggregate = true; _hydraGlobConstituents = true; inherit constituents; }; in '

function evaluate(text: string, jobs: JobOptions = {}): { readonly io: MemoryIO; readonly jobs: ReadonlyMap<string, FoundJob>; readonly errors: ReadonlyMap<string, string>; readonly order: readonly string[] } {
  const io = new MemoryIO()
  const messages: EvaluatorMessage[] = []
  const session = new EvaluationSession({ io, settings: SETTINGS, request: { source: { kind: 'expression', text: PRELUDE + text, basePath: '/' }, attributes: [], arguments: {}, recurse: true, settings: {}, dryRun: true, priority: 0 }, emit: (message) => messages.push(message), jobs })
  assert.equal(session.sweep(), 'finished')
  return {
    io,
    jobs: new Map(messages.flatMap((message) => (message.kind === 'job' ? [[message.job.attr, message.job] as const] : []))),
    errors: new Map(messages.flatMap((message) => (message.kind === 'job-error' ? [[message.attr, message.message] as const] : []))),
    order: messages.flatMap((message) => (message.kind === 'job' ? [message.job.attr] : [])),
  }
}

describe('aggregates', () => {
  test('named constituents, derivations, and aggregates of aggregates', () => {
    const { io, jobs, order } = evaluate('{ all = aggregate "all" [ "some" "b" ]; a = make "a" { }; b = make "b" { }; some = aggregate "some" [ "a" (make "c" { }) "tests.x" ]; tests = { recurseForDerivations = true; x = make "x" { }; }; }')
    assert.deepEqual(order, ['a', 'b', 'tests.x', 'all', 'some'])
    const path = (attr: string): string => jobs.get(attr)!.drvPath
    assert.deepEqual(jobs.get('all')!.constituents, [path('some'), path('b')])
    assert.deepEqual(jobs.get('some')!.constituents!.slice(1), [path('a'), path('tests.x')])

    const read = (drvPath: string): Derivation => parseDerivation(io.readDerivation(drvPath), derivationName(parseStorePath(drvPath)))
    const lookup = (drvPath: string): DerivationHash => derivationHash(read(drvPath), lookup)
    for (const attr of ['all', 'some']) {
      const derivation = read(path(attr))
      checkOutputPaths(derivation, lookup)
      assert.deepEqual(derivation.outputs.get('out'), { kind: 'input-addressed', path: jobs.get(attr)!.outputs['out'] })
      for (const part of jobs.get(attr)!.constituents!) assert.deepEqual(derivation.inputDerivations.get(part), ['out'])
    }
  })

  test('patterns match names of jobs, never the aggregate itself', () => {
    const { jobs, errors } = evaluate('{ t1 = make "t1" { }; t2 = make "t2" { }; other = make "other" { }; tests = globs "tests" [ "t*" ]; none = globs "none" [ "z*" ]; }')
    assert.deepEqual(jobs.get('tests')!.constituents, ['t1', 't2'].map((attr) => jobs.get(attr)!.drvPath))
    assert.match(errors.get('none')!, /z\*: constituent glob pattern had no matches/)
  })

  test('what is missing, or needs itself, is an error of the aggregate', () => {
    const { jobs, errors } = evaluate('{ a = make "a" { }; broken = aggregate "broken" [ "nothing" "a" ]; above = aggregate "above" [ "broken" ]; one = aggregate "one" [ "two" ]; two = aggregate "two" [ "one" ]; failed = throw "x"; needs = aggregate "needs" [ "failed" ]; }')
    assert.deepEqual([...jobs.keys()], ['a'])
    assert.match(errors.get('broken')!, /nothing: does not exist/)
    assert.match(errors.get('above')!, /broken: nothing: does not exist/)
    assert.match(errors.get('one')!, /Dependency cycle: two <-> one/)
    assert.match(errors.get('needs')!, /failed: does not exist/)
  })

  test('they may be left as they are', () => {
    const { jobs } = evaluate('{ some = aggregate "some" [ "a" ]; }', { keepAggregates: true })
    assert.deepEqual(jobs.get('some')!.constituents, ['a'])
  })
})

test('a function is applied to each job', () => {
  const { jobs, errors } = evaluate('{ a = make "a" { version = "1"; }; b = make "b" { }; }', { apply: 'job: { inherit (job) version; }' })
  assert.deepEqual(jobs.get('a')!.extraValue, { version: '1' })
  assert.match(errors.get('b')!, /attribute 'version' missing/)
})

test('shell patterns', () => {
  const matches = (pattern: string, text: string): boolean => globPattern(pattern).test(text)
  for (const [pattern, text] of [['*', 'a.b'], ['a.*', 'a.b.c'], ['?x', 'ax'], ['[ab]c', 'bc'], ['[!a]c', 'bc'], ['a\\*', 'a*'], ['a+b', 'a+b'], ['[a-c]', 'b']] as const) assert.ok(matches(pattern, text), pattern)
  for (const [pattern, text] of [['a.*', 'ab'], ['?x', 'x'], ['[!a]c', 'ac'], ['a\\*', 'ab'], ['a.b', 'axb'], ['a', 'ab']] as const) assert.ok(!matches(pattern, text), pattern)
})
