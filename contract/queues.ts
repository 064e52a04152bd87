/** Ring: contract. Names of Temporal task queues and ids of workflows; nothing else in Firn spells them. */
import type { JobsetTarget } from './workflows.ts'

/** Workflow tasks, local activities and the small activities (join, finish) of all workflows. */
export const WORKFLOW_QUEUE = 'firn'
/** Evaluator processes. */
export const EVALUATION_QUEUE = 'firn-evaluate'
/** Downloads. */
export const FETCH_QUEUE = 'firn-fetch'

/**
 * Queue of the builds for a system and the features they require, for example `firn-build:x86_64-linux` or
 * `firn-build:x86_64-linux+big-parallel+kvm`. Features are sorted, so that equal sets give equal names.
 */
export function buildQueue(system: string, features: readonly string[]): string {
  return ['firn-build:' + system, ...[...new Set(features)].sort()].join('+')
}

/**
 * All build queues that a worker with these systems and features polls: one for each system and subset of the
 * features. Throws RangeError above 6 features (64 queues a system).
 */
export function buildQueuesServed(systems: readonly string[], features: readonly string[]): string[] {
  if (features.length > 6) throw new RangeError('a worker can offer at most 6 features')
  let subsets: string[][] = [[]]
  for (const feature of features) subsets = [...subsets, ...subsets.map((subset) => [...subset, feature])]
  return systems.flatMap((system) => subsets.map((subset) => buildQueue(system, subset)))
}

/** Id of a node's workflow: one for the whole farm, whatever wants the node. */
export function nodeWorkflowId(nodeKey: string): string {
  return `node:${nodeKey}`
}

export function evaluationWorkflowId(evaluationId: number): string {
  return `evaluation:${evaluationId}`
}

/** Id of the workflow that checks a jobset, or a project's declarative file: one at a time of each. */
export function jobsetWorkflowId(target: JobsetTarget): string {
  return target.kind === 'jobset' ? `jobset:${target.jobsetId}` : `project:${target.projectId}`
}

/** Id of the workflow that tells one target of an evaluation's news; `target` is a hash of where they go. */
export function notificationWorkflowId(evaluationId: number, target: string): string {
  return `notification:${evaluationId}:${target}`
}

/** Id of the schedule by which a jobset is looked at. */
export function jobsetScheduleId(jobsetId: number): string {
  return `jobset:${jobsetId}`
}
