/** Ring: web. One evaluation: how far it is, its jobs, what changed, what failed and why, its graph, where time went. */
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { getRouteApi, Link } from '@tanstack/react-router'
import { lazy, Suspense, useEffect } from 'react'
import type { Evaluation } from '../../../contract/api.ts'
import { call } from '../api/client.ts'
import { useRefresh } from '../api/live.ts'
import { count, duration, plural, useNow } from '../format.ts'
import { ActionError } from '../parts/action-error.tsx'
import { Ago, blocks, Failure, PageHead, Pending } from '../parts/basics.tsx'
import { titleOf } from '../parts/evaluation-row.tsx'
import { State, Strata } from '../parts/state.tsx'
import type { EVALUATION_TABS } from '../router.tsx'
import { Jobs } from './evaluation-jobs.tsx'

const route = getRouteApi('/evaluations/$id')
type Tab = (typeof EVALUATION_TABS)[number]

const TABS = {
  changes: () => import('./evaluation-changes.tsx'), errors: () => import('./evaluation-errors.tsx'), graph: () => import('./evaluation-graph.tsx'),
  timeline: () => import('./evaluation-timeline.tsx'), inputs: () => import('./evaluation-inputs.tsx'),
} as const
const [Changes, Errors, GraphTab, Timeline, Inputs] = [lazy(TABS.changes), lazy(TABS.errors), lazy(TABS.graph), lazy(TABS.timeline), lazy(TABS.inputs)]

/** Fetches them when the page has had its time, so that they open at once, and when the farm can't be heard. */
function useTabsAhead(): void {
  useEffect(() => {
    const timer = setTimeout(() => { for (const load of Object.values(TABS)) load().catch(() => undefined) }, 2000)
    return () => clearTimeout(timer)
  }, [])
}

export function EvaluationPage() {
  const id = Number(route.useParams().id)
  const { tab = 'jobs' } = route.useSearch()
  const key = ['evaluation', id]
  useTabsAhead()
  const { data, error } = useQuery({ queryKey: key, queryFn: ({ signal }) => call('getEvaluation', { params: { id } }, signal) })
  useRefresh(key, ({ evaluationId, kind }) => evaluationId === id || kind.startsWith('build.'), 1000)
  if (blocks(error, data)) return <Failure error={error} what="evaluation" />
  if (!data) return <Pending lines={10} />
  const failed = data.jobs.failed + data.jobs.errors
  const tabs: readonly { readonly tab: Tab; readonly label: string; readonly count?: number }[] = [
    { tab: 'jobs', label: 'Jobs', count: data.jobs.total },
    { tab: 'changes', label: 'Changes' },
    { tab: 'errors', label: 'Failures', count: failed },
    { tab: 'graph', label: 'Graph' },
    { tab: 'timeline', label: 'Timeline' },
    { tab: 'inputs', label: 'Inputs' },
  ]
  return (
    <>
      <Head evaluation={data} />
      <nav className="tabs" aria-label="Parts of the evaluation">
        {tabs.map((one) => (
          <Link key={one.tab} from="/evaluations/$id" to="." search={one.tab === 'jobs' ? {} : { tab: one.tab }} className="tab" activeOptions={{ exact: true, includeSearch: true }} aria-current={one.tab === tab ? 'page' : undefined} replace>
            {one.label}{one.count !== undefined && <span className="count number">{count(one.count)}</span>}
          </Link>
        ))}
      </nav>
      <Suspense fallback={<Pending lines={8} />}>
        {tab === 'jobs' && <Jobs evaluation={data} />}
        {tab === 'changes' && <Changes evaluation={data} />}
        {tab === 'errors' && <Errors evaluation={data} />}
        {tab === 'graph' && <GraphTab evaluation={data} />}
        {tab === 'timeline' && <Timeline evaluation={data} />}
        {tab === 'inputs' && <Inputs evaluation={data} />}
      </Suspense>
    </>
  )
}

function Head({ evaluation }: { readonly evaluation: Evaluation }) {
  const now = useNow(evaluation.endedAt === null ? 1000 : 60_000)
  const { id, jobs, jobset, nodes, progress, state } = evaluation
  const ended = evaluation.endedAt !== null
  return (
    <>
      <PageHead
        title={titleOf(evaluation)}
        above={jobset ? <><Link to="/projects/$project" params={{ project: jobset.project }}>{jobset.project}</Link> / <Link to="/projects/$project/$jobset" params={{ project: jobset.project, jobset: jobset.jobset }}>{jobset.jobset}</Link> / evaluation #{id}</> : <>Evaluation #{id}</>}
        below={(
          <p className="facts-line">
            <State state={state} />
            <span className="soft">begun <Ago time={evaluation.createdAt} /></span>
            {evaluation.startedAt && <span className="soft number">{ended ? 'took' : 'for'} {duration((evaluation.endedAt ? Date.parse(evaluation.endedAt) : now) - Date.parse(evaluation.startedAt))}</span>}
            {nodes && <span className="soft">{plural(nodes.running, 'build')} running, {count(nodes.queued)} queued, {count(nodes.waiting)} waiting for inputs</span>}
            {!ended && <Progress progress={progress} />}
          </p>
        )}
      >
        <Actions evaluation={evaluation} />
      </PageHead>
      <Strata counts={jobs} label="Jobs" />
      {evaluation.error !== null && <div className="notice failed" role="alert"><p><strong>The evaluation failed as a whole.</strong></p><pre tabIndex={0} aria-label="Error">{evaluation.error}</pre></div>}
    </>
  )
}

/** What the evaluator says of itself. */
function Progress({ progress }: { readonly progress: Evaluation['progress'] }) {
  const figure = (name: string): number | undefined => (typeof progress[name] === 'number' ? progress[name] : undefined)
  const [done, waiting, imports] = [figure('attributesDone'), figure('attributesWaiting'), figure('imports') ?? figure('needsOutstanding')]
  if (done === undefined) return null
  return <span className="soft number">{plural(done, 'attribute')} evaluated{waiting ? `, ${count(waiting)} wait for imports` : ''}{imports ? ` (${plural(imports, 'import')} outstanding)` : ''}</span>
}

function Actions({ evaluation }: { readonly evaluation: Evaluation }) {
  const client = useQueryClient()
  const params = { id: evaluation.id }
  const done = (): void => { void client.invalidateQueries({ queryKey: ['evaluation', evaluation.id] }) }
  const retry = useMutation({ mutationFn: () => call('retryEvaluation', { params }), onSuccess: done })
  const cancel = useMutation({ mutationFn: () => call('cancelEvaluation', { params }), onSuccess: done })
  const bump = useMutation({ mutationFn: () => call('bumpEvaluation', { params }), onSuccess: done })
  const ended = evaluation.endedAt !== null
  return (
    <>
      {evaluation.jobs.failed + evaluation.jobs.errors > 0 || evaluation.state === 'failed' ? <button type="button" className="button primary" disabled={retry.isPending} onClick={() => retry.mutate()}>Run failed again</button> : null}
      {!ended && <button type="button" className="button" disabled={bump.isPending} onClick={() => bump.mutate()}>To the front</button>}
      {!ended && <button type="button" className="button danger" disabled={cancel.isPending} onClick={() => cancel.mutate()}>Cancel</button>}
      <ActionError errors={[retry.error, cancel.error, bump.error]} />
    </>
  )
}
