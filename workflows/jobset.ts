/**
 * Ring: workflows. Checks of a jobset, one at a time: every signal means that there may be triggers, which are rows. Upstream counterpart:
 * hydra-evaluator's loop over jobsets.
 *
 * History: started → checkJobset → (signal check → checkJobset)* → completed.
 */
import { ActivityFailure, ApplicationFailure, continueAsNew, defineSignal, log, proxyActivities, proxyLocalActivities, setHandler, workflowInfo } from '@temporalio/workflow'
import { EVALUATION_QUEUE } from '../contract/queues.ts'
import type { JobsetActivities, JobsetTarget } from '../contract/workflows.ts'

export const check = defineSignal('check')

// it fetches, as an evaluation does; what can't be had is recorded by the activity, and only faults are tried again
const { checkJobset } = proxyActivities<Pick<JobsetActivities, 'checkJobset'>>({
  taskQueue: EVALUATION_QUEUE,
  startToCloseTimeout: '6 hours',
  heartbeatTimeout: '30 seconds',
  retry: { initialInterval: '1 second', maximumInterval: '1 minute', maximumAttempts: 20 },
})

const { triggerJobset } = proxyLocalActivities<Pick<JobsetActivities, 'triggerJobset'>>({
  startToCloseTimeout: '1 minute',
  localRetryThreshold: '1 minute',
  retry: { initialInterval: '500 milliseconds', maximumInterval: '20 seconds' },
})

export async function jobset(target: JobsetTarget): Promise<void> {
  let wanted = true
  setHandler(check, () => { wanted = true })
  while (wanted) {
    wanted = false
    try {
      await checkJobset(target)
    } catch (error) {
      if (!(error instanceof ActivityFailure)) throw error
      // the triggers are still there: the sweep begins anew
      log.warn('a check ended by a fault', { ...target, message: error.cause instanceof ApplicationFailure ? error.cause.message : String(error.cause) })
    }
    if (wanted && workflowInfo().continueAsNewSuggested) await continueAsNew<typeof jobset>(target)
  }
}

/** What a schedule starts. */
export async function jobsetTrigger(jobsetId: number, kind: 'poll' | 'schedule'): Promise<void> {
  await triggerJobset(jobsetId, kind, workflowInfo().startTime.toISOString())
}
