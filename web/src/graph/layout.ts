/** Ring: web. Places for the nodes of a graph. Runs in a worker: some hundred nodes take a while. */
import { Graph as DagreGraph, layout } from '@dagrejs/dagre'

export interface LayoutRequest {
  readonly id: number
  readonly nodes: readonly { readonly id: number; readonly width: number }[]
  /** From an input to what needs it. */
  readonly edges: readonly (readonly [number, number])[]
  /** Of the space that there is. */
  readonly width: number
}

export interface LayoutResult {
  readonly id: number
  readonly width: number
  readonly height: number
  readonly places: ReadonlyMap<number, readonly [number, number]>
  readonly edges: readonly { readonly from: number; readonly to: number; readonly points: readonly (readonly [number, number])[] }[]
}

export const NODE_HEIGHT = 30

const GAP = 10
const MARGIN = 16

/** Nodes that need nothing and that nothing needs are set in rows, as wide as the rest or the space. */
export function layOut({ id, nodes, edges, width: space }: LayoutRequest): LayoutResult {
  const connected = new Set(edges.flat())
  const graph = new DagreGraph()
  graph.setGraph({ rankdir: 'LR', nodesep: GAP, ranksep: 46, marginx: MARGIN, marginy: MARGIN })
  graph.setDefaultEdgeLabel(() => ({}))
  for (const node of nodes) if (connected.has(node.id)) graph.setNode(String(node.id), { width: node.width, height: NODE_HEIGHT })
  for (const [from, to] of edges) graph.setEdge(String(from), String(to))
  if (connected.size > 0) layout(graph)
  const { width = 0, height = MARGIN } = connected.size > 0 ? graph.graph() : {}
  const places = new Map<number, readonly [number, number]>()
  for (const { id: node } of nodes) {
    if (!connected.has(node)) continue
    const { x, y } = graph.node(String(node)) as { x: number; y: number }
    places.set(node, [x, y])
  }
  const alone = inRows(nodes.filter((node) => !connected.has(node.id)), Math.max(width, space), height)
  for (const [node, place] of alone.places) places.set(node, place)
  return {
    id, width: Math.max(width, alone.width), height: alone.height, places,
    edges: edges.map(([from, to]) => ({ from, to, points: ((graph.edge(String(from), String(to)) as { points?: { x: number; y: number }[] }).points ?? []).map(({ x, y }) => [x, y] as const) })),
  }
}

/** One after the other, in rows from `top` on. */
function inRows(nodes: LayoutRequest['nodes'], most: number, top: number): { readonly width: number; readonly height: number; readonly places: Map<number, readonly [number, number]> } {
  const places = new Map<number, readonly [number, number]>()
  let [x, y, width] = [MARGIN, top, 0]
  for (const node of nodes) {
    if (x > MARGIN && x + node.width + MARGIN > most) [x, y] = [MARGIN, y + NODE_HEIGHT + GAP]
    places.set(node.id, [x + node.width / 2, y + NODE_HEIGHT / 2])
    x += node.width + GAP
    width = Math.max(width, x - GAP + MARGIN)
  }
  return { width, height: nodes.length === 0 ? top : y + NODE_HEIGHT + MARGIN, places }
}
