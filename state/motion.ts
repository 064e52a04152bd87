/**
 * Ring: state. How rows become motion: Postgres says what should run, and this starts, wakes and stops it in Temporal.
 * Everything here may be done twice and may be lost: the sweep compares the two and does again what is missing.
 *
 * A run's workflow replaces whatever runs under its id: beginning a run (nodes.ts) is exclusive, so that can only be an older
 * run on its way out. Stopping is by termination: what a workflow would do when cancelled is recorded already.
 */
import { type ClientInterceptors, Client, Connection, WorkflowExecutionAlreadyStartedError, WorkflowNotFoundError } from '@temporalio/client'
import { readFileSync } from 'node:fs'
import pLimit from 'p-limit'
import { asFirnError, FirnError } from '../contract/errors.ts'
import type { NodeKey } from '../contract/nodes.ts'
import { evaluationWorkflowId, jobsetWorkflowId, nodeWorkflowId, notificationWorkflowId, WORKFLOW_QUEUE } from '../contract/queues.ts'
import type { News, NotificationTarget } from '../contract/notifications.ts'
import type { EvaluationInput, JobsetTarget, NodeInput, WakeSignal } from '../contract/workflows.ts'
import type { Database } from './database.ts'
import type { Timing } from './jobsets.ts'
import { setSchedules } from './schedules.ts'
import { forgetWaiters, type ReadyWaiter, settled } from './waiters.ts'

export interface TemporalSettings {
  /** `host:port` */
  readonly address: string
  readonly namespace: string
  readonly tls?: boolean
  /** PEM files. */
  readonly certificate?: string
  readonly key?: string
  readonly authority?: string
  readonly serverName?: string
  readonly apiKey?: string
}

export interface Motion {
  /** Starts an evaluation's workflow; one that runs already stays. */
  startEvaluation(evaluationId: number): Promise<void>
  /** Starts workflows of runs just begun. */
  startNodes(nodes: readonly (NodeInput & { readonly priority: number })[]): Promise<void>
  /** Starts workflows of runs that should have one, without touching one that runs. */
  ensureNodes(nodes: readonly (NodeInput & { readonly priority: number })[]): Promise<void>
  /** Lets a jobset's check run (a project's: of its declarative file), after one that runs now. */
  checkJobset(target: JobsetTarget): Promise<void>
  /** Temporal's schedules of jobsets: makes those that differ or are missing, removes what isn't given. With `only`, that jobset's alone. */
  setSchedules(timings: readonly Timing[], only?: number): Promise<void>
  /** Gives news to a target's workflow; `name` tells an evaluation's targets apart. */
  notify(name: string, target: NotificationTarget, news: News): Promise<void>
  stopNodes(keys: readonly NodeKey[]): Promise<void>
  stopEvaluation(evaluationId: number): Promise<void>
  wake(waiters: readonly ReadyWaiter[]): Promise<void>
  /** Ids of all running workflows. */
  running(): Promise<Set<string>>
  /** Whether the server answers; throws 'unavailable'. */
  check(): Promise<void>
  close(): Promise<void>
}

/** Simultaneous calls of one process to the server. */
const CALLS = 32

/** TLS and credentials as Temporal's connections (client and worker) take them. */
export function connectionOptions(settings: TemporalSettings): { address: string; tls?: boolean | Record<string, unknown>; apiKey?: string } {
  const { certificate, key, authority, serverName } = settings
  const files = { certificate, key, authority, serverName }
  const tls = settings.tls || settings.apiKey !== undefined || Object.values(files).some((value) => value !== undefined)
  if ((certificate === undefined) !== (key === undefined)) throw new FirnError('invalid-input', 'temporal.certificate and temporal.key belong together: set both or none')
  return {
    address: settings.address,
    ...(settings.apiKey === undefined ? {} : { apiKey: settings.apiKey }),
    ...(tls ? {
      tls: {
        ...(serverName === undefined ? {} : { serverNameOverride: serverName }),
        ...(authority === undefined ? {} : { serverRootCACertificate: readFileSync(authority) }),
        ...(certificate === undefined || key === undefined ? {} : { clientCertPair: { crt: readFileSync(certificate), key: readFileSync(key) } }),
      },
    } : {}),
  }
}

/** Connects to Temporal; throws 'unavailable' where nobody answers within a few seconds. */
export async function connectMotion(settings: TemporalSettings, options: { readonly interceptors?: ClientInterceptors } = {}): Promise<Motion> {
  let connection: Connection
  try {
    connection = await Connection.connect({ ...connectionOptions(settings), connectTimeout: 10_000 })
  } catch (error) {
    throw new FirnError('unavailable', `no Temporal server answers at ${settings.address}: ${asFirnError(error).message}`, { cause: error })
  }
  const client = new Client({ connection, namespace: settings.namespace, ...(options.interceptors ? { interceptors: options.interceptors } : {}) })
  return motionOf(client, async () => { await connection.close() })
}

/** As `connectMotion`, over a client that the caller has. */
export function motionOf(client: Client, close: () => Promise<void>): Motion {
  const limit = pLimit(CALLS)
  const start = async ({ priority, ...node }: NodeInput & { readonly priority: number }, conflict: 'TERMINATE_EXISTING' | 'USE_EXISTING'): Promise<void> => {
    await client.workflow.start('node', {
      workflowId: nodeWorkflowId(node.nodeKey),
      taskQueue: WORKFLOW_QUEUE,
      args: [node],
      workflowIdConflictPolicy: conflict,
      workflowIdReusePolicy: 'ALLOW_DUPLICATE',
      priority: { priorityKey: priority },
    })
  }
  const terminate = async (workflowId: string, reason: string): Promise<void> => {
    await client.workflow.getHandle(workflowId).terminate(reason).catch(ignoreNotFound)
  }
  return {
    startEvaluation: async (evaluationId) => {
      const input: EvaluationInput = { evaluationId }
      await client.workflow.start('evaluation', {
        workflowId: evaluationWorkflowId(evaluationId),
        taskQueue: WORKFLOW_QUEUE,
        args: [input],
        workflowIdReusePolicy: 'ALLOW_DUPLICATE',
      }).catch((error: unknown) => {
        if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error
      })
    },
    startNodes: async (nodes) => { await Promise.all(nodes.map((node) => limit(start, node, 'TERMINATE_EXISTING'))) },
    ensureNodes: async (nodes) => { await Promise.all(nodes.map((node) => limit(start, node, 'USE_EXISTING'))) },
    checkJobset: async (target) => {
      await client.workflow.signalWithStart('jobset', {
        workflowId: jobsetWorkflowId(target),
        taskQueue: WORKFLOW_QUEUE,
        args: [target],
        signal: 'check',
        workflowIdReusePolicy: 'ALLOW_DUPLICATE',
      })
    },
    notify: async (name, target, news) => {
      await client.workflow.signalWithStart('notification', {
        workflowId: notificationWorkflowId(target.evaluationId, name),
        taskQueue: WORKFLOW_QUEUE,
        args: [target],
        signal: 'news',
        signalArgs: [news],
        workflowIdReusePolicy: 'ALLOW_DUPLICATE',
      })
    },
    setSchedules: (timings, only) => setSchedules(client, timings, only),
    stopNodes: async (keys) => { await Promise.all(keys.map((key) => limit(terminate, nodeWorkflowId(key), 'nobody wants it any more'))) },
    stopEvaluation: (evaluationId) => terminate(evaluationWorkflowId(evaluationId), 'cancelled'),
    wake: async (waiters) => {
      await Promise.all(waiters.map((waiter) => limit(async () => {
        const signal: WakeSignal = { waiter: waiter.id, failed: waiter.failed, ...(waiter.priority === null ? {} : { priority: waiter.priority }) }
        await client.workflow.getHandle(waiter.workflowId).signal('wake', signal).catch(ignoreNotFound)
      })))
    },
    running: async () => {
      const ids = new Set<string>()
      for await (const workflow of client.workflow.list({ query: 'ExecutionStatus = "Running"', pageSize: 1000 })) ids.add(workflow.workflowId)
      return ids
    },
    check: async () => {
      try {
        await client.workflowService.getSystemInfo({})
      } catch (error) {
        throw new FirnError('unavailable', `Temporal does not answer: ${asFirnError(error).message}`, { cause: error })
      }
    },
    close,
  }
}

/** After the commit of outcomes: tells listeners, and wakes the workflows that waited for them. */
export async function announce(db: Database, motion: Motion, keys: readonly NodeKey[], waiters: readonly number[] = []): Promise<void> {
  const ready = await settled(db, keys, waiters)
  if (ready.length === 0) return
  await motion.wake(ready)
  await forgetWaiters(db, ready.map((waiter) => waiter.id))
}

function ignoreNotFound(error: unknown): void {
  if (!(error instanceof WorkflowNotFoundError)) throw error
}
