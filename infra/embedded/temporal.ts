/**
 * Ring: infra. Temporal's development server as a child: its state in one SQLite file, kept on WAL (a third of the time a node
 * takes otherwise), the matching service that knows priority and fairness, and one partition a task queue, without which
 * the order by priority is not exact.
 */
import { Connection } from '@temporalio/client'
import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { FirnError } from '../../contract/errors.ts'
import { findProgram } from '../setup/programs.ts'
import { startChild } from './child.ts'
import { wrapCommand } from './identity.ts'
import type { RunningService } from './supervise.ts'

export interface TemporalOptions {
  /** SQLite file; made with its folder on first start. */
  readonly databaseFile: string
  readonly port: number
  readonly namespace: string
  readonly logFile: string
}

const DYNAMIC = [
  'matching.useNewMatcher=true',
  'matching.enableFairness=true',
  'matching.numTaskqueueReadPartitions=1',
  'matching.numTaskqueueWritePartitions=1',
  // what a graph of many small workflows asks for; the defaults protect a shared cluster
  'frontend.namespaceRPS=100000',
  'frontend.rps=100000',
  'history.rps=100000',
  'matching.rps=100000',
  'frontend.namespaceCount=20000',
]

/**
 * Go collects garbage whenever the heap has doubled, and this server's is small: it did so all the time. Let it grow
 * to five times (8 % less of its time), and more often again where it becomes large.
 */
const GARBAGE_COLLECTION = { GOGC: '400', GOMEMLIMIT: '1GiB' }

/** Starts the server and waits until the namespace answers. Errors: 'missing-requirement', 'unavailable'. */
export async function startTemporal(options: TemporalOptions): Promise<RunningService> {
  const program = findProgram('temporal')
  if (program === undefined) {
    throw new FirnError('missing-requirement', 'Temporal\'s command line is missing: run infra/setup/run.sh setup, or put `temporal` on the PATH, or set temporal.address to a server')
  }
  mkdirSync(dirname(options.databaseFile), { recursive: true })
  const address = `127.0.0.1:${options.port}`
  const command = wrapCommand([
    program, 'server', 'start-dev', '--headless', '--ip', '127.0.0.1', '--port', String(options.port),
    '--db-filename', options.databaseFile,
    '--sqlite-pragma', 'journal_mode=WAL', '--sqlite-pragma', 'synchronous=NORMAL',
    '--namespace', options.namespace, '--log-level', 'warn',
    ...DYNAMIC.flatMap((value) => ['--dynamic-config-value', value]),
  ], { kind: 'self' })
  return await startChild({
    command,
    // its command line must not read the settings of a user's other Temporal
    environment: { ...GARBAGE_COLLECTION, PATH: process.env['PATH'], HOME: dirname(options.databaseFile), TZ: 'UTC' },
    logFile: options.logFile,
    ready: (signal) => answers(address, options.namespace, signal),
    startSeconds: 60,
    stopSeconds: 10,
  })
}

async function answers(address: string, namespace: string, signal: AbortSignal): Promise<void> {
  let connection: Connection | undefined
  try {
    while (!signal.aborted) {
      try {
        connection ??= await Connection.connect({ address, connectTimeout: 2000 })
        await connection.withDeadline(Date.now() + 2000, () => connection!.workflowService.describeNamespace({ namespace }))
        return
      } catch {
        await sleep(60)
      }
    }
  } finally {
    await connection?.close()
  }
}
