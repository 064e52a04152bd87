/**
 * Ring: workflows. One run of the evaluator over an expression, and the builds it asked for. Upstream counterpart: hydra-eval-jobset,
 * which evaluates first and builds then; here nodes start while the evaluator runs.
 *
 * History: started → evaluate → (parked → signal wake → evaluate on the worker that keeps the process)* → settle → signal wake → settle → completed.
 * Each time it parks adds some ten events, so a long one continues as new.
 */
import { ActivityFailure, ApplicationFailure, CancellationScope, condition, continueAsNew, isCancellation, log, proxyActivities, proxyLocalActivities, setHandler, TimeoutFailure, workflowInfo } from '@temporalio/workflow'
import { EVALUATION_QUEUE } from '../contract/queues.ts'
import type { EvaluateResult, EvaluationActivities, EvaluationInput, WakeSignal } from '../contract/workflows.ts'
import { wake } from './signals.ts'

const local = proxyLocalActivities<Pick<EvaluationActivities, 'settleEvaluation' | 'failEvaluation'>>({
  startToCloseTimeout: '2 minutes',
  localRetryThreshold: '1 minute',
  retry: { initialInterval: '200 milliseconds', maximumInterval: '20 seconds' },
})

/** How long a worker that keeps an evaluator may take to take it up again before it counts as gone. */
const RESIDENT_WAIT = '10 seconds'
/** Events after which a run continues as new; the server's own advice comes far later. */
const LONG_HISTORY = 4000

export async function evaluation(input: EvaluationInput): Promise<void> {
  const woken = new Set<number>()
  setHandler(wake, (signal: WakeSignal) => { woken.add(signal.waiter) })
  try {
    let resident = input.residentQueue
    for (;;) {
      const result = await evaluate(input, resident)
      if (result.kind === 'finished') break
      resident = result.residentQueue
      if (result.waiter !== 0) await condition(() => woken.has(result.waiter))
      if (workflowInfo().historyLength > LONG_HISTORY || workflowInfo().continueAsNewSuggested) await continueAsNew<typeof evaluation>({ evaluationId: input.evaluationId, residentQueue: resident })
    }
    for (;;) {
      const result = await local.settleEvaluation({ evaluationId: input.evaluationId })
      if (result.kind === 'ended') return
      await condition(() => woken.has(result.waiter))
    }
  } catch (error) {
    if (!(error instanceof ActivityFailure) && !isCancellation(error)) throw error
    const cancelled = isCancellation(error)
    const message = cancelled ? 'its workflow was cancelled' : messageOf(error as Error)
    log.warn('evaluation ended by a fault', { evaluationId: input.evaluationId, message })
    await CancellationScope.nonCancellable(() => local.failEvaluation({ evaluationId: input.evaluationId }, { state: cancelled ? 'cancelled' : 'failed', message }))
  }
}

/** Goes on where the evaluator waits, if the worker that keeps it still answers; else begins anew anywhere. */
async function evaluate({ evaluationId }: EvaluationInput, resident: string | undefined): Promise<EvaluateResult> {
  if (resident !== undefined) {
    try {
      return await evaluateOn(resident, RESIDENT_WAIT).evaluate({ evaluationId })
    } catch (error) {
      if (!(error instanceof ActivityFailure && error.cause instanceof TimeoutFailure)) throw error
    }
  }
  return await evaluateOn(EVALUATION_QUEUE).evaluate({ evaluationId })
}

function evaluateOn(taskQueue: string, scheduleToStartTimeout?: '10 seconds') {
  return proxyActivities<Pick<EvaluationActivities, 'evaluate'>>({
    taskQueue,
    startToCloseTimeout: '7 days',
    heartbeatTimeout: '10 seconds',
    ...(scheduleToStartTimeout ? { scheduleToStartTimeout } : {}),
    // where the worker that keeps the process dies, another begins anew at once
    retry: { initialInterval: '500 milliseconds', maximumInterval: '1 minute', maximumAttempts: scheduleToStartTimeout ? 1 : 30 },
  })
}

function messageOf(error: ActivityFailure | Error): string {
  const cause = error instanceof ActivityFailure ? error.cause : error
  if (cause instanceof TimeoutFailure) return 'the evaluator stopped answering'
  return cause instanceof ApplicationFailure ? cause.message : String(cause)
}
