/** Ring: web. Where the time of an evaluation went: each build as a bar, and the chain that everything waited for. */
import { useQuery } from '@tanstack/react-query'
import { useVirtualizer } from '@tanstack/react-virtual'
import { Link } from '@tanstack/react-router'
import { useMemo, useRef } from 'react'
import type { Evaluation } from '../../../contract/api.ts'
import { call } from '../api/client.ts'
import { useRefresh } from '../api/live.ts'
import { duration, plural, useNow } from '../format.ts'
import { criticalPath } from '../graph/critical-path.ts'
import { blocks, Empty, Failure, Pending } from '../parts/basics.tsx'
import { StateIcon } from '../parts/state.tsx'

const NODES = 5000
const ROW = 28

export default function Timeline({ evaluation }: { readonly evaluation: Evaluation }) {
  const { id, endedAt } = evaluation
  const { data, error } = useQuery({ queryKey: ['graph', 'timeline', id], queryFn: ({ signal }) => call('evaluationGraph', { params: { id }, query: { limit: NODES } }, signal) })
  useRefresh(['graph', 'timeline', id], ({ kind }) => kind === 'build.started' || kind === 'build.ended', 3000)
  const now = useNow(endedAt === null ? 1000 : 60_000)
  const scroller = useRef<HTMLDivElement>(null)
  const ran = useMemo(() => (data?.nodes ?? []).flatMap((node) => (node.startedAt === null ? [] : [{
    node, queued: Date.parse(node.queuedAt ?? node.startedAt), started: Date.parse(node.startedAt), ended: node.endedAt === null ? undefined : Date.parse(node.endedAt),
  }])).sort((a, b) => a.started - b.started), [data])
  const critical = useMemo(() => new Set(criticalPath(data?.nodes ?? [])), [data])
  const virtual = useVirtualizer({ count: ran.length, getScrollElement: () => scroller.current, estimateSize: () => ROW, overscan: 10 })
  if (blocks(error, data)) return <Failure error={error} what="timeline" />
  if (!data) return <Pending />
  // builds that an earlier evaluation made lie before its beginning
  const begin = Math.min(...ran.map(({ queued }) => queued), ...(evaluation.startedAt ? [Date.parse(evaluation.startedAt)] : []))
  const end = Math.max(begin + 1, ...ran.map(({ ended }) => ended ?? now))
  const place = (time: number): number => ((time - begin) / (end - begin)) * 100
  if (ran.length === 0) return <Empty title="Nothing has run."><p>Each build of this evaluation becomes a bar here when a worker takes it.</p></Empty>
  const onPath = ran.filter(({ node }) => critical.has(node.id))
  return (
    <>
      <p className="soft">{duration(end - begin)} in all. The chain that everything waited for has {plural(onPath.length, 'build')} and took {duration(onPath.reduce((sum, one) => sum + (one.ended ?? now) - one.started, 0))}; its bars are outlined. Pale: waiting for a worker.</p>
      <div className="waterfall" ref={scroller} tabIndex={0} role="group" aria-label="Builds over time">
        <div style={{ height: virtual.getTotalSize() }}>
          {virtual.getVirtualItems().map(({ index, start }) => {
            const { node, queued, started, ended } = ran[index]!
            return (
              <div key={node.id} className={critical.has(node.id) ? 'bar-row critical' : 'bar-row'} style={{ transform: `translateY(${start}px)` }}>
                <span className="bar-name clip"><StateIcon state={node.state} /><Link to="/builds/$id" params={{ id: String(node.id) }} search={{}} preload={false}>{node.name}</Link>{node.wanted.includes('import') && <span className="tag">import</span>}</span>
                <span className="bar-space">
                  <span className="bar waits" style={{ left: `${place(queued)}%`, width: `${place(started) - place(queued)}%` }} />
                  <span className={`bar fill-${node.state === 'waiting' ? 'succeeded' : node.state}`} style={{ left: `${place(started)}%`, width: `max(2px, ${place(ended ?? now) - place(started)}%)` }} title={`${node.name}: waited ${duration(started - queued)}, took ${duration((ended ?? now) - started)}`} />
                </span>
                <span className="note soft number right">{duration((ended ?? now) - started)}</span>
              </div>
            )
          })}
        </div>
      </div>
      {data.total > data.nodes.length && <p className="note soft">Of {data.total.toLocaleString('en')} nodes, those that failed, run or took longest.</p>}
    </>
  )
}
