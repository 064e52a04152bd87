/** Ring: web. The chain of builds that ended last of all: from the last to end, always on to the input that ended last. */
import type { GraphNode } from '../../../contract/views.ts'

/** Ids from the first of the chain to the last. */
export function criticalPath(nodes: readonly GraphNode[]): number[] {
  const byId = new Map(nodes.map((node) => [node.id, node]))
  const endOf = (node: GraphNode): number => (node.startedAt === null ? -1 : node.endedAt === null ? Infinity : Date.parse(node.endedAt))
  const lastOf = (candidates: Iterable<GraphNode>): GraphNode | undefined => {
    let last: GraphNode | undefined
    for (const node of candidates) if (endOf(node) >= 0 && (last === undefined || endOf(node) > endOf(last))) last = node
    return last
  }
  const path: number[] = []
  const seen = new Set<number>()
  for (let at = lastOf(nodes); at !== undefined && !seen.has(at.id); at = lastOf(at.inputs.flatMap((id) => byId.get(id) ?? []))) {
    seen.add(at.id)
    path.unshift(at.id)
  }
  return path
}
