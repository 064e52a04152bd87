/**
 * A whole farm for a test file: a Postgres database of its own, a Temporal development server, and a worker, as a process that can be
 * killed or in this process. About two seconds until the worker is ready. Everything goes with `stop`.
 *
 *   const farm = await startTestFarm()
 *   const evaluation = await farm.submit({ source: { kind: 'derivations', drvPaths } })
 *   await farm.ended(evaluation)
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { loadSettings } from '../../config/load.ts'
import type { Settings } from '../../config/settings.ts'
import type { EvaluationRequest } from '../../contract/evaluations.ts'
import { freePort } from '../../infra/embedded/ports.ts'
import { startTemporal } from '../../infra/embedded/temporal.ts'
import { type FarmDatabase, openFarmDatabase } from '../../state/database.ts'
import { createEvaluation, type EvaluationRow, getEvaluation } from '../../state/evaluations.ts'
import { connectMotion, type Motion } from '../../state/motion.ts'
import { storeSettings } from '../../store/from-settings.ts'
import { openStore, type Store } from '../../store/open.ts'
import { testCacheFolder } from './cache.ts'
import { testDatabase } from './database.ts'

export interface TestFarmOptions {
  /** Settings by dotted name, as on the command line. */
  readonly settings?: Readonly<Record<string, string>>
  /** Start no worker. */
  readonly withoutWorker?: boolean
  /** Environment of workers. */
  readonly environment?: NodeJS.ProcessEnv
}

export interface TestWorker {
  readonly process: ChildProcess
  /** SIGKILL. */
  kill(): Promise<void>
  /** SIGTERM, and waits. */
  stop(): Promise<void>
}

export interface TestFarm {
  readonly home: string
  readonly settings: Settings
  readonly database: FarmDatabase
  readonly store: Store
  readonly motion: Motion
  /** The first worker. */
  readonly worker: TestWorker
  /** Starts another worker; with the name of one that is gone, in its place. */
  startWorker(settings?: Readonly<Record<string, string>>): Promise<TestWorker>
  /** Kills Temporal (SIGKILL); `start` brings it back on the same port, with its database unless `empty`. */
  readonly temporal: { pid(): number; kill(): Promise<void>; start(options?: { readonly empty?: boolean }): Promise<void> }
  submit(request: Pick<EvaluationRequest, 'source'> & Partial<EvaluationRequest>): Promise<number>
  /** Waits until an evaluation has ended; fails after some seconds (60 unless given). */
  ended(evaluationId: number, seconds?: number): Promise<EvaluationRow>
  stop(): Promise<void>
}

const WORKER = fileURLToPath(new URL('./worker-process.ts', import.meta.url))

export async function startTestFarm(options: TestFarmOptions = {}): Promise<TestFarm> {
  const home = await mkdtemp(join(tmpdir(), 'firn-farm-'))
  // bundling the workflows is most of a worker's first start
  await symlink(testCacheFolder(), join(home, 'cache'))
  const [testDb, port] = await Promise.all([testDatabase(), freePort()])
  const overrides: Record<string, string> = {
    'home': home, 'temporal.address': `127.0.0.1:${port}`, 'database.url': testDb.url, 'telemetry.otlp': 'false', 'worker.name': 'test-worker',
    'evaluator.mode': 'impure', 'limits.idleWorkerWaitSeconds': '5', 'worker.graceSeconds': '1', 'worker.features': '', ...options.settings,
  }
  const environment = { HOME: home, PATH: process.env['PATH'], ...options.environment }
  const { settings } = loadSettings({ environment, overrides })
  const startServer = (): ReturnType<typeof startTemporal> => startTemporal({ databaseFile: join(home, 'temporal', 'temporal.db'), port, namespace: settings.temporal.namespace, logFile: join(home, 'temporal.log') })
  let server = await startServer()
  const database = openFarmDatabase({ url: testDb.url, connections: 4 })
  const store = await openStore(storeSettings(settings))
  const motion = await connectMotion({ ...settings.temporal, address: `127.0.0.1:${port}` })
  const workers: TestWorker[] = []

  const startWorker = async (more: Readonly<Record<string, string>> = {}): Promise<TestWorker> => {
    const child = fork(WORKER, [JSON.stringify({ ...overrides, ...more })], {
      env: { ...process.env, ...environment }, stdio: ['ignore', process.env['FIRN_TEST_LOGS'] === undefined ? 'ignore' : 'inherit', 'inherit', 'ipc'], execPath: process.execPath, execArgv: process.env['FIRN_TEST_WORKER_FLAGS']?.split(' ') ?? [],
    })
    const ready = await Promise.race([once(child, 'message').then(() => true), once(child, 'exit').then(() => false)])
    if (!ready) throw new Error('the worker did not start')
    const end = async (signal: NodeJS.Signals): Promise<void> => {
      if (child.exitCode !== null || child.signalCode !== null) return
      const exited = once(child, 'exit')
      child.kill(signal)
      await exited
    }
    const worker: TestWorker = { process: child, kill: () => end('SIGKILL'), stop: () => end('SIGTERM') }
    workers.push(worker)
    return worker
  }
  const farm: TestFarm = {
    home, settings, database, store, motion, startWorker,
    get worker() { return workers[0]! },
    temporal: {
      pid: () => server.pid,
      kill: async () => {
        process.kill(server.pid, 'SIGKILL')
        await server.exited
      },
      start: async ({ empty } = {}) => {
        if (empty) await rm(join(home, 'temporal'), { recursive: true, force: true })
        server = await startServer()
      },
    },
    submit: async (request) => {
      const { evaluation } = await createEvaluation(database.db, { attributes: [], arguments: {}, recurse: false, settings: {}, dryRun: false, priority: 3, ...request })
      await motion.startEvaluation(evaluation.id)
      return evaluation.id
    },
    ended: async (evaluationId, seconds = 60) => {
      for (const until = Date.now() + seconds * 1000; Date.now() < until; await sleep(20)) {
        const evaluation = await getEvaluation(database.db, evaluationId)
        if (evaluation?.endedAt) return evaluation
      }
      const nodes = await database.db.selectFrom('node').select(['name', 'state', 'run', 'planned_run', 'outcome']).where('state', '<>', 'succeeded').limit(10).execute()
      throw new Error(`evaluation ${evaluationId} has not ended after ${seconds} s: ${JSON.stringify({ evaluation: await getEvaluation(database.db, evaluationId), nodes }, null, 1)}`)
    },
    stop: async () => {
      await Promise.all(workers.map((worker) => worker.stop()))
      await motion.close()
      await store.close()
      await database.close()
      await server.stop()
      await testDb.drop()
      await rm(home, { recursive: true, force: true })
    },
  }
  try {
    if (!options.withoutWorker) await startWorker()
  } catch (error) {
    await farm.stop()
    throw error
  }
  return farm
}
