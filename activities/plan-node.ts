/**
 * Ring: activities. The plan of a node's run, and the small activities around it. Upstream counterpart: the first half of Nix'
 * DerivationGoal (haveDerivation, gaveUpOnSubstitution), which asks of each input in turn; here it is four statements.
 */
import { Context } from '@temporalio/activity'
import type { FailureCause, NodeKey, NodeOutcome } from '../contract/nodes.ts'
import { nodeWorkflowId } from '../contract/queues.ts'
import type { NodeActivities, NodeInput, NodePlan, RealiseResult } from '../contract/workflows.ts'
import { beginRuns, inheritEvaluations, readNodes, readNodeWithInputs, recordPlanned } from '../state/nodes.ts'
import { announce } from '../state/motion.ts'
import { faultAmongInputs, recordOutcome } from '../state/outcomes.ts'
import { registerWaiter } from '../state/waiters.ts'
import { serviceOf } from '../state/workers.ts'
import type { Dependencies } from './dependencies.ts'
import { withKinds } from './faults.ts'

/** More inputs than this are started by an activity of their own, not within a workflow task. */
const MANY_INPUTS = 200
const SUPERSEDED: NodeOutcome = { status: 'failed', cause: { kind: 'cancelled', reason: 'another run has taken its place' }, cached: false }

export function planActivities(dependencies: Pick<Dependencies, 'database' | 'motion' | 'planner' | 'realisePlans'>): Omit<NodeActivities, 'realiseNode'> {
  const { database: { db }, motion, planner, realisePlans } = dependencies

  const finish = async (input: NodeInput, outcome: NodeOutcome): Promise<void> => {
    const recorded = await recordOutcome(db, input, { outcome })
    if (recorded) await announce(db, motion, [input.nodeKey])
  }

  /** The node with all edges to inputs that weren't valid when they were looked for. */
  const withEdges = async (key: NodeKey) => {
    const found = await readNodeWithInputs(db, key)
    if (!found || found.node.inputsKnown || found.node.drvPath === null) return found
    await planner.plan([{ kind: 'derivation', drvPath: found.node.drvPath, outputs: Object.keys(found.node.outputs) }], { priority: found.node.priority, ...(found.node.substitutionFailed ? { withoutSubstitutes: new Set([key]) } : {}) })
    const again = await readNodeWithInputs(db, key)
    if (again) await inheritEvaluations(db, key, again.inputs.map((input) => input.key))
    return again
  }

  const failDependent = async (input: NodeInput): Promise<RealiseResult> => {
    const cause = await faultAmongInputs(db, input.nodeKey)
    if (!cause) return { status: 'again' }
    const outcome: NodeOutcome = { status: 'failed', cause, cached: false }
    await finish(input, outcome)
    return outcome
  }

  const planNode = async (input: NodeInput): Promise<NodePlan> => {
    const found = await withEdges(input.nodeKey)
    if (!found || found.node.run !== input.run) return { kind: 'done', outcome: SUPERSEDED }
    const { node, inputs } = found
    if (node.state === 'succeeded' || node.state === 'failed') return { kind: 'done', outcome: node.outcome ?? SUPERSEDED }
    const valid = await planner.validOutputs([node, ...inputs])
    if (valid.has(node.key)) {
      const outcome: NodeOutcome = { status: 'succeeded', how: 'valid' }
      await finish(input, outcome)
      return { kind: 'done', outcome }
    }
    const plan = await realisePlans.planOf(node, found.evaluationId)
    const missing = node.substitutable ? [] : inputs.filter((one) => !valid.has(one.key)).map((one) => one.key)
    if (!await recordPlanned(db, input, missing.length === 0 ? 'queued' : 'waiting')) return { kind: 'done', outcome: SUPERSEDED }
    if (missing.length === 0) return { kind: 'realise', plan }

    const { begun } = await beginRuns(db, missing)
    const startInputs = begun.length > MANY_INPUTS
    if (!startInputs) await motion.startNodes(begun.map(({ nodeKey, buildId, run, priority }) => ({ nodeKey, buildId, run, priority })))
    const waiter = await registerWaiter(db, nodeWorkflowId(node.key), 'all', missing)
    if (waiter !== undefined) return { kind: 'wait', waiter, plan, startInputs }
    // all of them have ended in the meantime, or had failed before
    const failed = await failDependent(input)
    if (failed.status !== 'again') return { kind: 'done', outcome: failed }
    await recordPlanned(db, input, 'queued')
    return { kind: 'realise', plan }
  }

  return {
    planNode: (input) => withKinds(() => planNode(input)),
    failDependent: (input) => withKinds(() => failDependent(input)),
    finishNode: (input, outcome) => withKinds(() => finish(input, outcome)),

    startInputs: (input) => withKinds(async () => {
      const found = await readNodeWithInputs(db, input.nodeKey)
      const waiting = (found?.inputs ?? []).filter((one) => one.state === 'waiting' && one.run > 0)
      for (let start = 0; start < waiting.length; start += 100) {
        // one that was started by somebody else meanwhile stays as it is
        await motion.ensureNodes(waiting.slice(start, start + 100).map((one) => ({ nodeKey: one.key, buildId: one.id, run: one.run, priority: one.priority })))
        Context.current().heartbeat({ started: Math.min(start + 100, waiting.length), of: waiting.length })
      }
    }),

    failUnserved: (input, seconds) => withKinds(async () => {
      const node = (await readNodes(db, [input.nodeKey])).get(input.nodeKey)
      if (!node) return SUPERSEDED
      if ((await serviceOf(db, node.system, node.features)).live) return { status: 'again' }
      const cause: FailureCause = { kind: 'no-worker', system: node.system, features: node.features, seconds }
      const outcome: NodeOutcome = { status: 'failed', cause, cached: false }
      await finish(input, outcome)
      return outcome
    }),
  }
}
