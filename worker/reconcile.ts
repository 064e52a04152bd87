/**
 * Ring: worker. Postgres is the truth, Temporal the motion: what Postgres says is unfinished is set in motion again where Temporal has
 * nothing of it, even if its database is new and empty. Runs at start-up and every now and then, in one worker of the farm at a time.
 */
import type { Logger } from 'pino'
import { evaluationWorkflowId, nodeWorkflowId } from '../contract/queues.ts'
import type { Database } from '../state/database.ts'
import { announce, type Motion } from '../state/motion.ts'
import { exclusively, unfinishedEvaluations, unfinishedRuns } from '../state/sweep.ts'
import { listTimings } from '../state/jobsets.ts'
import { removeOldEvaluations } from '../state/retention.ts'
import { forgetTriggers, waitingTriggers } from '../state/triggers.ts'
import { lostWaiters } from '../state/waiters.ts'

interface Parts {
  readonly db: Database
  readonly motion: Motion
  readonly logger: Logger
}

/** What is younger than this is on its way. */
const QUIET_SECONDS = 5
/**
 * A run without a plan by then was begun by somebody who died before it started. Much longer than a start takes: hundreds of
 * runs that begin together wait for their first workflow task, and starting each again would only make them wait longer.
 */
const UNPLANNED_SECONDS = 30
/** How often waiters and runs that nobody planned are looked for: one query each. */
const SWEEP_MILLISECONDS = 3000
/** How often all that is unfinished is compared with what Temporal runs. */
const COMPARE_MILLISECONDS = 30_000
/** A trigger that nobody took in that time has lost its workflow. */
const TRIGGER_SECONDS = 20
/** How long triggers that were taken are remembered: a forge repeats a message within hours. */
const TRIGGER_DAYS = 7

export interface Reconciled {
  readonly evaluations: number
  readonly nodes: number
}

/** Starts what is unfinished and isn't running. With `quietSeconds` 0 also what has just changed. */
export async function reconcile({ db, motion, logger }: Parts, quietSeconds = QUIET_SECONDS): Promise<Reconciled> {
  const evaluations = await unfinishedEvaluations(db, quietSeconds)
  const runs = await unfinishedRuns(db, quietSeconds)
  if (evaluations.length === 0 && runs.length === 0) return { evaluations: 0, nodes: 0 }
  // asked after Postgres: a workflow that ended in between has recorded its end, and starting it again finds that out
  const running = await motion.running()
  const lost = runs.filter((run) => !running.has(nodeWorkflowId(run.nodeKey)))
  await motion.ensureNodes(lost)
  const lostEvaluations = evaluations.filter((id) => !running.has(evaluationWorkflowId(id)))
  for (const id of lostEvaluations) await motion.startEvaluation(id)
  if (lost.length > 0 || lostEvaluations.length > 0) logger.info({ nodes: lost.length, evaluations: lostEvaluations.length }, 'set in motion again what had stopped')
  return { evaluations: lostEvaluations.length, nodes: lost.length }
}

/** Triggers that wait without a workflow, and schedules that aren't what the table says. */
export async function reconcileJobsets({ db, motion, logger }: Parts, quietSeconds = TRIGGER_SECONDS): Promise<void> {
  for (const target of await waitingTriggers(db, quietSeconds)) await motion.checkJobset(target)
  await motion.setSchedules(await listTimings(db))
  await forgetTriggers(db, TRIGGER_DAYS)
  const removed = await removeOldEvaluations(db)
  if (removed.length > 0) logger.info({ evaluations: removed }, 'removed evaluations that nothing keeps')
}

/**
 * Signals that were lost, and runs whose workflow was never started: whoever should have done it died in between. A waiter counts as lost
 * when two sweeps in a row find it; gives those that this one found first.
 */
export async function sweep({ db, motion, logger }: Parts, suspects: ReadonlySet<number>): Promise<ReadonlySet<number>> {
  const found = await lostWaiters(db, QUIET_SECONDS)
  const waiters = found.filter((id) => suspects.has(id))
  if (waiters.length > 0) {
    logger.info({ waiters: waiters.length }, 'wakes workflows whose signal was lost')
    await announce(db, motion, [], waiters)
  }
  const unplanned = (await unfinishedRuns(db, UNPLANNED_SECONDS)).filter((run) => !run.planned)
  if (unplanned.length > 0) {
    logger.info({ nodes: unplanned.length }, 'starts runs that nobody started')
    await motion.ensureNodes(unplanned)
  }
  return new Set(found)
}

/** Keeps doing both until stopped. A round that fails (a server restarts) is logged, and the next one tries again. */
export function keepReconciling(parts: Parts): { stop(): Promise<void> } {
  let stopped = false
  let compareAt = 0
  let suspects: ReadonlySet<number> = new Set()
  let timer: NodeJS.Timeout | undefined
  let round: Promise<void> = Promise.resolve()
  const next = (): void => {
    if (stopped) return
    timer = setTimeout(() => {
      round = (async () => {
        try {
          await exclusively(parts.db, 'firn-sweep', async () => {
            suspects = await sweep(parts, suspects)
            if (Date.now() < compareAt) return
            await reconcile(parts)
            await reconcileJobsets(parts)
            compareAt = Date.now() + COMPARE_MILLISECONDS
          })
        } catch (error) {
          parts.logger.warn({ error }, 'a sweep failed; the next one tries again')
        }
      })().finally(next)
    }, SWEEP_MILLISECONDS)
    timer.unref()
  }
  next()
  return {
    stop: async () => {
      stopped = true
      clearTimeout(timer)
      await round
    },
  }
}
