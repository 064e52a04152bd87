/** Ring: web. The graph of an evaluation while it grows. */
import { useQuery } from '@tanstack/react-query'
import type { Evaluation } from '../../../contract/api.ts'
import { call } from '../api/client.ts'
import { useRefresh } from '../api/live.ts'
import { GraphView } from '../graph/graph-view.tsx'
import { blocks, Empty, Failure, Pending } from '../parts/basics.tsx'

const NODES = 300

export default function GraphTab({ evaluation: { id, endedAt, error: whole } }: { readonly evaluation: Evaluation }) {
  const { data, error } = useQuery({ queryKey: ['graph', 'evaluation', id], queryFn: ({ signal }) => call('evaluationGraph', { params: { id }, query: { limit: NODES } }, signal) })
  useRefresh(['graph', 'evaluation', id], ({ kind, evaluationId }) => evaluationId === id || kind.startsWith('build.'), 2000)
  if (blocks(error, data)) return <Failure error={error} what="graph" />
  if (!data) return <Pending />
  if (data.nodes.length === 0 && whole !== null) return <Empty title="There is nothing to draw."><p>It failed before it needed a build: the error is above.</p></Empty>
  if (data.nodes.length === 0) return <Empty title={endedAt === null ? 'Nothing has to be realised yet.' : 'Nothing had to be realised.'}><p>{endedAt === null ? 'Nodes appear as the evaluation finds what it needs.' : 'All that its jobs needed was in the store already.'}</p></Empty>
  return <GraphView graph={data} note={data.total > data.nodes.length ? `Drawn are ${data.nodes.length} of ${data.total.toLocaleString('en')} nodes: what failed, runs or waits, and what took longest.` : undefined} />
}
