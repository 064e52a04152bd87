/**
 * Ring: workflows. A node of the build graph: a derivation or a Fetch, realised once for the whole farm. Upstream counterpart: Nix'
 * DerivationGoal, Hydra's Step. Deterministic, and thin: each decision is an activity's.
 *
 * History of a run (three workflow tasks; two where no input is missing, and then nothing to plan if whoever began it knew):
 *   started → [planNode, local] → signal wake → realiseNode → completed
 *
 * Inputs are started by the plan step rather than as child workflows: parenthood would give the propagation of cancelling, which a
 * shared node must not have, and a completion event for each child, which costs a workflow task each. All inputs,
 * whoever started them, are waited for in one go, by a signal (docs/design/workflows.md).
 */
import { ActivityFailure, ApplicationFailure, CancellationScope, condition, isCancellation, log, proxyActivities, proxyLocalActivities, setHandler, TimeoutFailure } from '@temporalio/workflow'
import type { ErrorKind } from '../contract/errors.ts'
import type { NodeOutcome } from '../contract/nodes.ts'
import type { NodeActivities, NodeInput, RealisePlan, RealiseResult, WakeSignal } from '../contract/workflows.ts'
import { wake } from './signals.ts'

const local = proxyLocalActivities<Pick<NodeActivities, 'planNode' | 'failDependent' | 'failUnserved' | 'finishNode'>>({
  startToCloseTimeout: '2 minutes',
  localRetryThreshold: '1 minute',
  retry: { initialInterval: '200 milliseconds', maximumInterval: '20 seconds' },
})

const { startInputs } = proxyActivities<Pick<NodeActivities, 'startInputs'>>({
  startToCloseTimeout: '6 hours',
  heartbeatTimeout: '60 seconds',
  retry: { maximumInterval: '1 minute' },
})

/** Faults before the node is given up; with the waits in between, about half an hour. */
const TRIES = 30

export async function node(input: NodeInput): Promise<NodeOutcome> {
  const woken = new Map<number, WakeSignal>()
  setHandler(wake, (signal) => { woken.set(signal.waiter, signal) })
  try {
    const { plan, ...node } = input
    if (plan) {
      const result = await realise(node, plan)
      if (result.status !== 'again') return result
    }
    for (;;) {
      const result = await run(node, woken)
      if (result.status !== 'again') return result
    }
  } catch (error) {
    const outcome = outcomeOf(error)
    log.warn('node ended by a fault', { ...input, outcome })
    await CancellationScope.nonCancellable(() => local.finishNode(input, outcome))
    return outcome
  }
}

async function run(input: NodeInput, woken: ReadonlyMap<number, WakeSignal>): Promise<RealiseResult> {
  const step = await local.planNode(input)
  switch (step.kind) {
    case 'done': return step.outcome
    case 'realise': return await realise(input, step.plan)
    case 'wait':
      if (step.startInputs) await startInputs(input)
      await condition(() => woken.has(step.waiter))
      return await goOn(input, step.plan, woken.get(step.waiter))
  }
}

async function goOn(input: NodeInput, plan: RealisePlan, { failed, priority }: Partial<WakeSignal> = {}): Promise<RealiseResult> {
  if (failed) return await local.failDependent(input)
  return await realise(input, priority === undefined ? plan : { ...plan, priority })
}

async function realise(input: NodeInput, plan: RealisePlan): Promise<RealiseResult> {
  const { realiseNode } = proxyActivities<Pick<NodeActivities, 'realiseNode'>>({
    taskQueue: plan.queue,
    // a build has limits of its own; this only ends what no heartbeat would
    startToCloseTimeout: '30 days',
    heartbeatTimeout: '10 seconds',
    ...(plan.workerWaitSeconds > 0 ? { scheduleToStartTimeout: plan.workerWaitSeconds * 1000 } : {}),
    retry: { initialInterval: '500 milliseconds', backoffCoefficient: 2, maximumInterval: '1 minute', maximumAttempts: TRIES },
    priority: { priorityKey: plan.priority, ...(plan.fairnessKey === '' ? {} : { fairnessKey: plan.fairnessKey }), ...(plan.fairnessWeight === undefined ? {} : { fairnessWeight: plan.fairnessWeight }) },
  })
  try {
    return await realiseNode(input)
  } catch (error) {
    if (error instanceof ActivityFailure && error.cause instanceof TimeoutFailure && error.cause.timeoutType === 'SCHEDULE_TO_START') return await local.failUnserved(input, plan.workerWaitSeconds)
    throw error
  }
}

/** Results come back as values; what is thrown is a fault that all tries met, or a cancellation from outside. */
function outcomeOf(error: unknown): NodeOutcome {
  if (isCancellation(error)) return { status: 'failed', cause: { kind: 'cancelled', reason: 'its workflow was cancelled' }, cached: false }
  const cause = error instanceof ActivityFailure ? error.cause : error
  const kind = (cause instanceof ApplicationFailure ? cause.type : cause instanceof TimeoutFailure ? 'killed' : undefined) ?? 'internal'
  return { status: 'failed', cause: { kind: 'fault', error: kind as ErrorKind, message: cause instanceof Error ? cause.message : String(cause) }, cached: false }
}
