/** Ring: web. Places for the nodes of a graph. Runs in a worker: some hundred nodes take a while. */
import { Graph as DagreGraph, layout } from '@dagrejs/dagre'

export interface LayoutRequest {
  readonly id: number
  readonly nodes: readonly { readonly id: number; readonly width: number }[]
  /** From an input to what needs it. */
  readonly edges: readonly (readonly [number, number])[]
}

export interface LayoutResult {
  readonly id: number
  readonly width: number
  readonly height: number
  readonly places: ReadonlyMap<number, readonly [number, number]>
  readonly edges: readonly { readonly from: number; readonly to: number; readonly points: readonly (readonly [number, number])[] }[]
}

export const NODE_HEIGHT = 30

export function layOut({ id, nodes, edges }: LayoutRequest): LayoutResult {
  const graph = new DagreGraph()
  graph.setGraph({ rankdir: 'LR', nodesep: 10, ranksep: 46, marginx: 16, marginy: 16 })
  graph.setDefaultEdgeLabel(() => ({}))
  for (const node of nodes) graph.setNode(String(node.id), { width: node.width, height: NODE_HEIGHT })
  for (const [from, to] of edges) graph.setEdge(String(from), String(to))
  layout(graph)
  const { width = 0, height = 0 } = graph.graph()
  return {
    id, width, height,
    places: new Map(nodes.map((node) => {
      const { x, y } = graph.node(String(node.id)) as { x: number; y: number }
      return [node.id, [x, y]]
    })),
    edges: edges.map(([from, to]) => ({ from, to, points: ((graph.edge(String(from), String(to)) as { points?: { x: number; y: number }[] }).points ?? []).map(({ x, y }) => [x, y] as const) })),
  }
}
