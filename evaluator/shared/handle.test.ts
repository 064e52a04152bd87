/** Evaluations that several processes share: what they say together is what one says alone. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, test } from 'node:test'
import type { EvaluationRequest, EvaluationSettings, EvaluatorMessage, Need, NeedAnswer } from '../../contract/evaluations.ts'
import { FirnError } from '../../contract/errors.ts'
import { spawnEvaluator, type EvaluatorHandle } from '../spawn.ts'
import { SharedEvaluator } from './handle.ts'

const SETTINGS: EvaluationSettings = {
  currentSystem: 'x86_64-linux', nixVersion: '2.26.0', mode: 'impure', allowedUris: [], allowedPaths: [], searchPath: [], allowImportFromDerivation: true, showTrace: false,
}
const REQUEST: Omit<EvaluationRequest, 'source'> = { attributes: [], arguments: {}, recurse: true, settings: {}, dryRun: true, priority: 0 }

let folder: string
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'firn-shared-'))
  mkdirSync(join(folder, 'answers'))
})
after(() => rmSync(folder, { recursive: true, force: true }))

const started: EvaluatorHandle[] = []
/** A test that fails leaves nothing running. */
afterEach(() => Promise.all(started.splice(0).map((evaluator) => evaluator.stop())))

function begun<Evaluator extends EvaluatorHandle>(evaluator: Evaluator): Evaluator {
  started.push(evaluator)
  return evaluator
}

const alone = (): EvaluatorHandle => begun(spawnEvaluator())
/** All there from the start, so that each has its part of small sets too. */
const together = (processes = 2): SharedEvaluator => begun(new SharedEvaluator({ processes, spawn: () => spawnEvaluator(), worth: { attributes: 0, milliseconds: 0 } }))

interface Options {
  readonly request?: Partial<EvaluationRequest>
  readonly keep?: boolean
  readonly journal?: Record<string, unknown>
  readonly each?: (message: EvaluatorMessage) => void
}

/** One evaluation; the process may be asked for more if it is kept. */
async function evaluate(evaluator: EvaluatorHandle, text: string, { request, keep = false, journal = {}, each = () => undefined }: Options = {}): Promise<EvaluatorMessage[]> {
  await evaluator.send({ kind: 'start', request: { ...REQUEST, source: { kind: 'expression', text, basePath: folder }, ...request }, settings: SETTINGS, localStore: join(folder, 'store'), journal, keep })
  const messages: EvaluatorMessage[] = []
  for await (const message of evaluator.messages) {
    messages.push(message)
    each(message)
    if (message.kind === 'finished') break
  }
  if (!keep) await evaluator.ended
  return messages
}

function only<Kind extends EvaluatorMessage['kind']>(messages: readonly EvaluatorMessage[], kind: Kind): Extract<EvaluatorMessage, { readonly kind: Kind }>[] {
  return messages.filter((message): message is Extract<EvaluatorMessage, { readonly kind: Kind }> => message.kind === kind)
}

/** Everything that is found and stored, in an order of its own. */
function found(messages: readonly EvaluatorMessage[]): string[] {
  return messages.filter(({ kind }) => ['job', 'job-error', 'source', 'text', 'derivation', 'trace', 'finished'].includes(kind)).map((message) => JSON.stringify(message)).sort()
}

const TINY = 'tiny = name: more: derivation ({ inherit name; system = "x86_64-linux"; builder = "/b"; } // more); many = prefix: more: builtins.listToAttrs (builtins.genList (i: { name = "${prefix}${toString i}"; value = tiny "${prefix}${toString i}" (more i); }) 40);'
const SET = `let ${TINY} common = builtins.trace "common" (tiny "common" { src = ./source; text = builtins.toFile "text" "y"; });
in { suffix ? "" }: many "top" (i: { inherit common; }) // {
  group = many "g" (i: { n = i; }) // { recurseForDerivations = true; deep = many "d" (i: { inherit suffix; }) // { recurseForDerivations = true; }; };
  unmarked = many "u" (i: { });
  "dotted.name" = tiny "dotted" { };
  "ünïcode" = many "ü" (i: { }) // { recurseForDerivations = true; };
  list = [ (tiny "first" { }) [ (tiny "second" { }) ] ];
  broken = throw "it is broken";
  number = 1;
  function = { suffix ? "none" }: tiny "f\${suffix}" { };
}`

test('several processes say what one says: jobs, errors, content and traces, each once', async () => {
  writeFileSync(join(folder, 'source'), 'x')
  for (const request of [{ arguments: { suffix: { kind: 'string', value: 'x' } } }, { attributes: ['group', 'top1', 'list', 'missing'] }, { jobs: { meta: true, walk: 'all' } }] satisfies Partial<EvaluationRequest>[]) {
    const one = await evaluate(alone(), SET, { request })
    const several = [await evaluate(together(), SET, { request }), await evaluate(together(3), SET, { request })]
    for (const messages of several) {
      assert.deepEqual(found(messages), found(one))
      assert.equal(messages.at(-1)?.kind, 'finished')
      assert.deepEqual({ ...only(messages, 'progress').at(-1), busySeconds: 0 }, { ...only(one, 'progress').at(-1), busySeconds: 0 })
    }
    assert.ok(only(one, 'job').length > 40 || 'attributes' in request)
  }
})

test('content comes before what refers to it, whichever process made either', async () => {
  const known = new Set<string>()
  await evaluate(together(), SET, {
    each: (message) => {
      if (message.kind === 'source' || message.kind === 'text') known.add(message.storePath)
      if (message.kind === 'job') assert.ok(known.has(message.job.drvPath), message.job.attr)
      if (message.kind !== 'derivation') return
      for (const reference of message.references) assert.ok(known.has(reference), `${message.drvPath} refers to ${reference}`)
      known.add(message.drvPath)
    },
  })
  assert.ok(known.size > 100)
})

test('an error of the whole is told once, and a small set needs no second process', async () => {
  const failed = await evaluate(together(), '{ a = 1; b = unknown; }')
  assert.deepEqual(found(failed), found(await evaluate(alone(), '{ a = 1; b = unknown; }')))
  const small = begun(new SharedEvaluator({ processes: 2, spawn: () => spawnEvaluator() }))
  await evaluate(small, '{ a = derivation { name = "a"; system = "x"; builder = "/b"; }; }')
  assert.equal(small.processIds.length, 1)
})

/** Answers needs after a while, a few at a time, in another order. */
function answering(evaluator: EvaluatorHandle, outputs: ReadonlyMap<string, string>, content: (name: string) => string): { each: (message: EvaluatorMessage) => void; asked: Need[] } {
  const asked: Need[] = []
  const waiting: NeedAnswer[] = []
  const written = new Map<string, string>(outputs)
  return {
    asked,
    each: (message) => {
      if (message.kind === 'derivation') written.set(message.drvPath, /\("out","([^"]+)"/.exec(Buffer.from(message.aterm).toString('latin1'))![1]!)
      if (message.kind === 'needs') {
        for (const need of message.needs) {
          assert.ok(need.kind === 'realise')
          asked.push(need)
          const storePath = written.get(need.drvPath)
          assert.ok(storePath !== undefined, `${need.drvPath} is wanted before it is there`)
          const localPath = join(folder, 'answers', storePath.slice('/nix/store/'.length))
          writeFileSync(localPath, content(storePath.slice(44)))
          waiting.unshift({ key: need.key, ok: true, storePath, localPath })
        }
      }
      if (message.kind === 'idle') void evaluator.send({ kind: 'answers', answers: waiting.splice(0, 3) })
    },
  }
}

test('imports that are answered late: each need is told once, and all go on with it', async () => {
  const text = `let ${TINY} generated = name: tiny name { }; shared = builtins.trace "shared" (import (generated "shared"));
    in builtins.listToAttrs (builtins.genList (i: { name = "job\${toString i}"; value = tiny "\${shared}-\${import (generated "g\${toString (i / 4)}")}-\${toString i}" { }; }) 60)`
  const results: string[][] = []
  for (const evaluator of [alone(), together()]) {
    const { each, asked } = answering(evaluator, new Map(), (name) => `"built-${name}"`)
    const messages = await evaluate(evaluator, text, { each })
    const keys = asked.map(({ key }) => key)
    assert.equal(new Set(keys).size, keys.length)
    assert.equal(keys.length, 16)
    assert.equal(only(messages, 'job').length, 60)
    assert.equal(only(messages, 'progress').at(-1)?.needsOutstanding, 0)
    results.push(found(messages).filter((line) => !line.includes('"trace"')))
  }
  assert.deepEqual(results[1], results[0])
})

test('an import for the value as a whole is answered to all, and a failed one fails alike', async () => {
  const text = `let ${TINY} names = import (tiny "names" { }); in builtins.trace "whole" (builtins.listToAttrs (map (name: { inherit name; value = if name == "x" then import (tiny "failing" { }) else tiny name { }; }) names))`
  const results: string[][] = []
  for (const evaluator of [alone(), together()]) {
    const { each } = answering(evaluator, new Map(), (name) => (name === 'failing' ? 'throw "as it was built"' : `[ "x" ${Array.from({ length: 60 }, (_, i) => `"n${i}"`).join(' ')} ]`))
    const messages = await evaluate(evaluator, text, { each })
    assert.deepEqual(only(messages, 'trace').map((message) => message.text), ['whole'])
    results.push(found(messages))
  }
  assert.deepEqual(results[1], results[0])
  assert.equal(results[0]!.length, 60 + 60 + 5)
})

test('aggregates are completed from what all processes found', async () => {
  const text = `let ${TINY} in many "job" (i: { }) // {
    all = tiny "all" { _hydraAggregate = true; _hydraGlobConstituents = true; constituents = [ "job*" "two" ]; };
    two = tiny "two" { _hydraAggregate = true; constituents = [ "job1" "job30" ]; };
    above = tiny "above" { _hydraAggregate = true; constituents = [ "two" ]; };
    wrong = tiny "wrong" { _hydraAggregate = true; constituents = [ "nothing" ]; };
    z = tiny "z" { };
  }`
  const one = found(await evaluate(alone(), text))
  assert.deepEqual(found(await evaluate(together(), text)), one)
  // what was lent for the aggregates is no memory: it is made when it is wanted
  const kept = together()
  await evaluate(kept, text, { keep: true })
  const other = text.replace('many "job"', 'let own = many "job" (i: { }); in builtins.mapAttrs (name: job: tiny "other" { inherit job; }) own // many "job"')
  const again = await evaluate(kept, other, { keep: true })
  assert.deepEqual(only(again, 'job').map((message) => JSON.stringify(message.job)).sort(), only(await evaluate(alone(), other), 'job').map((message) => JSON.stringify(message.job)).sort())
  await kept.stop()
})

test('all processes go by one time, which is recorded once if somebody asked', async () => {
  const text = `let ${TINY} in many "t" (i: { time = toString builtins.currentTime; })`
  const evaluator = together()
  const messages = await evaluate(evaluator, text)
  const [record, ...more] = only(messages, 'journal')
  assert.deepEqual(more, [])
  assert.equal(record?.key, 'current-time')
  assert.deepEqual(found(messages), found(await evaluate(alone(), text, { journal: { 'current-time': record.value } })))
  assert.deepEqual(only(await evaluate(together(), `let ${TINY} in many "t" (i: { })`), 'journal'), [])
})

test('processes that are kept evaluate again, each what it had, and only what changed', async () => {
  const file = join(folder, 'kept.nix')
  const write = (text: string): void => writeFileSync(file, `let ${TINY} in many "job" (i: { n = builtins.trace "job \${toString i}" i; }) // { own = tiny "${text}" { }; }`)
  const evaluator = together()
  const request: Partial<EvaluationRequest> = { source: { kind: 'file', path: file } }
  const jobs = (messages: readonly EvaluatorMessage[]): string[] => only(messages, 'job').map(({ job }) => `${job.attr} ${job.drvPath}`).sort()
  write('first')
  const first = await evaluate(evaluator, '', { request, keep: true })
  const same = await evaluate(evaluator, '', { request, keep: true })
  assert.deepEqual(jobs(same), jobs(first))
  assert.deepEqual([only(first, 'derivation').length, only(same, 'derivation').length], [41, 0])
  write('second')
  const changed = await evaluate(evaluator, '', { request, keep: true })
  assert.deepEqual(jobs(changed), jobs(await evaluate(alone(), '', { request })))
  assert.deepEqual(only(changed, 'derivation').length, 1)
  for (const messages of [first, same, changed]) assert.equal(only(messages, 'trace').length, 40)
  const processes = evaluator.processIds
  await evaluator.stop()
  await evaluator.ended
  for (const processId of processes) assert.throws(() => process.kill(processId!, 0))
})

test('an evaluation that ends while a process is busy leaves nothing for the next', async () => {
  const evaluator = together()
  // the first fails at once, the second is still at what it prepares
  for (let i = 0; i < 3; i++) {
    await evaluate(evaluator, `let ${TINY} in many "a" (i: { n = ${i}; }) // { slow = builtins.foldl' builtins.add 0 (builtins.genList (x: x) 300000); }`, { keep: true })
    const failed = await evaluate(evaluator, `if builtins.foldl' builtins.add 0 (builtins.genList (x: x) 100000) > ${i} then throw "no" else { }`, { keep: true })
    assert.deepEqual(found(failed).length, 1)
    assert.match(only(failed, 'finished')[0]?.error?.message ?? '', /no/)
  }
  await evaluator.stop()
})

const SLOW = `let ${TINY} in many "a" (i: { n = builtins.foldl' builtins.add i (builtins.genList (x: x) 1000000); })`

test('if one process dies all end, and it is told how', async () => {
  const evaluator = together()
  let killed = false
  const messages: EvaluatorMessage[] = []
  await evaluator.send({ kind: 'start', request: { ...REQUEST, source: { kind: 'expression', text: SLOW, basePath: folder } }, settings: SETTINGS, localStore: join(folder, 'store'), journal: {}, keep: true })
  for await (const message of evaluator.messages) {
    messages.push(message)
    if (message.kind === 'job' && !killed) {
      killed = true
      process.kill(evaluator.processIds[1]!, 'SIGKILL')
    }
  }
  await assert.rejects(evaluator.ended, (error) => error instanceof FirnError && error.kind === 'killed' && error.message.includes('SIGKILL'))
  assert.deepEqual(only(messages, 'finished'), [])
  for (const processId of evaluator.processIds) assert.throws(() => process.kill(processId!, 0))
})

test('a process beyond its memory is told so', async () => {
  const hungry = 'builtins.deepSeq (builtins.foldl\' (all: n: all ++ [ (builtins.genList (i: i * n) 100000) ]) [ ] (builtins.genList (n: n) 100000)) 1'
  const evaluator = begun(new SharedEvaluator({ processes: 2, spawn: () => spawnEvaluator({ memoryMegabytes: 64 }), worth: { attributes: 0, milliseconds: 0 } }))
  await assert.rejects(evaluate(evaluator, `{ a = ${hungry}; b = 1; }`), (error) => error instanceof FirnError && error.kind === 'exhausted')
})
