/** Ring: activities. Sets in motion what a plan found. */
import type { Dependencies } from './dependencies.ts'
import type { Plan } from './graph.ts'
import { beginRuns, type BegunRuns } from '../state/nodes.ts'

/**
 * Begins runs of a plan's nodes where nobody runs them, and starts their workflows in the plan's order. A node that needs nothing is told
 * where to go, and so has nothing to plan itself. Gives those that were not begun.
 */
export async function beginNodes({ database: { db }, motion, realisePlans }: Pick<Dependencies, 'database' | 'motion' | 'realisePlans'>, plan: Pick<Plan, 'begin' | 'ready'>, evaluationId: number): Promise<BegunRuns['others']> {
  const { begun, others } = await beginRuns(db, plan.begin, [...plan.ready])
  const place = new Map(plan.begin.map((key, index) => [key, index]))
  const ordered = [...begun].sort((a, b) => place.get(a.nodeKey)! - place.get(b.nodeKey)!)
  await motion.startNodes(await Promise.all(ordered.map(async (node) => ({
    nodeKey: node.nodeKey, buildId: node.buildId, run: node.run, priority: node.priority,
    ...(plan.ready.has(node.nodeKey) ? { plan: await realisePlans.planOf(node, evaluationId) } : {}),
  }))))
  return others
}
