/** Ring: web. A graph to look at: inputs at the left, what needs them at the right; drag to move, scroll or buttons to zoom. Beside it, the same as a list. */
import { useNavigate } from '@tanstack/react-router'
import { type PointerEvent, type RefObject, useEffect, useMemo, useRef, useState } from 'react'
import type { Graph } from '../../../contract/views.ts'
import { live, useConnection } from '../api/live.ts'
import { criticalPath } from './critical-path.ts'
import { type LayoutRequest, type LayoutResult, NODE_HEIGHT } from './layout.ts'

const MAX_NAME = 26
const CHARACTER = 7.3

interface View { readonly x: number; readonly y: number; readonly scale: number }

export function GraphView({ graph, note, focus }: { readonly graph: Graph; readonly note?: string | undefined; readonly focus?: number }) {
  const navigate = useNavigate()
  const host = useRef<HTMLDivElement>(null)
  const result = useLayout(graph, host)
  const [view, setView] = useState<View>()
  const drag = useRef<{ x: number; y: number; view: View; moved: boolean }>(undefined)
  const critical = useMemo(() => new Set(criticalPath(graph.nodes)), [graph])
  const nodes = useMemo(() => new Map(graph.nodes.map((node) => [node.id, node])), [graph])
  useConnection()

  const fit = (): View | undefined => {
    const box = host.current?.getBoundingClientRect()
    if (!box || !result) return undefined
    const scale = Math.min(1, Math.max(0.25, Math.min(box.width / result.width, box.height / result.height)))
    return { scale, x: (box.width - result.width * scale) / 2, y: (box.height - result.height * scale) / 2 }
  }
  // the first time only: a graph that grows must not jump
  useEffect(() => { if (result && !view) setView(fit()) })
  const zoom = (factor: number, at?: { x: number; y: number }): void => setView((before) => {
    if (!before) return before
    const box = host.current!.getBoundingClientRect()
    const { x, y } = at ?? { x: box.width / 2, y: box.height / 2 }
    const scale = Math.min(2, Math.max(0.08, before.scale * factor))
    return { scale, x: x - (x - before.x) * scale / before.scale, y: y - (y - before.y) * scale / before.scale }
  })
  useEffect(() => {
    const element = host.current!
    const wheel = (event: WheelEvent): void => {
      if (!event.ctrlKey && !event.metaKey) return
      event.preventDefault()
      const box = element.getBoundingClientRect()
      zoom(Math.exp(-event.deltaY / 300), { x: event.clientX - box.left, y: event.clientY - box.top })
    }
    element.addEventListener('wheel', wheel, { passive: false })
    return () => element.removeEventListener('wheel', wheel)
  }, [])
  const down = (event: PointerEvent): void => {
    if (view) drag.current = { x: event.clientX, y: event.clientY, view, moved: false }
  }
  const move = (event: PointerEvent): void => {
    const at = drag.current
    if (!at) return
    const [dx, dy] = [event.clientX - at.x, event.clientY - at.y]
    if (Math.abs(dx) + Math.abs(dy) > 4) at.moved = true
    if (at.moved) setView({ ...at.view, x: at.view.x + dx, y: at.view.y + dy })
  }
  const open = (id: number): void => {
    if (!drag.current?.moved) void navigate({ to: '/builds/$id', params: { id: String(id) }, search: {} })
  }
  return (
    <figure className="graph">
      <figcaption className="graph-head">
        <span className="note soft">{note ?? 'Inputs at the left. A dashed frame: the evaluation waits for it (import). Bold: the chain that takes longest.'}</span>
        <span className="actions"><button type="button" className="button small" onClick={() => zoom(1.3)} aria-label="Larger">+</button><button type="button" className="button small" onClick={() => zoom(1 / 1.3)} aria-label="Smaller">−</button><button type="button" className="button small" onClick={() => setView(fit())}>Fit</button></span>
      </figcaption>
      <div className="graph-space" ref={host} onPointerDown={down} onPointerMove={move} onPointerUp={() => setTimeout(() => { drag.current = undefined })} onPointerLeave={() => { drag.current = undefined }}>
        {result && view && (
          <svg role="group" aria-label={`Graph of ${graph.nodes.length} builds`}>
            <g transform={`translate(${view.x} ${view.y}) scale(${view.scale})`}>
              {result.edges.map(({ from, to, points }) => <path key={`${from}-${to}`} className={critical.has(from) && critical.has(to) ? 'edge critical' : 'edge'} d={curve(points)} />)}
              {[...result.places].map(([id, [x, y]]) => {
                const node = nodes.get(id)
                if (!node) return null
                const width = widthOf(node.name)
                const state = live.stateOf(id) ?? node.state
                return (
                  <g key={id} transform={`translate(${x - width / 2} ${y - NODE_HEIGHT / 2})`}><a className={`node tone-${state}${node.wanted.includes('import') ? ' import' : ''}${critical.has(id) ? ' critical' : ''}${id === focus ? ' focus' : ''}`} href={`builds/${id}`}
                    onClick={(event) => { if (!event.ctrlKey && !event.metaKey) { event.preventDefault(); open(id) } }} draggable={false} aria-label={`${node.name}, ${state}${node.wanted.includes('import') ? ', import' : ''}`}>
                    <title>{node.name}, {state}</title>
                    <rect width={width} height={NODE_HEIGHT} rx="3" /><rect className={`node-mark fill-${state}`} width="5" height={NODE_HEIGHT} />
                    <text x="13" y="19">{shortened(node.name)}</text>
                  </a></g>
                )
              })}
            </g>
          </svg>
        )}
      </div>
    </figure>
  )
}

function useLayout(graph: Graph, host: RefObject<HTMLDivElement | null>): LayoutResult | undefined {
  const worker = useRef<Worker>(undefined)
  const newest = useRef(0)
  const [result, setResult] = useState<LayoutResult>()
  // only another shape asks for another layout; states change in place
  const shape = useMemo(() => graph.nodes.map(({ id, inputs }) => `${id}:${inputs.join(',')}`).sort().join(';'), [graph])
  useEffect(() => {
    worker.current ??= new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' })
    worker.current.onmessage = ({ data }: MessageEvent<LayoutResult>) => { if (data.id === newest.current) setResult(data) }
    const request: LayoutRequest = {
      id: ++newest.current,
      nodes: graph.nodes.map(({ id, name }) => ({ id, width: widthOf(name) })),
      edges: graph.nodes.flatMap(({ id, inputs }) => inputs.map((input) => [input, id] as const)),
      width: host.current?.clientWidth ?? innerWidth,
    }
    worker.current.postMessage(request)
     
  }, [shape])
  useEffect(() => () => {
    worker.current?.terminate()
    worker.current = undefined
  }, [])
  return result
}

function shortened(name: string): string {
  return name.length > MAX_NAME ? `${name.slice(0, MAX_NAME - 9)}…${name.slice(-8)}` : name
}

function widthOf(name: string): number {
  return Math.round(Math.min(name.length, MAX_NAME) * CHARACTER + 24)
}

function curve(points: readonly (readonly [number, number])[]): string {
  if (points.length < 2) return ''
  const [[x, y], ...rest] = points as [readonly [number, number], ...(readonly [number, number])[]]
  let path = `M${x} ${y}`
  for (let i = 0; i < rest.length - 1; i++) {
    const [cx, cy] = rest[i]!
    const [nx, ny] = rest[i + 1]!
    path += i === rest.length - 2 ? `Q${cx} ${cy} ${nx} ${ny}` : `Q${cx} ${cy} ${(cx + nx) / 2} ${(cy + ny) / 2}`
  }
  return rest.length === 1 ? `${path}L${rest[0]![0]} ${rest[0]![1]}` : path
}
