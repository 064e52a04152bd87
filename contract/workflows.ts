/**
 * Ring: contract. What workflows and activities take and give. Everything here is JSON, and stays small: derivations,
 * graphs, attribute lists and logs travel through Postgres and the store, never through a workflow's history.
 */
import type { NodeKey, NodeOutcome } from './nodes.ts'

/** What a node's workflow is started with. */
export interface NodeInput {
  readonly nodeKey: NodeKey
  /** `node.id`, which users know as the build id. */
  readonly buildId: number
  /** The node's run that this workflow is; what belongs to an older run writes nothing. */
  readonly run: number
  /** Where it goes, if it needs nothing and so has nothing to plan. */
  readonly plan?: RealisePlan
}

/** Where and how long the realise activity may wait. */
export interface RealisePlan {
  /** Task queue of the realise activity. */
  readonly queue: string
  /** How long it may wait for a worker, in seconds; 0 for no limit. */
  readonly workerWaitSeconds: number
  /** 1 goes first, 5 last. */
  readonly priority: number
  /** What tasks of one queue and priority are dealt out fairly between. */
  readonly fairnessKey: string
  /** Its part of the turns beside other keys' parts; 1 without it. */
  readonly fairnessWeight?: number
}

/** Answer of the plan step. */
export type NodePlan =
  /** Valid already, or a failure that is remembered. */
  | { readonly kind: 'done'; readonly outcome: NodeOutcome }
  /** Inputs aren't there yet: they have been started where nobody had. A signal `wake` with this waiter says that all have ended. */
  | { readonly kind: 'wait'; readonly waiter: number; readonly plan: RealisePlan; /** inputs to start are too many for a local activity: `startInputs` does it */ readonly startInputs: boolean }
  | { readonly kind: 'realise'; readonly plan: RealisePlan }

/** The signal `wake`: the nodes of this waiter have ended. */
export interface WakeSignal {
  readonly waiter: number
  /** Whether one of a node's inputs failed. */
  readonly failed: boolean
  /** The node's priority by now: it may have been moved to the front while it waited. */
  readonly priority?: number
}

/** `again`: what the plan was made from has changed (another address of a download, a cache that lacked a path): plan anew. */
export type RealiseResult = NodeOutcome | { readonly status: 'again' }

export interface EvaluationInput {
  readonly evaluationId: number
  /** Set on a continued run: where the evaluator waits. */
  readonly residentQueue?: string
}

/** Why the evaluate activity ended. */
export type EvaluateResult =
  /** All jobs are known, or the evaluation as a whole has failed; either is recorded. */
  | { readonly kind: 'finished' }
  /**
   * The evaluator waits for nodes; it is kept by a worker's own queue as long as that worker lives. A signal `wake` with
   * this waiter says that one of them has ended; 0 means that one has already.
   */
  | { readonly kind: 'parked'; readonly residentQueue: string; readonly waiter: number }

export type SettleResult = { readonly kind: 'ended' } | { readonly kind: 'waiting'; readonly waiter: number }

/** Activities of the node workflow; workflows import these as types only. */
export interface NodeActivities {
  /** Local activity. Prunes by one bulk query, records edges, starts inputs that nobody started, and says what is left to do. */
  planNode(input: NodeInput): Promise<NodePlan>
  /** Starts the inputs of a node that has very many. */
  startInputs(input: NodeInput): Promise<void>
  /** Inputs → container or download → reference scan → ingest → PathInfo, in one activity on one machine. */
  realiseNode(input: NodeInput): Promise<RealiseResult>
  /** Local activity. Records that an input failed, naming the one at fault; `again` where none is failed any more. */
  failDependent(input: NodeInput): Promise<RealiseResult>
  /** Local activity. No worker took it: `again` where one serves it by now, else the outcome, recorded. */
  failUnserved(input: NodeInput, seconds: number): Promise<RealiseResult>
  /** Local activity. Records an outcome that no other activity has recorded (cancelled, fault). */
  finishNode(input: NodeInput, outcome: NodeOutcome): Promise<void>
}

/** Activities of the evaluation workflow. */
export interface EvaluationActivities {
  evaluate(input: EvaluationInput): Promise<EvaluateResult>
  /** Local activity. Ends the evaluation if all its jobs' nodes have ended, else says what to wait for. */
  settleEvaluation(input: EvaluationInput): Promise<SettleResult>
  /** Local activity. Records that the evaluation as a whole failed or was cancelled. */
  failEvaluation(input: EvaluationInput, end: { readonly state: 'failed' | 'cancelled'; readonly message: string }): Promise<void>
}

/** What a check is of. */
export type JobsetTarget = { readonly kind: 'jobset'; readonly jobsetId: number } | { readonly kind: 'project'; readonly projectId: number }

/** Activities of the jobset workflow and of the schedules'. */
export interface JobsetActivities {
  /** Takes the triggers there are: looks up inputs, and makes and starts evaluations where something changed. What waits for a running evaluation stays. */
  checkJobset(target: JobsetTarget): Promise<void>
  /** A schedule's time has come: writes a trigger and wakes the jobset's workflow. */
  triggerJobset(jobsetId: number, kind: 'poll' | 'schedule', at: string): Promise<void>
}
