import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import type { NodeOutcome } from '../../contract/nodes.ts'
import { cancelEvaluation } from '../../state/cancel.ts'
import type { EvaluationRow } from '../../state/evaluations.ts'
import { findLog } from '../../state/logs.ts'
import { retryBuild, retryEvaluation } from '../../state/retry.ts'
import { startTestFarm, type TestFarm } from '../support/farm.ts'
import { layeredGraph, type TestDerivation, TestGraph } from '../support/graph.ts'

let farm: TestFarm
before(async () => { farm = await startTestFarm() })
after(async () => { await farm.stop() })

function pick({ state, error }: EvaluationRow) {
  return { state, error }
}

/** Nodes that failed, for the message of an assertion. */
async function problems(): Promise<string> {
  return JSON.stringify(await farm.database.db.selectFrom('node').select(['name', 'outcome']).where('state', '=', 'failed').limit(3).execute())
}

interface Node { readonly id: number; readonly key: string; readonly state: string; readonly outcome: NodeOutcome | null; readonly attempts: number; readonly run: number }

async function node(derivation: TestDerivation): Promise<Node> {
  const { rows } = await sql<Node>`
    select n.id, n.key, n.state, n.outcome, n.run, (select count(*) from attempt a where a.node_id = n.id) as attempts
    from derivation d join node n on n.key = d.node_key where d.drv_path = ${derivation.drvPath}`.execute(farm.database.db)
  assert.ok(rows[0], `${derivation.derivation.name} is not registered`)
  return rows[0]
}

async function until(what: string, condition: () => Promise<boolean>, seconds = 30): Promise<void> {
  for (const end = Date.now() + seconds * 1000; Date.now() < end; await sleep(20)) if (await condition().catch(() => false)) return
  assert.fail(`${what} did not come true within ${seconds} s`)
}

async function submit(...derivations: readonly TestDerivation[]): Promise<number> {
  return await farm.submit({ source: { kind: 'derivations', drvPaths: derivations.map((one) => one.drvPath) } })
}

function isValid(path: string): Promise<boolean> {
  return farm.store.pathInfos.has([path.slice(11, 43)]).then((valid) => valid.size === 1)
}

test('a graph with shared inputs: every container runs once, however many evaluations want it', async () => {
  const graph = new TestGraph('shared')
  const top = layeredGraph(graph, { layers: 3, width: 4, fan: 2 })
  const second = graph.add({ name: 'second-top', script: 'echo 2 > $out', inputs: [top] })
  await graph.store(farm.store)
  const ids = await Promise.all([submit(top), submit(second)])
  for (const id of ids) assert.deepEqual(pick(await farm.ended(id)), { state: 'succeeded', error: null }, await problems())
  for (const one of graph.derivations.filter((each) => each.derivation.name !== 'unused')) {
    const { attempts, state } = await node(one).catch(() => ({ attempts: 0, state: 'not needed' }))
    assert.ok(state === 'not needed' || (attempts === 1 && state === 'succeeded'), `${one.derivation.name}: ${attempts} attempts, ${state}`)
  }
  assert.ok(await isValid(second.outputs['out']!))
  // a second time nothing runs, and nothing is even looked into
  const again = await submit(second)
  assert.equal((await farm.ended(again)).state, 'succeeded')
  assert.equal((await node(second)).attempts, 1)
  const caused = await farm.database.db.selectFrom('evaluation_node').where('evaluation_id', '=', again).select('node_key').execute()
  assert.equal(caused.length, 1)
})

test('a failure names the node at fault to everything above it, its siblings go on, and a retry revives what depended on it', async () => {
  const graph = new TestGraph('failing')
  const bad = graph.add({ name: 'bad', script: 'echo first line; echo the reason >&2; exit 3' })
  const sibling = graph.add({ name: 'sibling', script: 'sleep 1; echo fine > $out' })
  const middle = graph.add({ name: 'middle', script: 'echo m > $out', inputs: [bad, sibling] })
  const top = graph.add({ name: 'top', script: 'echo t > $out', inputs: [middle] })
  const other = graph.add({ name: 'other', script: 'echo o > $out' })
  await graph.store(farm.store)
  const id = await submit(top, other)
  assert.deepEqual(pick(await farm.ended(id)), { state: 'failed', error: '1 job failed' })
  assert.ok(await isValid(sibling.outputs['out']!) && await isValid(other.outputs['out']!))
  const fault = await node(bad)
  assert.deepEqual(fault.outcome, { status: 'failed', cause: { kind: 'builder-failed', exitCode: 3 }, cached: true, logTail: ['first line', 'the reason'] })
  const cause = { kind: 'dependency-failed', node: fault.key, buildId: fault.id, name: 'bad', cause: { kind: 'builder-failed', exitCode: 3 } }
  for (const above of [middle, top]) assert.deepEqual((await node(above)).outcome, { status: 'failed', cause, cached: false })
  assert.equal((await node(top)).attempts, 0)
  const log = (await findLog(farm.database.db, fault.id))!
  assert.deepEqual([log.ended, log.bytes], [true, Buffer.byteLength('first line\nthe reason\n')])
  assert.notEqual(log.blob, null)

  // remembered: asked again it fails at once
  const again = await submit(top)
  assert.equal((await farm.ended(again)).state, 'failed')
  assert.equal((await node(bad)).attempts, 1)

  const retried = await retryBuild(farm.database.db, farm.motion, (await node(top)).id)
  assert.deepEqual([...retried.builds].sort(), [fault.id, (await node(middle)).id, (await node(top)).id].sort())
  assert.equal((await farm.ended(id)).state, 'failed')
  await until('a second attempt', async () => (await node(bad)).attempts === 2)
  await farm.ended(again)
  const evaluationRetry = await retryEvaluation(farm.database.db, farm.motion, id)
  assert.ok(evaluationRetry.builds.includes(fault.id))
  assert.equal((await farm.ended(id)).state, 'failed')
  assert.equal((await node(bad)).attempts, 3)
})

test('of two evaluations one is cancelled: what only it wanted stops, the other is not touched', async () => {
  const graph = new TestGraph('cancelled')
  const shared = graph.add({ name: 'shared', script: 'sleep 3; echo s > $out' })
  const mine = graph.add({ name: 'mine', script: 'sleep 60; echo m > $out' })
  const first = graph.add({ name: 'first', script: 'echo 1 > $out', inputs: [shared, mine] })
  const second = graph.add({ name: 'second', script: 'echo 2 > $out', inputs: [shared] })
  await graph.store(farm.store)
  const [cancelled, kept] = await Promise.all([submit(first), submit(second)])
  await until('both run', async () => (await node(mine)).state === 'running' && (await node(shared)).state === 'running')
  const { stopped } = await cancelEvaluation(farm.database.db, farm.motion, cancelled)
  assert.deepEqual([...stopped].sort(), [(await node(first)).id, (await node(mine)).id].sort())
  await assert.rejects(cancelEvaluation(farm.database.db, farm.motion, cancelled), { kind: 'conflict' })
  assert.equal((await farm.ended(kept)).state, 'succeeded')
  assert.equal((await node(shared)).attempts, 1)
  assert.deepEqual((await node(mine)).outcome, { status: 'failed', cause: { kind: 'cancelled', reason: 'nobody wants it any more' }, cached: false })

  // a cancelled node that is wanted again starts again
  const again = await submit(mine)
  await until('it runs again', async () => (await node(mine)).state === 'running' && (await node(mine)).run === 2)
  await cancelEvaluation(farm.database.db, farm.motion, again)
})

test('two derivations of one fixed output share a node, and another address is tried where one fails', async () => {
  const graph = new TestGraph('fixed')
  const hash = 'sha256-LCa0a2j/xo/5m0U8HTBBNBNCLXBkg7+g+YpeiGJm564=' // of "foo"
  const bad = graph.add({ name: 'source', script: 'echo -n bar > $out', fixed: hash, env: { url: 'http://a' } })
  const good = graph.add({ name: 'source', script: 'echo -n foo > $out', fixed: hash, env: { url: 'http://b' } })
  const userOfBad = graph.add({ name: 'user', script: 'echo u > $out', inputs: [bad] })
  const userOfGood = graph.add({ name: 'user', script: 'echo u > $out', inputs: [good] })
  assert.equal(bad.outputs['out'], good.outputs['out'])
  assert.equal(userOfBad.outputs['out'], userOfGood.outputs['out'])
  assert.notEqual(userOfBad.drvPath, userOfGood.drvPath)
  await graph.store(farm.store)
  const alone = await submit(bad)
  assert.equal((await farm.ended(alone)).state, 'failed')
  assert.equal((await node(bad)).outcome?.status === 'failed' && (await node(bad)).attempts, 1)
  const both = await submit(userOfBad, userOfGood)
  assert.deepEqual(pick(await farm.ended(both)), { state: 'succeeded', error: null }, await problems())
  assert.equal((await node(good)).attempts, 2)
  assert.equal((await node(userOfBad)).attempts, 1)
})

test('outputs are checked: a missing one, and a hash that differs', async () => {
  const graph = new TestGraph('checked')
  const missing = graph.add({ name: 'missing', script: 'echo out > $out', outputs: ['out', 'dev'] })
  const wrong = graph.add({ name: 'wrong', script: 'echo -n bar > $out', fixed: 'sha256-LCa0a2j/xo/5m0U8HTBBNBNCLXBkg7+g+YpeiGJm564=' })
  await graph.store(farm.store)
  assert.equal((await farm.ended(await submit(missing, wrong))).error, '2 jobs failed')
  assert.deepEqual((await node(missing)).outcome, { status: 'failed', cause: { kind: 'output-missing', outputs: ['dev'] }, cached: true, logTail: [] })
  const outcome = (await node(wrong)).outcome
  assert.ok(outcome?.status === 'failed' && outcome.cause.kind === 'hash-mismatch' && outcome.cause.got.startsWith('sha256-'))
  assert.ok(!await isValid(missing.outputs['out']!))
})

test('floating content-addressed outputs get their path from what was built', async () => {
  const graph = new TestGraph('floating')
  const one = graph.add({ name: 'ca', script: 'echo content > $out', floating: true })
  await graph.store(farm.store)
  assert.deepEqual(pick(await farm.ended(await submit(one))), { state: 'succeeded', error: null }, await problems())
  const [realisation] = await farm.database.db.selectFrom('realisation').selectAll().where('drv_path', '=', one.drvPath).execute()
  assert.match(realisation!.base_name, /^[0-9a-z]{32}-ca$/)
  assert.ok(await isValid(`/nix/store/${realisation!.base_name}`))
})

test('a system that no worker serves fails after a limit, saying so', async () => {
  const graph = new TestGraph('foreign')
  const foreign = graph.add({ name: 'foreign', script: 'echo > $out', system: 'riscv64-linux' })
  await graph.store(farm.store)
  assert.equal((await farm.ended(await submit(foreign))).state, 'failed')
  assert.deepEqual((await node(foreign)).outcome, { status: 'failed', cause: { kind: 'no-worker', system: 'riscv64-linux', features: [], seconds: 5 }, cached: false })
})

test('a derivation that is not in the store is an error of its job', async () => {
  const id = await farm.submit({ source: { kind: 'derivations', drvPaths: [`/nix/store/${'1'.repeat(32)}-absent.drv`] } })
  assert.equal((await farm.ended(id)).error, '1 attribute could not be evaluated')
})
