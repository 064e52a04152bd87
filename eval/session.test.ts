import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { EvaluationRequest, EvaluatorMessage, Need } from '../contract/evaluations.ts'
import type { AddedDerivation } from './io.ts'
import { MemoryIO } from './memory-io.ts'
import { machine } from './runtime/machine.ts'
import { EvaluationSession } from './session.ts'
import { SETTINGS } from './testing/worlds.ts'

interface Run {
  readonly io: MemoryIO
  readonly session: EvaluationSession
  readonly messages: EvaluatorMessage[]
  needs(): Need[]
  jobs(): string[]
  errors(): Extract<EvaluatorMessage, { kind: 'job-error' }>[]
  traces(): string[]
}

const PRELUDE = `
let
  tiny = name: args: derivation ({ inherit name; system = "x86_64-linux"; builder = "/bin/sh"; } // args);
  generated = name: import (tiny name { });
in
`

function run(expression: string, request: Partial<EvaluationRequest> = {}, io = new MemoryIO()): Run {
  const messages: EvaluatorMessage[] = []
  const session = new EvaluationSession({
    io, settings: SETTINGS,
    request: { source: { kind: 'expression', text: PRELUDE + expression, basePath: '/' }, attributes: [], arguments: {}, recurse: true, settings: {}, dryRun: true, priority: 0, ...request },
    emit: (message) => messages.push(message),
  })
  const of = <K extends EvaluatorMessage['kind']>(kind: K) => messages.filter((m): m is Extract<EvaluatorMessage, { kind: K }> => m.kind === kind)
  return {
    io, session, messages,
    needs: () => of('needs').flatMap((m) => [...m.needs]),
    jobs: () => of('job').map((m) => m.job.attr),
    errors: () => of('job-error'),
    traces: () => of('trace').map((m) => m.text),
  }
}

/** Answers needs of outputs with the same Nix text. */
function answer(r: Run, needs: readonly Need[], text: (need: Need) => string): void {
  for (const need of needs) if (need.kind === 'realise') r.io.finishRealise(need.drvPath, { out: text(need) })
  r.session.answer(needs.map((need) => need.key))
}

test('independent imports are all found in one sweep, and waking takes one attempt each', () => {
  const r = run('builtins.listToAttrs (builtins.genList (i: { name = "job${toString i}"; value = tiny "job" { value = (generated "g${toString i}").x; }; }) 500)')
  assert.equal(r.session.sweep(), 'idle')
  assert.equal(r.needs().length, 500)
  assert.deepEqual(r.session.progress(), { attributesDone: 1, attributesWaiting: 500, needsOutstanding: 500 })
  answer(r, r.needs().slice(0, 10), () => '{ x = "value"; }')
  assert.equal(r.session.sweep(), 'idle')
  assert.equal(r.jobs().length, 10)
  // Only what waited for the answers was tried again.
  assert.equal([...r.io.suspensions.values()].reduce((a, b) => a + b), 500)
  answer(r, r.needs().slice(10), () => '{ x = "value"; }')
  assert.equal(r.session.sweep(), 'finished')
  assert.equal(r.jobs().length, 500)
})

/** What an evaluation did, in numbers that say nothing about the machine. */
interface Effort { readonly jobs: readonly string[]; readonly derivations: number; readonly forces: number; readonly suspensions: number }

class CountingIO extends MemoryIO {
  derivationsMade = 0
  override addDerivation(derivation: AddedDerivation): void {
    this.derivationsMade++
    super.addDerivation(derivation)
  }
}

/** Evaluates, with each need answered alone; then again in a world where everything is built. */
function efforts(expression: string, count: number): { readonly waiting: Effort; readonly built: Effort } {
  const built = new Map<string, string>()
  const evaluate = (io: CountingIO): Effort => {
    const forcesBefore = machine.nextSerial
    const r = run(expression, {}, io)
    for (let seen = 0; r.session.sweep() === 'idle';) {
      const need = r.needs()[seen++]!
      assert.ok(need.kind === 'realise')
      const text = `{ name = "made-from-${need.drvPath.slice(11, 19)}"; }`
      built.set(need.drvPath, text)
      answer(r, [need], () => text)
    }
    assert.equal(r.errors().length, 0)
    const jobs = r.messages.flatMap((message) => (message.kind === 'job' ? [message.job.drvPath] : [])).sort()
    return { jobs, derivations: io.derivationsMade, forces: machine.nextSerial - forcesBefore, suspensions: [...io.suspensions.values()].reduce((a, b) => a + b, 0) }
  }
  const first = new CountingIO()
  const waiting = evaluate(first)
  assert.equal(built.size, count)
  const second = new CountingIO()
  for (const drvPath of built.keys()) {
    second.derivations.set(drvPath, first.readDerivation(drvPath))
    second.finishRealise(drvPath, { out: built.get(drvPath)! })
  }
  second.derivationsMade = 0
  const whole = evaluate(second)
  assert.equal(whole.suspensions, 0)
  assert.deepEqual(waiting.jobs, whole.jobs)
  return { waiting, built: whole }
}

const MANY = (count: number): Record<string, string> => ({
  'a job for each': `builtins.listToAttrs (map (i: { name = "job\${toString i}"; value = tiny "job" { input = tiny (generated "g\${toString i}").name { }; }; }) (builtins.genList (i: i) ${count}))`,
  'a job for each, the derivation in a let': `let made = i: let drv = tiny "g\${toString i}" { }; text = import drv; in text.name; in
    builtins.listToAttrs (map (i: { name = "job\${toString i}"; value = tiny "job" { input = tiny (made i) { }; }; }) (builtins.genList (i: i) ${count}))`,
  'a job for each, a file below the derivation': `let made = { number, suffix ? "x" }: builtins.readFile "\${tiny "g\${toString number}-\${suffix}" { }}"; in
    builtins.listToAttrs (map (i: { name = "job\${toString i}"; value = tiny "job" { input = tiny "x" { text = made { number = i; }; }; }; }) (builtins.genList (i: i) ${count}))`,
  'a job for each, functions, sets and lists': `let made = f: { set, list }: import (tiny "g-\${f set.a}-\${builtins.concatStringsSep "-" (map toString list)}" { }); in
    builtins.listToAttrs (map (i: { name = "job\${toString i}"; value = tiny "job" { input = tiny (made (x: x + toString i) { set = { a = "a\${toString (i / 2)}"; }; list = [ i (i + 1) ]; }).name { }; }; }) (builtins.genList (i: i) ${count}))`,
  'one job of all, by numbers': `let numbered = number: import (tiny "g\${toString number}" { }); in tiny "job" { inputs = map (i: tiny (numbered i).name { }) (builtins.genList (i: i) ${count}); }`,
  'one job of all': `tiny "job" { inputs = map (i: tiny (generated "g\${toString i}").name { }) (builtins.genList (i: i) ${count}); }`,
})

for (const [name, expression] of Object.entries(MANY(500))) {
  test(`waiting for 500 imports is at most 1.3 times the work of having them: ${name}`, () => {
    const { waiting, built } = efforts(expression, 500)
    assert.ok(waiting.suspensions <= 2.5 * 500, `${waiting.suspensions} suspensions`)
    assert.ok(waiting.derivations <= 1.3 * built.derivations, `${waiting.derivations} derivations made instead of ${built.derivations}`)
    assert.ok(waiting.forces <= 1.3 * built.forces, `${waiting.forces} thunks forced instead of ${built.forces}`)
  })
}

test('5,000 imports of one attribute, answered one by one, are no different', () => {
  const { waiting, built } = efforts(MANY(5000)['one job of all']!, 5000)
  assert.ok(waiting.suspensions <= 2.5 * 5000, `${waiting.suspensions} suspensions`)
  assert.ok(waiting.derivations <= 1.3 * built.derivations, `${waiting.derivations} derivations made instead of ${built.derivations}`)
  assert.ok(waiting.forces <= 1.3 * built.forces, `${waiting.forces} thunks forced instead of ${built.forces}`)
})

test('one attribute with many imports, answered one by one, does little again', () => {
  const count = 500
  const r = run(`tiny "x" { list = map (i: (generated (toString i)).x) (builtins.genList (i: i) ${count}); }`)
  assert.equal(r.session.sweep(), 'idle')
  assert.equal(r.needs().length, count)
  for (const need of r.needs()) {
    answer(r, [need], () => '{ x = "v"; }')
    r.session.sweep()
  }
  assert.equal(r.jobs().length, 1)
  // the first attempt comes to all of them, and later ones to a quarter, a sixteenth, …
  const attempts = [...r.io.suspensions.values()].reduce((a, b) => a + b)
  assert.ok(attempts <= 2.5 * count, `${attempts} attempts of ${count} imports`)
})

test('an import behind another is found when that is there, whatever else the attribute waits for', () => {
  const r = run('tiny "x" { list = map (i: (import (tiny "second-${(generated (toString i)).x}" { })).x) (builtins.genList (i: i) 20); }')
  assert.equal(r.session.sweep(), 'idle')
  const [first, ...others] = r.needs()
  for (const need of [first!, others[3]!]) {
    const before = r.needs().length
    answer(r, [need], () => `{ x = "${need.key.slice(-8).replace(/[^a-z0-9]/g, '')}"; }`)
    assert.equal(r.session.sweep(), 'idle')
    assert.equal(r.needs().length, before + 1)
  }
  // nothing but the two was tried again
  assert.equal([...r.io.suspensions.values()].reduce((a, b) => a + b), 22)
  let rounds = 0
  for (let seen = new Set([first, others[3]]); r.session.sweep() === 'idle';) {
    assert.ok(rounds++ < 5)
    const open = r.needs().filter((need) => !seen.has(need))
    seen = new Set([...seen, ...open])
    answer(r, open, () => '{ x = "v"; }')
  }
  assert.equal(r.jobs().length, 1)
})

const WITHIN: Record<string, string> = {
  'attributes of a derivation': 'tiny "x" { a = (generated "1").x; b = (generated "2").x; args = [ (generated "3").x (generated "4").x ]; }',
  'a list that is coerced': 'tiny "x" { list = map (i: (generated i).x) [ "1" "2" "3" "4" ]; }',
  interpolation: 'tiny "x" { text = "${(generated "1").x}-${(generated "2").x}-${(generated "3").x} ${toString [ (generated "4").x ]}"; }',
  concatStringsSep: 'tiny "x" { text = builtins.concatStringsSep "," (map (i: (generated i).x) [ "1" "2" "3" "4" ]); }',
  concatMap: 'tiny "x" { list = builtins.concatMap (i: [ (generated i).x ]) [ "1" "2" "3" "4" ]; }',
  'a strict function over a list': 'tiny "x" { list = builtins.length (builtins.filter (i: (generated i).x == "v") [ "1" "2" "3" "4" ]); }',
  deepSeq: 'builtins.deepSeq { a = (generated "1").x; b = [ (generated "2").x { c = (generated "3").x; } ]; d = (generated "4").x; } (tiny "x" { })',
  operators: 'tiny "x" { a = [ (generated "1").x ] ++ [ (generated "2").x ] == [ (generated "3").x (generated "4").x ]; }',
  'merged sets': 'tiny "x" ((generated "1") // (generated "2") // (generated "3") // (generated "4"))',
  toJSON: 'tiny "x" { json = builtins.toJSON { a = (generated "1").x; b = [ (generated "2").x (generated "3").x ]; c = (generated "4").x; }; }',
}

for (const [name, expression] of Object.entries(WITHIN)) {
  test(`needs are found side by side: ${name}`, () => {
    const r = run(expression)
    assert.equal(r.session.sweep(), 'idle')
    const wanted = name === 'operators' ? 2 : 4
    assert.ok(r.needs().length >= wanted, `${r.needs().length} needs in the first sweep`)
    for (let rounds = 0; r.session.sweep() === 'idle'; rounds++) {
      assert.ok(rounds < 3)
      answer(r, r.needs(), () => '{ x = "v"; }')
    }
    assert.equal(r.jobs().length, 1)
  })
}

test('a chain of imports asks for one need at a time, each built on the one before', () => {
  const r = run('tiny "x" { value = builtins.foldl\' (previous: i: (generated "g${previous}").x) "0" [ 1 2 3 ]; }')
  for (let i = 0; i < 3; i++) {
    assert.equal(r.session.sweep(), 'idle')
    assert.equal(r.needs().length, i + 1)
    answer(r, r.needs().slice(i), () => `{ x = "${i + 1}"; }`)
  }
  assert.equal(r.session.sweep(), 'finished')
  assert.equal(r.jobs().length, 1)
})

test('an earlier element that throws wins over later ones that wait', () => {
  const r = run('{ job = tiny "x" { list = [ (throw "early") (generated "1").x ]; }; }')
  assert.equal(r.session.sweep(), 'finished')
  assert.equal(r.needs().length, 0)
  assert.match(r.errors()[0]!.message, /error: early/)
})

test('of two elements that throw, the earlier one wins, although it had to wait', () => {
  const r = run('{ job = tiny "x" { list = [ (generated "1").x (throw "late") (generated "2").x ]; }; }')
  assert.equal(r.session.sweep(), 'idle')
  assert.equal(r.needs().length, 2)
  answer(r, r.needs(), () => '{ x = throw "early"; }')
  assert.equal(r.session.sweep(), 'finished')
  assert.match(r.errors()[0]!.message, /error: early/)
  assert.doesNotMatch(r.errors()[0]!.message, /error: late/)
})

test('what failed beside a wait is no failure if it is never come to', () => {
  const r = run('{ job = tiny "x" { value = builtins.foldl\' (a: b: a) "" [ (generated "1").x (throw "never") ]; other = (generated "2").x; }; }')
  assert.equal(r.session.sweep(), 'idle')
  answer(r, r.needs(), () => '{ x = "v"; }')
  assert.equal(r.session.sweep(), 'finished')
  assert.equal(r.jobs().length, 1)
})

test('tryEval does not catch a wait', () => {
  const r = run('{ job = tiny "x" { value = toString (builtins.tryEval (generated "1").x).success; }; }')
  assert.equal(r.session.sweep(), 'idle')
  answer(r, r.needs(), () => '{ x = "v"; }')
  assert.equal(r.session.sweep(), 'finished')
  assert.equal(r.jobs().length, 1)
})

test('nothing that reached a value is evaluated again, and nothing is traced twice', () => {
  const r = run(`
    let
      shared = builtins.trace "shared" { v = "s"; };
      mapped = map (i: builtins.trace "element \${toString i}" (builtins.trace "same" toString i)) [ 1 2 3 ];
    in {
      a = tiny "a" { one = builtins.trace "before" shared.v; list = mapped; two = builtins.trace "strict" "x\${(generated "1").x}"; three = builtins.trace "after" "z"; };
      b = tiny "b" { one = shared.v; list = mapped; two = (generated "2").x; };
    }`)
  assert.equal(r.session.sweep(), 'idle')
  assert.ok(r.traces().includes('strict'))
  answer(r, r.needs(), () => '{ x = "v"; }')
  assert.equal(r.session.sweep(), 'finished')
  const counts = new Map<string, number>()
  for (const text of r.traces()) counts.set(text, (counts.get(text) ?? 0) + 1)
  assert.deepEqual(Object.fromEntries(counts), { before: 1, shared: 1, 'element 1': 1, 'element 2': 1, 'element 3': 1, same: 3, strict: 1, after: 1 })
})

test('strict work that is done again traces once, new work with the same text traces again', () => {
  const r = run('tiny "x" { value = builtins.foldl\' (a: i: builtins.trace "step" (a + (if i == 2 then (generated "1").x else "-"))) "" [ 1 2 3 ]; }')
  assert.equal(r.session.sweep(), 'idle')
  assert.deepEqual(r.traces(), ['step', 'step'])
  answer(r, r.needs(), () => '{ x = "v"; }')
  assert.equal(r.session.sweep(), 'finished')
  assert.deepEqual(r.traces(), ['step', 'step', 'step'])
})

test('5,000 needs are held by one session', () => {
  const r = run('builtins.listToAttrs (builtins.genList (i: { name = "j${toString i}"; value = tiny "job" { value = (generated "g${toString i}").x; }; }) 5000)')
  assert.equal(r.session.sweep(), 'idle')
  assert.equal(r.session.progress().needsOutstanding, 5000)
  answer(r, r.needs(), () => '{ x = "v"; }')
  assert.equal(r.session.sweep(), 'finished')
  assert.equal(r.jobs().length, 5000)
})

test('a need that fails is an error of the attributes that need it, which name it', () => {
  const r = run('{ bad = tiny "bad" { value = (generated "1").x; }; good = tiny "good" { }; worse = tiny "worse" { value = (generated "1").x; }; }')
  assert.equal(r.session.sweep(), 'idle')
  assert.deepEqual(r.jobs(), ['good'])
  const [need] = r.needs()
  r.io.fail(need!.key, 'builder of g1 failed with exit code 1')
  r.session.answer([need!.key])
  assert.equal(r.session.sweep(), 'finished')
  assert.deepEqual(r.errors().map((e) => [e.attr, e.needs]), [['bad', [need!.key]], ['worse', [need!.key]]])
  assert.match(r.errors()[0]!.message, /builder of g1 failed/)
})

test('an error of the whole ends the session with a position', () => {
  const r = run('{ a = 1; b = unknown; }')
  assert.equal(r.session.sweep(), 'finished')
  const last = r.messages.at(-1)!
  assert.ok(last.kind === 'finished' && last.error !== undefined)
  assert.match(last.error.message, /undefined variable 'unknown'/)
  assert.equal(last.error.position?.line, 6)
})

test('attribute paths, arguments and nested sets', () => {
  const io = new MemoryIO()
  const jobs = '{ suffix, n ? 1 }: { group = { recurseForDerivations = true; a = tiny "a${suffix}" { }; skipped.b = tiny "b" { }; }; unmarked.c = tiny "c" { }; "dotted.name" = tiny "d" { }; list = [ (tiny "l0" { }) ]; }'
  const all = run(jobs, { arguments: { suffix: { kind: 'string', value: '-s' } } }, io)
  assert.equal(all.session.sweep(), 'finished')
  assert.deepEqual(all.jobs(), ['"dotted.name"', 'group.a', 'list.0'])
  const some = run(jobs, { arguments: { suffix: { kind: 'expression', value: '"x" + "y"' } }, attributes: ['group', 'unmarked', '"dotted.name"', 'list.0', 'nothing'] }, io)
  assert.equal(some.session.sweep(), 'finished')
  assert.deepEqual(some.jobs(), ['group.a', 'unmarked.c', '"dotted.name"', 'list.0'])
  assert.match(some.errors()[0]!.message, /attribute 'nothing' in selection path 'nothing' not found/)
})
