/** Ring: web. A project and its jobsets. */
import { useQuery } from '@tanstack/react-query'
import { getRouteApi, Link } from '@tanstack/react-router'
import { call } from '../api/client.ts'
import { useRefresh } from '../api/live.ts'
import { Ago, blocks, Empty, Failure, PageHead, Pending } from '../parts/basics.tsx'
import { type AnyState, State, Strata } from '../parts/state.tsx'

const route = getRouteApi('/projects/$project')

export function ProjectPage() {
  const { project } = route.useParams()
  const about = useQuery({ queryKey: ['project', project], queryFn: ({ signal }) => call('getProject', { params: { project } }, signal) })
  const jobsets = useQuery({ queryKey: ['jobsets', project], queryFn: ({ signal }) => call('listJobsets', { params: { project }, query: { limit: 500 } }, signal) })
  useRefresh(['jobsets', project], () => true, 2000)
  if (blocks(about.error, about.data)) return <Failure error={about.error} what="project" />
  if (!about.data) return <Pending />
  return (
    <>
      <PageHead title={about.data.displayName === '' ? project : about.data.displayName} above={<>Project {project}</>} below={<p className="soft">{about.data.description}{about.data.homepage !== null && /^https?:/.test(about.data.homepage) && <> <a href={about.data.homepage}>{about.data.homepage}</a></>}</p>} />
      {about.data.error !== null && <div className="notice failed"><p><strong>Its declarative file could not be taken.</strong></p><pre tabIndex={0} aria-label="Error">{about.data.error}</pre></div>}
      {blocks(jobsets.error, jobsets.data) ? <Failure error={jobsets.error} what="jobsets" /> : !jobsets.data ? <Pending /> : jobsets.data.items.length === 0
        ? <Empty title="It has no jobsets."><p><code>firn jobset</code> makes one: an expression or a flake, its inputs, and when to evaluate.</p></Empty>
        : (
          <ul className="rows">
            {jobsets.data.items.map((jobset) => (
              <li key={jobset.id} className="row evaluation-row">
                <Link className="row-link" to="/projects/$project/$jobset" params={{ project, jobset: jobset.name }}>{jobset.name}</Link>
                {jobset.latest ? <State state={jobset.latest.state as AnyState} /> : <span className="soft note">never evaluated</span>}
                {jobset.latest ? <Strata counts={jobset.latest.jobs} label={`Jobs of ${jobset.name}`} /> : <span />}
                <span className="note soft right">{jobset.state === 'enabled' ? '' : jobset.state}{jobset.error !== null && <span className="tone-failed"> check failed</span>}</span>
                <span /><span className="note soft right">{jobset.latest && <Ago time={jobset.latest.createdAt} />}</span>
              </li>
            ))}
          </ul>
        )}
    </>
  )
}
