/** Ring: web. What failed in an evaluation, gathered under what is at fault. */
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import type { Evaluation, Fault, Job } from '../../../contract/api.ts'
import { call } from '../api/client.ts'
import { useRefresh } from '../api/live.ts'
import { plural, sentence } from '../format.ts'
import { blocks, Empty, Failure, Pending } from '../parts/basics.tsx'
import { StateIcon } from '../parts/state.tsx'
import { firstLine } from './evaluation-jobs.tsx'

export default function Errors({ evaluation: { id, jobs, endedAt, error: whole } }: { readonly evaluation: Evaluation }) {
  const failed = useQuery({ queryKey: ['jobs', id, 'failed'], queryFn: ({ signal }) => call('listJobs', { params: { id }, query: { state: 'failed', limit: 1000 } }, signal) })
  const errors = useQuery({ queryKey: ['jobs', id, 'error'], queryFn: ({ signal }) => call('listJobs', { params: { id }, query: { state: 'error', limit: 200, brief: true } }, signal) })
  useRefresh(['jobs', id], ({ kind, evaluationId }) => kind === 'build.ended' || evaluationId === id, 2000)
  for (const { error, data } of [failed, errors]) if (blocks(error, data)) return <Failure error={error} what="failures" />
  if (!failed.data || !errors.data) return <Pending />
  const faults = new Map<number, { readonly fault: Fault; readonly jobs: Job[] }>()
  for (const job of failed.data.items) {
    if (!job.fault) continue
    const known = faults.get(job.fault.buildId)
    if (known) known.jobs.push(job)
    else faults.set(job.fault.buildId, { fault: job.fault, jobs: [job] })
  }
  if (faults.size === 0 && errors.data.items.length === 0 && whole !== null) return <Empty title="No job failed: the evaluation did not get that far."><p>Its own error is above.</p></Empty>
  if (faults.size === 0 && errors.data.items.length === 0) return <Empty title="Nothing failed."><p>{endedAt === null ? 'Not yet: failures are listed here as they happen.' : 'Every job of this evaluation is there.'}</p></Empty>
  return (
    <div className="failures">
      {[...faults.values()].sort((a, b) => b.jobs.length - a.jobs.length).map(({ fault, jobs: through }) => (
        <article key={fault.buildId} className="failure">
          <h2><StateIcon state="failed" /> <Link to="/builds/$id" params={{ id: String(fault.buildId) }} search={{}}>{fault.name}</Link></h2>
          <p>{sentence(fault.description)} <span className="soft">{plural(through.length, 'job')} fail{through.length === 1 ? 's' : ''} through it: {through.slice(0, 5).map(({ attr }) => attr).join(', ')}{through.length > 5 && ` and ${through.length - 5} more`}.</span></p>
          {fault.logTail.length > 0 && <pre tabIndex={0} aria-label={`End of the log of ${fault.name}`}>{fault.logTail.slice(-8).join('\n')}</pre>}
        </article>
      ))}
      {errors.data.items.map((job) => (
        <article key={job.attr} className="failure">
          <h2><StateIcon state="error" /> {job.attr}</h2>
          <p>{firstLine(job.error ?? '')}{job.position && <span className="soft"> at {job.position.file}:{job.position.line}:{job.position.column}</span>}</p>
          <details><summary>The whole error</summary><pre tabIndex={0} aria-label={`Error of ${job.attr}`}>{job.error}</pre></details>
        </article>
      ))}
      {(failed.data.next !== null || errors.data.next !== null) && <p className="soft">Shown are the first {failed.data.items.length + errors.data.items.length} of {jobs.failed + jobs.errors}; the tab Jobs has all.</p>}
    </div>
  )
}
