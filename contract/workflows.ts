/**
 * Ring: contract. What workflows and activities take and give. Everything here is JSON, and stays small: derivations,
 * graphs, attribute lists and logs travel through Postgres and the store, never through a workflow's history.
 */
import type { NodeKey, NodeOutcome } from './nodes.ts'

/** What a parent already knows of a node, so that the child need not look it up. */
export interface NodeInput {
  readonly nodeKey: NodeKey
  /** `node.id`, which users know as the build id. */
  readonly buildId: number
}

/** How a node that isn't valid is to be realised. */
export interface RealisePlan {
  /** Task queue of the realise activity. */
  readonly queue: string
  /** Inputs that aren't valid yet: started as children, or joined where they already run. */
  readonly missing: readonly NodeInput[]
  /** How long the realise activity may wait for a worker, in seconds; 0 for no limit. */
  readonly workerWaitSeconds: number
  readonly priority: number
}

/** Answer of the plan step: done already (valid, or a cached failure), or what to do. */
export type NodePlan =
  | { readonly kind: 'done'; readonly outcome: NodeOutcome }
  | { readonly kind: 'realise'; readonly plan: RealisePlan }

/** Outcomes of several nodes, of those that failed only; an empty list means that all succeeded. */
export interface JoinResult {
  readonly failed: readonly { readonly nodeKey: NodeKey; readonly outcome: NodeOutcome }[]
}

export interface EvaluationInput {
  readonly evaluationId: number
}

/** Why the evaluate activity ended. */
export type EvaluateResult =
  /** All jobs are known. */
  | { readonly kind: 'finished' }
  /** The evaluator waits for nodes; it is kept by `resident` (a worker's own queue) as long as that worker lives. */
  | { readonly kind: 'parked'; readonly residentQueue: string }

/** Activities of the node workflow; workflows import these as types only. */
export interface NodeActivities {
  /** Local activity. Prunes by one bulk query, asks substituters, records edges, and says what is left to do. */
  planNode(input: NodeInput): Promise<NodePlan>
  /** Ends when every one of these nodes has an outcome (asynchronous completion; joins runs that others started). */
  joinNodes(nodeKeys: readonly NodeKey[]): Promise<JoinResult>
  /** Inputs → container or download → reference scan → ingest → PathInfo, in one activity on one machine. */
  realiseNode(input: NodeInput): Promise<NodeOutcome>
  /** Records a run's outcome that no activity has recorded (dependency failed, no worker, cancelled) and wakes joiners. */
  finishNode(input: NodeInput, outcome: NodeOutcome): Promise<void>
}

/** Activities of the evaluation workflow. */
export interface EvaluationActivities {
  evaluate(input: EvaluationInput): Promise<EvaluateResult>
  /** Ends when at least one need of this evaluation that was unmet has an outcome (asynchronous completion). */
  awaitNeeds(input: EvaluationInput): Promise<void>
  /** Ends when every job's node has an outcome, then records how the evaluation ended. */
  finishEvaluation(input: EvaluationInput, end: { readonly kind: 'finished' | 'cancelled' } | { readonly kind: 'failed'; readonly message: string }): Promise<void>
}
