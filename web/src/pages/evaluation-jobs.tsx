/** Ring: web. The table of an evaluation's jobs: a virtual one, however many there are. */
import { useVirtualizer } from '@tanstack/react-virtual'
import { getRouteApi, Link } from '@tanstack/react-router'
import { useEffect, useLayoutEffect, useRef, useState } from 'react'
import type { Evaluation, Job } from '../../../contract/api.ts'
import { useBuildState } from '../api/live.ts'
import { useJobs } from '../api/use-jobs.ts'
import { count } from '../format.ts'
import { blocks, Empty, Failure, Pending } from '../parts/basics.tsx'
import { Chips } from '../parts/chips.tsx'
import { State } from '../parts/state.tsx'
import { useDebounced } from '../parts/use-debounced.ts'

const route = getRouteApi('/evaluations/$id')
const ROW = 40

export function Jobs({ evaluation }: { readonly evaluation: Evaluation }) {
  const { state, q = '' } = route.useSearch()
  const navigate = route.useNavigate()
  const { jobs, next, loaded, error, ensure } = useJobs(evaluation.id, state, q)
  const [text, setText] = useDebounced(q, 250, (value) => { void navigate({ search: (before) => ({ ...before, q: value === '' ? undefined : value }), replace: true }) })
  const { jobs: counts } = evaluation
  const chips = [
    { value: undefined, label: 'All', count: counts.total },
    ...([['failed', 'Failed', counts.failed], ['error', 'Evaluation errors', counts.errors], ['running', 'Running', counts.running], ['queued', 'Queued', counts.queued], ['waiting', 'Waiting', counts.waiting], ['succeeded', 'Succeeded', counts.succeeded], ['found', 'Found', counts.found]] as const)
      .filter(([value, , number]) => number > 0 || value === state).map(([value, label, number]) => ({ value: value, label, count: number })),
  ]
  // how many there will be: known from the counts, unless a text narrows them
  const expected = q === '' ? chips.find((chip) => chip.value === state)?.count ?? jobs.length : jobs.length + (next === undefined ? 0 : 200)
  const rows = next === undefined ? jobs.length : Math.max(jobs.length, expected)
  return (
    <>
      <div className="filters">
        <label><span className="visually-hidden">Filter by name</span><input className="field" type="search" placeholder="Filter by name" value={text} onChange={(event) => setText(event.target.value)} /></label>
        <Chips label="State" chips={chips} value={state} onChange={(value) => { void navigate({ search: (before) => ({ ...before, state: value }), replace: true }) }} />
      </div>
      {blocks(error, jobs.length > 0 ? jobs : undefined) ? <Failure error={error} what="jobs" /> : !loaded ? <Pending lines={12} /> : rows === 0
        ? <Empty title={q !== '' || state !== undefined ? 'No job fits.' : evaluation.endedAt === null ? 'No job was found yet.' : 'This evaluation has no jobs.'}>
          <p>{q !== '' || state !== undefined ? 'Choose another state, or another text.' : evaluation.endedAt === null ? 'Each is listed the moment its derivation is known.' : evaluation.error !== null ? 'It failed before it found one: the error is above.' : 'The expression gave no derivation.'}</p>
        </Empty>
        : <Table jobs={jobs} rows={rows} ensure={ensure} jobset={evaluation.jobset} />}
    </>
  )
}

function Table({ jobs, rows, ensure, jobset }: { readonly jobs: readonly Job[]; readonly jobset: Evaluation['jobset']; readonly rows: number; readonly ensure: (index: number) => void }) {
  const scroller = useRef<HTMLDivElement>(null)
  const [top, setTop] = useState(0)
  useLayoutEffect(() => setTop(scroller.current?.getBoundingClientRect().top ?? 0), [])
  const virtual = useVirtualizer({ count: rows, getScrollElement: () => scroller.current, estimateSize: () => ROW, overscan: 12 })
  const items = virtual.getVirtualItems()
  const last = items.at(-1)?.index ?? 0
  useEffect(() => ensure(last), [ensure, last, jobs.length])
  return (
    <div className="table" role="table" aria-label="Jobs" aria-rowcount={rows + 1}>
      <div className="table-head jobs-columns" role="row" aria-rowindex={1}><span role="columnheader">State</span><span role="columnheader">Job</span><span role="columnheader">Package</span><span role="columnheader">System</span><span role="columnheader">Why</span></div>
      <div className="table-body" ref={scroller} tabIndex={0} role="rowgroup" aria-label={`${count(rows)} jobs`} style={{ height: `max(20rem, calc(100dvh - ${Math.round(top)}px - 3rem))` }}>
        <div style={{ height: virtual.getTotalSize() }} role="presentation">
          {items.map(({ index, start }) => {
            const job = jobs[index]
            return <div key={index} className="table-row jobs-columns" role="row" aria-rowindex={index + 2} style={{ transform: `translateY(${start}px)` }}>{job ? <JobCells job={job} jobset={jobset} /> : <span className="blank" role="cell"> </span>}</div>
          })}
        </div>
      </div>
    </div>
  )
}

function JobCells({ job, jobset }: { readonly job: Job; readonly jobset: Evaluation['jobset'] }) {
  const state = useBuildState(job.buildId, job.state)
  return (
    <>
      <span role="cell"><State state={job.state === 'error' || job.state === 'found' ? job.state : state} /></span>
      <span role="cell" className="clip">{job.buildId === null ? job.attr : <Link to="/builds/$id" params={{ id: String(job.buildId) }} search={{}} preload={false}>{job.attr}</Link>}{jobset && <Link className="history note" to="/projects/$project/$jobset/jobs/$job" params={{ project: jobset.project, jobset: jobset.jobset, job: job.attr }} preload={false} aria-label={`History of ${job.attr}`}>history</Link>}</span>
      <span role="cell" className="clip soft">{job.name}</span>
      <span role="cell" className="clip soft note">{job.system}</span>
      <span role="cell" className="clip note">
        {job.error !== null ? <span className="tone-failed" title={job.error}>{firstLine(job.error)}</span>
          : job.fault && state === 'failed' ? <span className="tone-failed">{job.fault.buildId !== job.buildId && <><Link to="/builds/$id" params={{ id: String(job.fault.buildId) }} search={{}} preload={false}>{job.fault.name}</Link>: </>}{job.fault.description}</span> : null}
      </span>
    </>
  )
}

export function firstLine(error: string): string {
  const lines = error.split('\n').map((line) => line.trim())
  const last = lines.findLast((line) => line.startsWith('error:') && line.length > 6) ?? lines[0]!
  return last.replace(/^error:\s*/, '')
}
