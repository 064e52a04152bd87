/**
 * Ring: worker. The composition root: opens what a worker works with, gives it to the activities, and polls the task queues of its roles.
 * A second worker joins with nothing but the settings. Upstream counterpart: hydra-queue-runner with its builders, in one program.
 */
import { Client, Connection } from '@temporalio/client'
import { makeWorkflowExporter, OpenTelemetryActivityInboundInterceptor, OpenTelemetryWorkflowClientInterceptor } from '@temporalio/interceptors-opentelemetry'
import { NativeConnection, Runtime, Worker, type WorkerOptions } from '@temporalio/worker'
import type { Resource } from '@opentelemetry/resources'
import type { SpanProcessor } from '@opentelemetry/sdk-trace-base'
import { accessSync, constants } from 'node:fs'
import { createHash, randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import { join } from 'node:path'
import type { Logger } from 'pino'
import type { Dependencies } from '../activities/dependencies.ts'
import { DerivationReader } from '../activities/derivations.ts'
import { Evaluations, settleActivities } from '../activities/evaluate.ts'
import type { FarmFigures } from '../activities/figures.ts'
import { jobsetActivities, triggerActivities } from '../activities/jobset.ts'
import { GraphPlanner } from '../activities/graph.ts'
import { OutcomeHub } from '../activities/outcome-hub.ts'
import { planActivities } from '../activities/plan-node.ts'
import { realiseActivities } from '../activities/realise-node.ts'
import { RealisePlanner } from '../activities/realise-plans.ts'
import { RunningThings } from '../activities/running.ts'
import { followNotifications, NOTIFIED_EVENTS } from '../activities/notify/follower.ts'
import { notificationActivities } from '../activities/notify/notify.ts'
import { followResults, RESULT_EVENTS } from '../activities/result-follower.ts'
import { Semaphore } from '../activities/semaphore.ts'
import { databaseUrl } from '../config/database-url.ts'
import type { Settings } from '../config/settings.ts'
import { FirnError } from '../contract/errors.ts'
import { openFetchers } from '../fetchers/open.ts'
import { migrateDatabase } from '../migrations/run.ts'
import type { Kysely } from 'kysely'
import { openFarmDatabase } from '../state/database.ts'
import { connectionOptions, motionOf } from '../state/motion.ts'
import { endAttemptsOf } from '../state/outcomes.ts'
import { forgetWorker, registerWorker, seeWorker, WORKER_SEEN_SECONDS } from '../state/workers.ts'
import { storeSettings } from '../store/from-settings.ts'
import { openWorkerStore } from '../store/open.ts'
import { workflowBundle } from './bundle.ts'
import { openDriver } from './driver.ts'
import { keepFollowing } from './followers.ts'
import { keepReconciling, reconcile, reconcileJobsets } from './reconcile.ts'
import { activityMetrics } from './activity-metrics.ts'
import { type QueuePlan, queuePlans } from './queues.ts'

export interface WorkerServices {
  readonly logger: Logger
  readonly figures: FarmFigures
  /** What workflows need to send spans; absent turns tracing off. */
  readonly tracing?: { readonly processor: SpanProcessor; readonly resource: Resource }
}

export interface RunningWorker {
  readonly id: string
  /** Rejects if a part of the worker ends by itself; resolves after `stop`. */
  readonly ended: Promise<void>
  /** Takes nothing new, waits for what it does (`worker.graceSeconds` at most; the rest is given back and tried elsewhere), and closes. */
  stop(): Promise<void>
}

/** Workflows kept in memory between their tasks; some 200 KB each. */
const CACHED_WORKFLOWS = 1000

/** Starts a worker. `settings.temporal.address` and `settings.database.url` must be set. Throws 'unavailable', 'missing-requirement', 'invalid-input'. */
export async function startWorker(settings: Settings, services: WorkerServices): Promise<RunningWorker> {
  const { logger } = services
  const { address } = settings.temporal
  if (address === undefined || settings.database.url === undefined) throw new FirnError('invalid-input', 'a worker needs the addresses of Temporal (temporal.address) and Postgres (database.url)')
  const closing: (() => Promise<unknown> | void)[] = []
  const close = async (): Promise<void> => {
    for (const one of closing.splice(0).reverse()) {
      try {
        await one()
      } catch (error) {
        logger.warn({ error }, 'could not close a part of the worker')
      }
    }
  }
  try {
    const workerId = settings.worker.name
    const database = openFarmDatabase({ url: databaseUrl(settings), connections: settings.database.connections })
    closing.push(() => database.close())
    await migrateDatabase(database.db as unknown as Kysely<unknown>)
    const store = await openWorkerStore(storeSettings(settings), (message) => logger.warn(message))
    closing.push(() => store.close())
    const builds = settings.worker.roles.includes('build')
    const driver = await openDriver(settings, ownerOf(workerId, settings.home))
    closing.push(() => driver.close())
    // whatever a predecessor of this name was doing is lost
    const reaped = builds ? await driver.reap() : undefined
    const lost = await endAttemptsOf(database.db, workerId)
    if (lost > 0 || (reaped && reaped.containers + reaped.folders + reaped.cgroups > 0)) logger.info({ ...reaped, attempts: lost }, 'removed what an earlier run of this worker left behind')

    const connect = connectionOptions({ ...settings.temporal, address })
    const clientConnection = await Connection.connect({ ...connect, connectTimeout: 10_000 }).catch((error: unknown) => {
      throw new FirnError('unavailable', `no Temporal server answers at ${address}`, { cause: error })
    })
    closing.push(() => clientConnection.close())
    const client = new Client({ connection: clientConnection, namespace: settings.temporal.namespace, ...(services.tracing ? { interceptors: { workflow: [new OpenTelemetryWorkflowClientInterceptor()] } } : {}) })
    const motion = motionOf(client, () => Promise.resolve())
    const { mirrors, hashedMirrors, tries, connectSeconds, stallSeconds, netrc } = settings.fetch
    const fetchers = openFetchers({ folder: join(settings.home, 'repositories'), mirrors, hashedMirrors, tries, connectSeconds, stallSeconds, ...(netrc === undefined ? {} : { netrc }) }, store)
    closing.push(() => fetchers.close())
    const derivations = new DerivationReader(store)
    const planner = new GraphPlanner({ database: database.db, pathInfos: store.pathInfos, derivations, ...(settings.substituters.urls.length > 0 ? { substituters: store.substituters } : {}) })
    const dependencies: Dependencies = {
      settings, workerId, database, store, motion, driver, fetchers, derivations, planner, logger,
      realisePlans: new RealisePlanner(database.db, settings.limits),
      figures: services.figures, running: new RunningThings(), hub: new OutcomeHub(), buildSlots: new Semaphore(settings.worker.slots),
    }
    await dependencies.hub.start(database)
    const residentQueue = `firn-resident:${workerId}:${randomBytes(6).toString('hex')}`
    const evaluations = new Evaluations(dependencies, residentQueue)
    closing.push(() => evaluations.close())
    await database.listen('firn_cancel', (name) => {
      dependencies.running.stop(name)
      if (name.startsWith('evaluation:')) evaluations.drop(Number(name.slice('evaluation:'.length)))
    })

    const activities = {
      ...planActivities(dependencies),
      ...realiseActivities(dependencies),
      ...evaluations.activities(),
      ...settleActivities(dependencies),
      ...jobsetActivities(dependencies),
      ...triggerActivities(dependencies),
      ...notificationActivities(dependencies),
    }
    const features = servedFeatures(settings)
    const nativeConnection = await NativeConnection.connect(connect)
    closing.push(() => nativeConnection.close())
    const bundle = settings.worker.roles.includes('schedule') ? await workflowBundle(join(settings.home, 'cache'), { traced: services.tracing !== undefined }) : undefined
    const workers: Worker[] = []
    for (const plan of queuePlans(settings, features, residentQueue)) {
      workers.push(await Worker.create({
        ...commonOptions(settings, services, nativeConnection),
        ...optionsOf(plan, bundle),
        activities,
      }))
    }
    const record = { id: workerId, host: hostname(), systems: builds ? settings.worker.systems : [], features, slots: settings.worker.slots }
    await registerWorker(database.db, record)
    const seen = setInterval(() => { seeWorker(database.db, workerId).catch((error: unknown) => logger.warn({ error }, 'could not record that the worker is alive')) }, WORKER_SEEN_SECONDS * 1000)
    seen.unref()
    const parts = { db: database.db, motion, logger }
    const reconciling = settings.worker.roles.includes('schedule') ? keepReconciling(parts) : undefined
    if (reconciling) {
      await reconcile(parts, 0)
      await reconcileJobsets(parts, 0)
    }
    const following = settings.worker.roles.includes('schedule') ? await keepFollowing(database, [
      { name: 'results', kinds: RESULT_EVENTS, work: (events) => followResults(dependencies, events) },
      { name: 'notifications', kinds: NOTIFIED_EVENTS, work: (events) => followNotifications(dependencies, events) },
    ], logger) : undefined

    const running = Promise.all(workers.map((worker) => worker.run()))
    let stopping = false
    const ended = running.then(() => undefined, (error: unknown) => {
      if (!stopping) throw error
    }).finally(async () => {
      clearInterval(seen)
      await reconciling?.stop()
      await following?.stop()
      await forgetWorker(database.db, workerId).catch(() => undefined)
      await dependencies.hub.close()
      await close()
    })
    ended.catch((error: unknown) => logger.error({ error }, 'the worker ended'))
    logger.info({ worker: workerId, queues: workers.length, slots: settings.worker.slots }, 'the worker is ready')
    return {
      id: workerId,
      ended,
      stop: async () => {
        if (!stopping) {
          stopping = true
          evaluations.close()
          for (const worker of workers) if (worker.getState() === 'RUNNING') worker.shutdown()
        }
        await ended.catch(() => undefined)
      },
    }
  } catch (error) {
    await close()
    throw error
  }
}

function commonOptions(settings: Settings, { figures, tracing }: WorkerServices, connection: NativeConnection): Pick<WorkerOptions, 'connection' | 'namespace' | 'shutdownGraceTime' | 'shutdownForceTime' | 'maxHeartbeatThrottleInterval' | 'interceptors' | 'sinks'> {
  const grace = settings.worker.graceSeconds * 1000
  return {
    connection,
    namespace: settings.temporal.namespace,
    // after the grace time activities are told to stop; they give their work back
    shutdownGraceTime: grace,
    shutdownForceTime: grace + 15_000,
    // well within the timeout, or a machine that is busy for two seconds loses a build of hours
    maxHeartbeatThrottleInterval: 4000,
    interceptors: {
      activity: [
        ...(tracing ? [(context: ConstructorParameters<typeof OpenTelemetryActivityInboundInterceptor>[0]) => ({ inbound: new OpenTelemetryActivityInboundInterceptor(context) })] : []),
        activityMetrics(figures),
      ],
    },
    ...(tracing ? { sinks: makeWorkflowExporterSinks(tracing) } : {}),
  }
}

function makeWorkflowExporterSinks(tracing: { readonly processor: SpanProcessor; readonly resource: Resource }): NonNullable<WorkerOptions['sinks']> {
  // the interceptors bring OpenTelemetry's SDK in another version, whose processors do the same
  const processor = tracing.processor as unknown as Parameters<typeof makeWorkflowExporter>[0]
  return { exporter: makeWorkflowExporter(processor, tracing.resource) }
}

function optionsOf(plan: QueuePlan, bundle: { readonly codePath: string } | undefined): Partial<WorkerOptions> & { taskQueue: string } {
  return {
    taskQueue: plan.taskQueue,
    maxConcurrentActivityTaskExecutions: plan.activities,
    activityTaskPollerBehavior: { type: 'simple-maximum', maximum: plan.pollers },
    ...(plan.workflows && bundle ? {
      workflowBundle: bundle,
      maxCachedWorkflows: CACHED_WORKFLOWS,
      maxConcurrentLocalActivityExecutions: 50,
      // one thread: workflows do next to nothing, and each thread costs 100 MB
      reuseV8Context: true,
    } : {}),
  }
}

/** What the settings say, and kvm where this machine has it. */
function servedFeatures(settings: Settings): string[] {
  const features = new Set(settings.worker.features)
  if (features.size < 6 && canOpen('/dev/kvm')) features.add('kvm')
  return [...features].sort()
}

function canOpen(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK)
    return true
  } catch {
    return false
  }
}

/** Tells this worker's containers from those of others on the machine; the same after a restart. */
function ownerOf(workerId: string, home: string): string {
  return `firn-${createHash('sha256').update(`${workerId}\0${home}`).digest('hex').slice(0, 12)}`
}

/** Once a process, before any worker: the SDK's core must not end the process on a signal, the worker does. */
export function quietRuntime(logger: Logger): void {
  // most queues have no workflows, and are meant to have none
  const warn = (message: string, meta?: object): void => (message.startsWith('No workflows registered') ? undefined : logger.warn(meta ?? {}, message))
  Runtime.install({
    shutdownSignals: [],
    logger: {
      log: (level, message, meta) => (level === 'ERROR' ? logger.error(meta ?? {}, message) : level === 'WARN' ? warn(message, meta) : logger.debug(meta ?? {}, message)),
      trace: () => undefined,
      debug: (message, meta) => logger.debug(meta ?? {}, message),
      info: (message, meta) => logger.debug(meta ?? {}, message),
      warn,
      error: (message, meta) => logger.error(meta ?? {}, message),
    },
  })
}
