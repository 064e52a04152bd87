import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { startTestFarm, type TestFarm } from '../support/farm.ts'
import { type TestDerivation, TestGraph } from '../support/graph.ts'

let farm: TestFarm
before(async () => { farm = await startTestFarm() })
after(async () => { await farm.stop() })

async function until(what: string, condition: () => Promise<boolean> | boolean, seconds = 60): Promise<void> {
  for (const end = Date.now() + seconds * 1000; Date.now() < end; await sleep(20)) if (await condition()) return
  assert.fail(`${what} did not come true within ${seconds} s`)
}

async function stateOf(derivation: TestDerivation): Promise<string | undefined> {
  return (await farm.database.db.selectFrom('node').select('state').where('drv_path', '=', derivation.drvPath).executeTakeFirst())?.state
}

async function attemptsOf(derivation: TestDerivation): Promise<number> {
  return (await farm.database.db.selectFrom('attempt as a').innerJoin('node as n', 'n.id', 'a.node_id').select('a.id').where('n.drv_path', '=', derivation.drvPath).execute()).length
}

async function submit(...derivations: readonly TestDerivation[]): Promise<number> {
  return await farm.submit({ source: { kind: 'derivations', drvPaths: derivations.map((one) => one.drvPath) } })
}

/** Mounts and folders of builds; the driver keeps folders of its own, which are empty or named for what all builds share. */
function leftovers(): string[] {
  const builds = farm.settings.builder.folder
  const mounts = readFileSync('/proc/mounts', 'utf8').split('\n').filter((line) => line.includes(farm.home))
  const folders = existsSync(builds) ? readdirSync(builds).filter((name) => name !== 'shared').map((name) => join(builds, name)) : []
  return [...mounts, ...folders.filter((folder) => readdirSync(folder).length > 0)]
}

/** Shells of builds whose script holds a mark. */
function processesWith(mark: string): number {
  return execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' }).split('\n').filter((line) => line.includes(mark) && line.includes('-c') && !line.startsWith('ps ')).length
}

test('a worker killed in the middle of a build: another goes on, and nothing of the dead one is left', async () => {
  const graph = new TestGraph('killed worker')
  const slow = graph.add({ name: 'slow', script: 'sleep 20; echo firn-mark-killed > $out' })
  const hung = graph.add({ name: 'hung', script: 'sleep 3; echo h > $out' })
  const top = graph.add({ name: 'top', script: 'echo t > $out', inputs: [slow, hung] })
  await graph.store(farm.store)
  const id = await submit(top)
  await until('both run', async () => await stateOf(slow) === 'running' && await stateOf(hung) === 'running')
  await farm.worker.kill()
  assert.equal((await farm.store.pathInfos.has([slow, hung, top].map((one) => one.outputs['out']!.slice(11, 43)))).size, 0)
  const before = processesWith('firn-mark-killed')
  await farm.startWorker()
  await until('it runs again', async () => await stateOf(slow) === 'running' && await attemptsOf(slow) === 2)
  await until('the new container runs', () => processesWith('firn-mark-killed') > 0)
  assert.equal(processesWith('firn-mark-killed'), 1, `one container and no more; ${before} outlived the worker`)
  assert.equal((await farm.ended(id, 120)).state, 'succeeded')
  const attempts = await farm.database.db.selectFrom('attempt as a').innerJoin('node as n', 'n.id', 'a.node_id').select(['n.name', 'a.outcome']).orderBy('a.id').execute()
  assert.equal(attempts.length, 5)
  assert.equal(attempts.filter((one) => one.outcome?.status === 'fault').length, 2)
  assert.deepEqual(leftovers(), [])
})

test('Temporal is killed and comes back: everything goes on', async () => {
  const graph = new TestGraph('killed temporal')
  const low = graph.add({ name: 'low', script: 'sleep 2; echo l > $out' })
  const top = graph.add({ name: 'top', script: 'echo t > $out', inputs: [low] })
  await graph.store(farm.store)
  const id = await submit(top)
  await until('it runs', async () => await stateOf(low) === 'running')
  await farm.temporal.kill()
  await sleep(3000)
  await farm.temporal.start()
  assert.equal((await farm.ended(id, 120)).state, 'succeeded')
})

test('Temporal loses its database: what Postgres knows to be unfinished is started again', async () => {
  const graph = new TestGraph('empty temporal')
  const low = graph.add({ name: 'low', script: 'sleep 3; echo l > $out' })
  const other = graph.add({ name: 'other', script: 'sleep 3; echo o > $out' })
  const top = graph.add({ name: 'top', script: 'echo t > $out', inputs: [low, other] })
  await graph.store(farm.store)
  const id = await submit(top)
  await until('it runs', async () => await stateOf(low) === 'running')
  await farm.temporal.kill()
  await farm.temporal.start({ empty: true })
  assert.equal((await farm.ended(id, 150)).state, 'succeeded')
})
