/** Ring: web. A job over time. */
import { useQuery } from '@tanstack/react-query'
import { getRouteApi, Link } from '@tanstack/react-router'
import { call } from '../api/client.ts'
import { bytes, duration } from '../format.ts'
import { Ago, blocks, Empty, Failure, PageHead, Pending } from '../parts/basics.tsx'
import { State } from '../parts/state.tsx'

const route = getRouteApi('/projects/$project/$jobset/jobs/$job')

export function JobPage() {
  const params = route.useParams()
  const { data, error } = useQuery({ queryKey: ['job', params], queryFn: ({ signal }) => call('jobHistory', { params, query: { limit: 100 } }, signal) })
  if (blocks(error, data)) return <Failure error={error} what="job" />
  if (!data) return <Pending />
  return (
    <>
      <PageHead title={params.job} above={<><Link to="/projects/$project" params={{ project: params.project }}>{params.project}</Link> / <Link to="/projects/$project/$jobset" params={{ project: params.project, jobset: params.jobset }}>{params.jobset}</Link> / job</>} />
      {data.items.length === 0 ? <Empty title="No evaluation has this job." /> : (
        <ul className="rows">
          {data.items.map((run) => (
            <li key={run.evaluationId} className="row attempt-row">
              <Link className="row-link" to="/evaluations/$id" params={{ id: String(run.evaluationId) }} search={{}}>#{run.evaluationId}</Link>
              <State state={run.state} />
              <span>{run.buildId === null ? run.name : <Link to="/builds/$id" params={{ id: String(run.buildId) }} search={{}}>{run.name}</Link>} {run.changed && <span className="tag">changed</span>}</span>
              <span className="note soft">{run.startedAt && run.endedAt && duration(Date.parse(run.endedAt) - Date.parse(run.startedAt))}</span>
              <span className="note soft">{run.closureBytes !== null && `closure ${bytes(run.closureBytes)}`}</span>
              <span className="note soft right">{run.evaluatedAt && <Ago time={run.evaluatedAt} />}</span>
            </li>
          ))}
        </ul>
      )}
    </>
  )
}
