/** Turns of jobsets and of bumped builds, as a real Temporal deals them out: workflows, planner and rows are the farm's; only what a build does is not. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import { Client, Connection } from '@temporalio/client'
import { NativeConnection, Worker } from '@temporalio/worker'
import { RealisePlanner } from '../../activities/realise-plans.ts'
import { settingsSchema } from '../../config/settings.ts'
import { buildQueue, nodeWorkflowId, WORKFLOW_QUEUE } from '../../contract/queues.ts'
import type { NodeActivities, NodeInput } from '../../contract/workflows.ts'
import { freePort } from '../../infra/embedded/ports.ts'
import { startTemporal } from '../../infra/embedded/temporal.ts'
import { bumpBuild } from '../../state/bump.ts'
import { type FarmDatabase, openFarmDatabase } from '../../state/database.ts'
import { announce, type Motion, motionOf } from '../../state/motion.ts'
import { beginRuns, readNodes, readNodeWithInputs, recordPlanned, registerNodes } from '../../state/nodes.ts'
import { recordOutcome } from '../../state/outcomes.ts'
import { registerWaiter } from '../../state/waiters.ts'
import { registerWorker } from '../../state/workers.ts'
import { workflowBundle } from '../../worker/bundle.ts'
import { testCacheFolder } from '../support/cache.ts'
import { testDatabase } from '../support/database.ts'

const SYSTEM = 'x86_64-linux'
const PER_JOBSET = 60
/** Temporal's number for the kind of a queue. */
const ACTIVITY_TASKS = 2

let database: FarmDatabase
let motion: Motion
let planner: RealisePlanner
let connection: Connection
let startBuilder: () => Promise<void>
const closing: (() => Promise<unknown>)[] = []
/** Builds in the order in which they were begun, and what lets the running one go on. */
const begun: string[] = []
let free = Promise.resolve()
let held: (() => void) | undefined

function hold(): void {
  free = new Promise((resolve) => { held = resolve })
}

before(async () => {
  const { url } = await testDatabase()
  database = openFarmDatabase({ url, connections: 8 })
  const folder = await mkdtemp(join(tmpdir(), 'firn-shares-'))
  const port = await freePort()
  const server = await startTemporal({ databaseFile: join(folder, 'temporal.db'), port, namespace: 'default', logFile: join(folder, 'temporal.log') })
  connection = await Connection.connect({ address: `127.0.0.1:${port}` })
  motion = motionOf(new Client({ connection }), () => connection.close())
  const native = await NativeConnection.connect({ address: `127.0.0.1:${port}` })
  closing.push(() => rm(folder, { recursive: true, force: true }), () => server.stop(), () => database.close(), () => native.close(), () => motion.close())
  const settings = settingsSchema({ home: folder, cores: 2, memoryBytes: 2 ** 32, system: SYSTEM, hostName: 'test' }).parse({})
  planner = new RealisePlanner(database.db, settings.limits)
  await registerWorker(database.db, { id: 'w1', host: 'here', systems: [SYSTEM], features: [], slots: 1 })

  const activities: Pick<NodeActivities, 'planNode' | 'realiseNode'> = {
    async planNode(input) {
      const { node, inputs, evaluationId } = (await readNodeWithInputs(database.db, input.nodeKey))!
      const plan = await planner.planOf(node, evaluationId)
      await recordPlanned(database.db, input, inputs.length === 0 ? 'queued' : 'waiting')
      if (inputs.length === 0) return { kind: 'realise', plan }
      return { kind: 'wait', waiter: (await registerWaiter(database.db, nodeWorkflowId(input.nodeKey), 'all', inputs.map((one) => one.key)))!, plan, startInputs: false }
    },
    async realiseNode(input) {
      begun.push(input.nodeKey.slice(33))
      await free
      await recordOutcome(database.db, input, { outcome: { status: 'succeeded', how: 'built' } })
      await announce(database.db, motion, [input.nodeKey])
      return { status: 'succeeded', how: 'built' }
    },
  }
  const run = async (options: Parameters<typeof Worker.create>[0]): Promise<void> => {
    const worker = await Worker.create({ connection: native, namespace: 'default', ...options })
    const running = worker.run()
    closing.push(async () => { worker.shutdown(); await running })
  }
  await run({ taskQueue: WORKFLOW_QUEUE, workflowBundle: await workflowBundle(testCacheFolder(), { traced: false }), activities })
  hold()
  startBuilder = () => run({ taskQueue: buildQueue(SYSTEM, []), activities, maxConcurrentActivityTaskExecutions: 1, maxConcurrentActivityTaskPolls: 1 })
})
after(async () => {
  held?.()
  for (const close of closing.reverse()) await close()
})

const base = (name: string): string => `${'0'.repeat(32)}-${name}`

async function evaluationOf(jobset: string, shares: number): Promise<number> {
  const { rows } = await sql<{ id: number }>`
    with p as (insert into project (name, display_name) values (${jobset}, ${jobset}) returning id),
    s as (insert into jobset (project_id, name, source, shares) select id, ${jobset}, '{"kind": "expression", "input": "src", "file": ""}', ${shares} from p returning id)
    insert into evaluation (request, state, jobset_id) select '{}', 'building', id from s returning id`.execute(database.db)
  return rows[0]!.id
}

/** Registers and begins nodes that need nothing, as an evaluation's plan does. */
async function begin(names: readonly string[], evaluationId: number): Promise<void> {
  const { db } = database
  await registerNodes(db, names.map((name) => ({ key: base(name), kind: 'derivation', name, system: SYSTEM, features: [], drvPath: `/nix/store/${base(name)}.drv`, aliases: [], outputs: { out: base(name) }, fetch: null, fixed: false, substitutable: false, inputs: [] })), { priority: 3, evaluationId })
  const { begun: runs } = await beginRuns(db, names.map(base), names.map(base))
  await motion.startNodes(await Promise.all(runs.map(async ({ nodeKey, buildId, run, priority, ...node }) => ({ nodeKey, buildId, run, priority, plan: await planner.planOf({ ...node, priority }, evaluationId) }))))
}

/** Until so many tasks are in the queue of builds. */
async function queued(count: number): Promise<void> {
  let found = 0
  for (const end = Date.now() + 30_000; Date.now() < end; await sleep(50)) {
    const { stats } = await connection.workflowService.describeTaskQueue({ namespace: 'default', taskQueue: { name: buildQueue(SYSTEM, []) }, taskQueueType: ACTIVITY_TASKS, reportStats: true })
    found = Number(stats?.approximateBacklogCount ?? 0)
    if (found >= count) return
  }
  assert.fail(`${found} of ${count} tasks came into the queue`)
}

async function waitFor(count: number): Promise<void> {
  for (const end = Date.now() + 60_000; begun.length < count; await sleep(5)) if (Date.now() > end) assert.fail(`only ${begun.length} of ${count} builds began`)
}

/** Lets the running build end, and holds the one that is begun next. */
async function one(): Promise<string> {
  const release = held
  hold()
  release?.()
  await waitFor(begun.length + 1)
  return begun.at(-1)!
}

async function buildId(name: string): Promise<number> {
  return (await readNodes(database.db, [base(name)])).get(base(name))!.id
}

test('two jobsets with shares 1 and 3 get builds as 1 to 3, within 15 %', async (context) => {
  const [small, large] = [await evaluationOf('small', 100), await evaluationOf('large', 300)]
  // the smaller one was there first, and would be built first without turns
  await begin(Array.from({ length: PER_JOBSET }, (_, index) => `small-${index}`), small)
  await begin(Array.from({ length: PER_JOBSET }, (_, index) => `large-${index}`), large)
  await queued(2 * PER_JOBSET)
  await startBuilder()
  await waitFor(1)
  // while both have work: the larger one's is done after 80
  while (begun.length < 64) await one()
  const ofSmall = begun.slice(0, 64).filter((name) => name.startsWith('small-')).length
  context.diagnostic(`${ofSmall} of 64 builds for 1 of 4 shares`)
  assert.ok(Math.abs(ofSmall / 16 - 1) <= 0.15, `${ofSmall} of 64 builds were of the jobset with a quarter of the shares: ${begun.join(' ')}`)
})

test('a bumped build is next', async () => {
  const last = 'small-59'
  assert.ok(!begun.includes(last), 'it waits')
  assert.deepEqual(await bumpBuild(database.db, motion, await buildId(last)), [await buildId(last)])
  await sleep(300)
  // a task may have been handed to the worker before the bump
  assert.ok([await one(), await one()].includes(last), `after the bump began ${begun.slice(-2).join(', ')}`)
})

test('a build that is bumped while it waits for an input is next once the input is there', async () => {
  const { db } = database
  const evaluation = await evaluationOf('waiting', 100)
  await registerNodes(db, ['below', 'above'].map((name) => ({ key: base(name), kind: 'derivation' as const, name, system: SYSTEM, features: [], drvPath: `/nix/store/${base(name)}.drv`, aliases: [], outputs: { out: base(name) }, fetch: null, fixed: false, substitutable: false, inputs: name === 'above' ? [base('below')] : [] })), { priority: 3, evaluationId: evaluation })
  const { begun: runs } = await beginRuns(db, [base('below'), base('above')])
  const [below, above] = ['below', 'above'].map((name) => runs.find((run) => run.nodeKey === base(name))!)
  await motion.startNodes([{ nodeKey: above!.nodeKey, buildId: above!.buildId, run: above!.run, priority: above!.priority }])
  for (const end = Date.now() + 10_000; (await sql`select from waiter`.execute(db)).rows.length === 0; await sleep(10)) assert.ok(Date.now() < end, 'it waits for its input')
  assert.ok((await bumpBuild(db, motion, above!.buildId)).includes(above!.buildId))
  const input: NodeInput = { nodeKey: below!.nodeKey, buildId: below!.buildId, run: below!.run }
  await recordOutcome(db, input, { outcome: { status: 'succeeded', how: 'built' } })
  await announce(db, motion, [input.nodeKey])
  await sleep(500)
  assert.ok([await one(), await one()].includes('above'), `after the bump began ${begun.slice(-2).join(', ')}`)
})
