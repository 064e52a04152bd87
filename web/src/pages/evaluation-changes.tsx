/** Ring: web. An evaluation beside an earlier one: what newly fails, what was fixed, what came and went. */
import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { getRouteApi, Link } from '@tanstack/react-router'
import type { Evaluation } from '../../../contract/api.ts'
import type { Change } from '../../../contract/comparison.ts'
import { call } from '../api/client.ts'
import { useRefresh } from '../api/live.ts'
import { bytes, plural } from '../format.ts'
import { blocks, Empty, Failure, Pending } from '../parts/basics.tsx'
import { Chips } from '../parts/chips.tsx'
import { State } from '../parts/state.tsx'

const route = getRouteApi('/evaluations/$id')
const WORDS: Readonly<Record<Change, string>> = { 'newly-failing': 'Newly failing', 'fixed': 'Fixed', 'still-failing': 'Still failing', 'still-succeeding': 'Still succeeding', 'added': 'New', 'removed': 'Removed', 'unfinished': 'Unfinished', 'aborted': 'Aborted' }

export default function Changes({ evaluation }: { readonly evaluation: Evaluation }) {
  const { id, jobset } = evaluation
  const search = route.useSearch()
  const navigate = route.useNavigate()
  const against = search.against ?? jobset?.previous ?? undefined
  const change = search.change !== undefined && search.change in WORDS ? search.change as Change : undefined
  const comparison = useQuery({ queryKey: ['comparison', id, against ?? 0], enabled: against !== undefined, queryFn: ({ signal }) => call('compareEvaluation', { params: { id }, query: { ...(against !== undefined && { against }) } }, signal) })
  const others = useQuery({ queryKey: ['evaluations', 'newest'], queryFn: ({ signal }) => call('listEvaluations', { query: { limit: 40 } }, signal) })
  useRefresh(['comparison', id], ({ kind }) => kind === 'build.ended', 3000)
  const candidates = others.data?.items.filter((one) => one.id !== id) ?? []
  const choose = (
    <label className="inline">Compare with <select className="field" value={against ?? ''} onChange={(event) => { void navigate({ search: (before) => ({ ...before, against: event.target.value === '' ? undefined : Number(event.target.value) }), replace: true }) }}>
      <option value="">{jobset?.previous ? `the one before (#${jobset.previous})` : 'choose an evaluation…'}</option>
      {against !== undefined && !candidates.some((one) => one.id === against) && <option value={against}>#{against}</option>}
      {candidates.map((one) => <option key={one.id} value={one.id}>#{one.id} {one.jobset ? `${one.jobset.project}:${one.jobset.jobset}` : 'submission'}</option>)}
    </select></label>
  )
  if (against === undefined) return <><div className="filters">{choose}</div><Empty title="There is nothing to compare with by itself."><p>An evaluation of a jobset is compared with the one before. For this one, choose another above.</p></Empty></>
  if (blocks(comparison.error, comparison.data)) return <><div className="filters">{choose}</div><Failure error={comparison.error} what="comparison" /></>
  if (!comparison.data) return <Pending />
  const { counts, derivationsChanged, faults, inputs, closureBytes } = comparison.data
  const grown = closureBytes.now - closureBytes.before
  return (
    <>
      <div className="filters">
        {choose}
        <Chips<Change> label="Change" value={change} onChange={(value) => { void navigate({ search: (before) => ({ ...before, change: value }), replace: true }) }}
          chips={[{ value: undefined, label: 'All' }, ...(Object.keys(WORDS) as Change[]).filter((one) => (counts[one] ?? 0) > 0 || one === change).map((one) => ({ value: one, label: WORDS[one], count: counts[one] ?? 0 }))]} />
      </div>
      <p className="soft">{plural(derivationsChanged, 'derivation')} changed{closureBytes.before > 0 && grown !== 0 && <>; closures {grown > 0 ? 'grew' : 'shrank'} by {bytes(Math.abs(grown))}</>}. {inputs.map(({ name, before, now }) => <span key={name}>{name}: <code>{before?.slice(0, 12) ?? '–'}</code> → <code>{now?.slice(0, 12) ?? '–'}</code> </span>)}</p>
      {faults.length > 0 && (
        <ul className="rows faults">
          {faults.map((fault) => <li key={fault.buildId} className="row found-row"><State state="failed" /><Link className="row-link" to="/builds/$id" params={{ id: String(fault.buildId) }} search={{}}>{fault.name}</Link><span>{fault.description}</span><span className="right note soft">{plural(fault.jobs, 'job')}</span></li>)}
        </ul>
      )}
      <List id={id} against={against} change={change} />
    </>
  )
}

function List({ id, against, change }: { readonly id: number; readonly against: number; readonly change: Change | undefined }) {
  const { data, error, hasNextPage, isFetchingNextPage, fetchNextPage } = useInfiniteQuery({
    queryKey: ['comparison', id, against, 'list', change ?? ''], initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam, signal }) => call('listChanges', { params: { id }, query: { against, limit: 100, ...(change && { change }), ...(pageParam !== undefined && { cursor: pageParam }) } }, signal),
    getNextPageParam: (page) => page.next ?? undefined,
  })
  if (blocks(error, data)) return <Failure error={error} what="changes" />
  if (!data) return <Pending />
  const items = data.pages.flatMap((page) => page.items)
  if (items.length === 0) return <Empty title="No job is in this group." />
  return (
    <>
      <ul className="rows">
        {items.map((job) => {
          const side = job.now ?? job.before
          return (
            <li key={job.attr} className="row change-row">
              <span className="change">{WORDS[job.change]}</span>
              <span>{side?.buildId ? <Link className="row-link" to="/builds/$id" params={{ id: String(side.buildId) }} search={{}}>{job.attr}</Link> : job.attr} <span className="note soft">{job.name}</span></span>
              <span className="note">{job.before && <State quiet state={job.before.state} />}{job.before && job.now && ' → '}{job.now && <State quiet state={job.now.state} />}</span>
              <span className="note tone-failed">{job.reason}</span>
            </li>
          )
        })}
      </ul>
      {hasNextPage && <button type="button" className="button more" disabled={isFetchingNextPage} onClick={() => { void fetchNextPage() }}>More</button>}
    </>
  )
}
