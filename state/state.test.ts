import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import { sql } from 'kysely'
import { testDatabase } from '../test/support/database.ts'
import { type FarmDatabase, openFarmDatabase } from './database.ts'
import { createEvaluation, endEvaluation, getEvaluation, recordDemands, recordEvaluated, recordJobErrors, recordJobs, setEvaluationState, unfinishedJobNodes } from './evaluations.ts'
import { addLogChunk, findLog, readLogChunks } from './logs.ts'
import { beginRuns, forgetPlan, markValid, nodeKeysOf, type NodeRecord, readNodes, readNodeWithInputs, recordPlanned, registerNodes } from './nodes.ts'
import { claimNode, endAttempt, endAttemptsOf, faultAmongInputs, nextAddress, recordOutcome } from './outcomes.ts'
import { unfinishedRuns } from './sweep.ts'
import { forgetWaiters, lostWaiters, registerWaiter, settled } from './waiters.ts'
import { registerWorker, serviceOf } from './workers.ts'

let database: FarmDatabase
before(async () => { database = openFarmDatabase({ url: (await testDatabase()).url, connections: 8 }) })
after(async () => { await database.close() })
beforeEach(async () => { await sql`truncate node, evaluation, waiter, worker restart identity cascade`.execute(database.db) })

const request = { source: { kind: 'derivations', drvPaths: [] }, attributes: [], arguments: {}, recurse: false, settings: {}, dryRun: false, priority: 3 } as const
const base = (name: string): string => `${'0'.repeat(32)}-${name}`
function record(name: string, inputs: readonly string[] = [], more: Partial<NodeRecord> = {}): NodeRecord {
  return {
    key: base(name), kind: 'derivation', name, system: 'x86_64-linux', features: [], drvPath: `/nix/store/${base(name)}.drv`, aliases: [],
    outputs: { out: base(name) }, fetch: null, fixed: false, substitutable: false, inputs: inputs.map(base), ...more,
  }
}
const succeeded = { status: 'succeeded', how: 'built' } as const
const failed = { status: 'failed', cause: { kind: 'builder-failed', exitCode: 1 }, cached: true } as const

test('registering a graph twice, or from two sides at once, gives one graph', async () => {
  const { db } = database
  const records = Array.from({ length: 200 }, (_, index) => record(`n${index}`, index === 0 ? [] : [`n${index - 1}`, `n${Math.floor(index / 2)}`]))
  await Promise.all([registerNodes(db, records, { priority: 3 }), registerNodes(db, [...records].reverse(), { priority: 2 }), registerNodes(db, records.slice(50, 150), { priority: 4 }).catch((error: unknown) => {
    // a part without the nodes it refers to can only follow the whole
    assert.match(String(error), /foreign key/)
  })])
  const { node, inputs } = (await readNodeWithInputs(db, base('n100')))!
  assert.equal(node.priority, 2)
  assert.equal(node.inputsKnown, true)
  assert.deepEqual(inputs.map((input) => input.key).sort(), [base('n50'), base('n99')])
  assert.equal((await nodeKeysOf(db, records.map((one) => one.drvPath!))).size, 200)
})

test('a run is begun by exactly one of several', async () => {
  const { db } = database
  await registerNodes(db, ['a', 'b', 'c'].map((name) => record(name)), { priority: 3 })
  const results = await Promise.all(Array.from({ length: 8 }, () => beginRuns(db, [base('a'), base('b'), base('c')])))
  const begun = results.flatMap((result) => result.begun)
  assert.deepEqual(begun.map((one) => [one.nodeKey, one.run]).sort(), [[base('a'), 1], [base('b'), 1], [base('c'), 1]])
  for (const result of results) assert.equal(result.begun.length + result.others.length, 3)
})

test('an outcome of a run that is over changes nothing, and of two commits the first wins', async () => {
  const { db } = database
  await registerNodes(db, [record('a')], { priority: 3 })
  const input = (await beginRuns(db, [base('a')])).begun[0]!
  const claim = await claimNode(db, input, 'w1')
  const second = await claimNode(db, input, 'w2')
  assert.deepEqual([claim!.number, second!.number], [1, 2])
  const results = await Promise.all([recordOutcome(db, input, { outcome: succeeded }), recordOutcome(db, input, { outcome: failed })])
  assert.equal(results.filter(Boolean).length, 1)
  assert.equal(await claimNode(db, input, 'w3'), undefined)
  assert.equal(await recordOutcome(db, { ...input, run: 0 }, { outcome: failed }), false)
})

test('a claim says what is to be done, and whether that is there already', async () => {
  const { db } = database
  const there = `${'1'.repeat(32)}-there`
  await sql`insert into path_info (hash, name, root, nar_hash, nar_size, references_to, signatures, ultimate) values (${'1'.repeat(32)}, 'there', '', sha256('there'), 1, '{}', '{}', true)`.execute(db)
  const records = [
    record('built'), record('fetched', [], { kind: 'fetch' }), record('substituted', [], { substitutable: true }),
    record('there', [], { outputs: { out: there } }), record('half', [], { outputs: { out: there, dev: base('half') } }), record('floating', [], { outputs: { out: null } }),
  ]
  await registerNodes(db, records, { priority: 3 })
  const found = new Map<string, readonly unknown[]>()
  for (const input of (await beginRuns(db, records.map(({ key }) => key))).begun) {
    const { step, valid, attemptId } = (await claimNode(db, input, 'w'))!
    const { rows: [attempt] } = await sql<{ step: string }>`select step from attempt where id = ${attemptId}`.execute(db)
    assert.equal(attempt!.step, step)
    found.set(input.nodeKey.slice(33), [step, valid])
  }
  assert.deepEqual(Object.fromEntries(found), {
    built: ['building', false], fetched: ['fetching', false], substituted: ['substituting', false],
    there: ['building', true], half: ['building', false], floating: ['building', false],
  })
  await sql`truncate path_info cascade`.execute(db)
})

test('a remembered failure is not begun again; one that is not remembered is', async () => {
  const { db } = database
  await registerNodes(db, [record('a'), record('b')], { priority: 3 })
  const { begun } = await beginRuns(db, [base('a'), base('b')])
  for (const input of begun) await recordOutcome(db, input, { outcome: input.nodeKey === base('a') ? failed : { ...failed, cached: false } })
  const again = await beginRuns(db, [base('a'), base('b')])
  assert.deepEqual(again.begun.map((one) => [one.nodeKey, one.run]), [[base('b'), 2]])
  assert.equal(again.others[0]!.outcome!.status, 'failed')
})

test('a node that succeeded is begun again where its outputs are gone, and left alone where they are there', async () => {
  const { db } = database
  await registerNodes(db, [record('gone'), { ...record('there'), outputs: { out: `${'1'.repeat(32)}-there` } }], { priority: 3 })
  for (const input of (await beginRuns(db, [base('gone'), base('there')])).begun) await recordOutcome(db, input, { outcome: succeeded })
  await sql`insert into path_info (hash, name, root, nar_hash, nar_size, references_to, signatures, ultimate) values (${'1'.repeat(32)}, 'there', '', sha256('there'), 1, '{}', '{}', true)`.execute(db)
  const { begun, others } = await beginRuns(db, [base('gone'), base('there')])
  assert.deepEqual(begun.map((one) => [one.nodeKey, one.run]), [[base('gone'), 2]])
  assert.deepEqual(others.map((one) => [one.nodeKey, one.state, one.outcome]), [[base('there'), 'succeeded', succeeded]])
  await sql`truncate path_info cascade`.execute(db)
})

test('who registers as waiter sees what ended before, and whoever records an outcome later finds the waiter', async () => {
  const { db } = database
  await registerNodes(db, [record('a'), record('b'), record('top', ['a', 'b'])], { priority: 3 })
  const { begun } = await beginRuns(db, [base('a'), base('b'), base('top')])
  const [a, b, top] = ['a', 'b', 'top'].map((name) => begun.find((one) => one.nodeKey === base(name))!)
  await recordPlanned(db, top!, 'waiting')
  assert.equal(await recordOutcome(db, a!, { outcome: succeeded }), true)
  const waiter = await registerWaiter(db, `node:${base('top')}`, 'all', [base('a'), base('b')])
  assert.notEqual(waiter, undefined)
  await recordOutcome(db, b!, { outcome: succeeded })
  const ready = await settled(db, [base('b')])
  assert.deepEqual(ready, [{ id: waiter, workflowId: `node:${base('top')}`, failed: false, priority: 3 }])
  assert.equal((await readNodes(db, [base('top')])).get(base('top'))!.state, 'queued')
  await forgetWaiters(db, [waiter!])
  assert.equal(await registerWaiter(db, `node:${base('top')}`, 'all', [base('a'), base('b')]), undefined)
})

test('who registers and looks between an outcome and its commit is found after the commit', async () => {
  const { db } = database
  await registerNodes(db, [record('a'), record('top', ['a'])], { priority: 3 })
  const { begun } = await beginRuns(db, [base('a'), base('top')])
  const waiter = await db.transaction().execute(async (trx) => {
    await recordOutcome(trx, begun.find((one) => one.nodeKey === base('a'))!, { outcome: succeeded })
    return await registerWaiter(db, `node:${base('top')}`, 'all', [base('a')])
  })
  assert.notEqual(waiter, undefined, 'it could not see the end yet')
  assert.deepEqual((await settled(db, [base('a')])).map((ready) => ready.id), [waiter])
})

test('waiters registered while outcomes are recorded are never lost', async () => {
  const { db } = database
  const names = Array.from({ length: 40 }, (_, index) => `n${index}`)
  await registerNodes(db, names.map((name) => record(name)), { priority: 3 })
  const { begun } = await beginRuns(db, names.map(base))
  const woken = new Set<string>()
  await Promise.all([
    ...names.map(async (_, index) => {
      const id = `test:${index}`
      if (await registerWaiter(db, id, index % 2 === 0 ? 'all' : 'any', names.slice(0, 1 + index).map(base)) === undefined) woken.add(id)
    }),
    ...begun.map(async (input) => {
      await recordOutcome(db, input, { outcome: succeeded })
      for (const ready of await settled(db, [input.nodeKey])) woken.add(ready.workflowId)
    }),
  ])
  assert.equal(woken.size, names.length)
})

test('a signal that was lost is found by the sweep', async () => {
  const { db } = database
  await registerNodes(db, [record('a'), record('b')], { priority: 3 })
  const { begun } = await beginRuns(db, [base('a'), base('b')])
  const all = await registerWaiter(db, 'evaluation:1', 'all', [base('a')])
  const any = await registerWaiter(db, 'evaluation:2', 'any', [base('a'), base('b')])
  assert.deepEqual(await lostWaiters(db, 0), [])
  await recordOutcome(db, begun.find((one) => one.nodeKey === base('a'))!, { outcome: succeeded })
  assert.deepEqual((await lostWaiters(db, 0)).sort(), [all, any].sort())
})

test('a failure names the node at fault, however far below', async () => {
  const { db } = database
  await registerNodes(db, [record('bad'), record('middle', ['bad']), record('top', ['middle'])], { priority: 3 })
  const { begun } = await beginRuns(db, ['bad', 'middle', 'top'].map(base))
  const of = (name: string) => begun.find((one) => one.nodeKey === base(name))!
  await recordOutcome(db, of('bad'), { outcome: failed })
  const cause = (await faultAmongInputs(db, base('middle')))!
  await recordOutcome(db, of('middle'), { outcome: { status: 'failed', cause, cached: false } })
  assert.deepEqual(await faultAmongInputs(db, base('top')), { kind: 'dependency-failed', node: base('bad'), buildId: of('bad').buildId, name: 'bad', cause: failed.cause })
})

test('a fixed output that failed by one derivation is tried by another', async () => {
  const { db } = database
  await registerNodes(db, [record('src', [], { fixed: true, aliases: ['/nix/store/other.drv'] })], { priority: 3 })
  const [input] = (await beginRuns(db, [base('src')])).begun
  const claim = await claimNode(db, input!, 'w')
  const first = claim!.drvPath!
  const cause = { kind: 'unreachable', urls: [], reason: 'x' } as const
  assert.equal(await nextAddress(db, input!, first, cause, false), '/nix/store/other.drv')
  await forgetPlan(db, input!)
  assert.equal(await nextAddress(db, input!, '/nix/store/other.drv', failed.cause, true), undefined)
  await recordOutcome(db, input!, { outcome: failed })
  assert.equal((await beginRuns(db, [base('src')])).begun.length, 0)
  // a third derivation of the same output has not been tried
  await registerNodes(db, [record('src', [], { fixed: true, drvPath: '/nix/store/third.drv' })], { priority: 3 })
  assert.equal((await beginRuns(db, [base('src')])).begun.length, 1)
  assert.equal((await readNodes(db, [base('src')])).get(base('src'))!.drvPath, '/nix/store/third.drv')
})

test('attempts of a worker that is gone are ended; the node waits for another', async () => {
  const { db } = database
  await registerNodes(db, [record('a')], { priority: 3 })
  const [input] = (await beginRuns(db, [base('a')])).begun
  await claimNode(db, input!, 'w')
  assert.equal(await endAttemptsOf(db, 'w'), 1)
  const claim = await claimNode(db, input!, 'w')
  await endAttempt(db, claim!.attemptId, { kind: 'exhausted', message: 'disk full' })
  assert.equal((await readNodes(db, [base('a')])).get(base('a'))!.state, 'queued')
  assert.deepEqual((await unfinishedRuns(db, 0)).map((run) => [run.nodeKey, run.run, run.planned]), [[base('a'), 1, false]])
})

test('an idempotency key gives the same evaluation', async () => {
  const { db } = database
  const results = await Promise.all([1, 2, 3].map(() => createEvaluation(db, request, { idempotencyKey: 'k' })))
  assert.equal(new Set(results.map((result) => result.evaluation.id)).size, 1)
  assert.equal(results.filter((result) => result.created).length, 1)
})

test('an evaluation ends by its jobs: errors and failures make it fail', async () => {
  const { db } = database
  const { evaluation: { id } } = await createEvaluation(db, request)
  await registerNodes(db, [record('a'), record('b')], { priority: 3, evaluationId: id })
  const job = (name: string) => ({ job: { attr: name, attrPath: [name], name, system: 'x86_64-linux', drvPath: `/nix/store/${base(name)}.drv`, outputs: { out: `/nix/store/${base(name)}` }, inputDrvs: {}, requiredSystemFeatures: [], meta: { text: 'nul \0 inside' } }, nodeKey: base(name), outputs: { out: base(name) } })
  await recordJobs(db, id, [job('a'), job('b')], { demand: true, priority: 3 })
  await recordJobs(db, id, [job('a')], { demand: true, priority: 3 })
  await recordEvaluated(db, id, ['a', 'b'])
  await setEvaluationState(db, id, 'building')
  const { begun } = await beginRuns(db, [base('a'), base('b')])
  assert.deepEqual((await unfinishedJobNodes(db, id)).sort(), [base('a'), base('b')])
  await recordOutcome(db, begun.find((one) => one.nodeKey === base('a'))!, { outcome: succeeded })
  await markValid(db, [base('b')])
  await recordOutcome(db, begun.find((one) => one.nodeKey === base('b'))!, { outcome: failed })
  await recordJobErrors(db, id, [{ attr: 'c', attrPath: ['c'], message: 'undefined variable', throughImport: false }])
  assert.equal(await endEvaluation(db, id), 'failed')
  assert.equal((await getEvaluation(db, id))!.error, '1 attribute could not be evaluated, 1 job failed')
  assert.equal(await setEvaluationState(db, id, 'building'), false)
})

test('demands are merged, not multiplied', async () => {
  const { db } = database
  const { evaluation: { id } } = await createEvaluation(db, request)
  await registerNodes(db, [record('a')], { priority: 3 })
  await recordDemands(db, id, 'import', [{ nodeKey: base('a'), outputs: ['out'] }, { nodeKey: base('a'), outputs: ['dev', 'out'] }], 2)
  await recordDemands(db, id, 'import', [{ nodeKey: base('a'), outputs: ['lib'] }], 2)
  const rows = await db.selectFrom('demand').selectAll().execute()
  assert.deepEqual(rows.map((row) => row.outputs), [['dev', 'lib', 'out']])
})

test('a log is read from any byte while it grows', async () => {
  const { db } = database
  await registerNodes(db, [record('a')], { priority: 3 })
  const [input] = (await beginRuns(db, [base('a')])).begun
  const claim = (await claimNode(db, input!, 'w'))!
  await addLogChunk(db, claim.attemptId, 0, 0, Buffer.from('hello\n'))
  await addLogChunk(db, claim.attemptId, 1, 6, Buffer.from('world\n'))
  const log = (await findLog(db, input!.buildId))!
  assert.deepEqual([log.bytes, log.ended, log.blob], [12, false, null])
  assert.deepEqual((await readLogChunks(db, log.attemptId, 6)).map((chunk) => Buffer.from(chunk.content).toString()), ['world\n'])
})

test('a worker serves a system with the features it has', async () => {
  const { db } = database
  await registerWorker(db, { id: 'w', host: 'h', systems: ['x86_64-linux'], features: ['kvm', 'big-parallel'], slots: 4 })
  assert.deepEqual(await serviceOf(db, 'x86_64-linux', ['kvm']), { live: true, known: true })
  assert.deepEqual(await serviceOf(db, 'x86_64-linux', ['nixos-test']), { live: false, known: false })
  await sql`update worker set seen_at = now() - interval '1 hour'`.execute(db)
  assert.deepEqual(await serviceOf(db, 'x86_64-linux', []), { live: false, known: true })
})
