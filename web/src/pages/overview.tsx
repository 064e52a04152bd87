/** Ring: web. What the farm does now, what is broken, and where to go. */
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { call } from '../api/client.ts'
import { useRefresh } from '../api/live.ts'
import { bytes, count, plural } from '../format.ts'
import { Ago, blocks, Empty, Failure, PageHead, Pending, Section } from '../parts/basics.tsx'
import { Cores, EvaluationRow } from '../parts/evaluation-row.tsx'
import { StateIcon } from '../parts/state.tsx'

export function Overview() {
  const status = useQuery({ queryKey: ['status'], queryFn: ({ signal }) => call('getStatus', {}, signal) })
  const evaluations = useQuery({ queryKey: ['evaluations', 'newest'], queryFn: ({ signal }) => call('listEvaluations', { query: { limit: 40 } }, signal) })
  const broken = useQuery({ queryKey: ['builds', 'broken'], queryFn: ({ signal }) => call('listBuilds', { query: { state: 'failed', limit: 100 } }, signal) })
  const projects = useQuery({ queryKey: ['projects'], queryFn: ({ signal }) => call('listProjects', { query: { limit: 100 } }, signal) })
  useRefresh(['status'], () => true)
  useRefresh(['evaluations', 'newest'], () => true, 1500)
  useRefresh(['builds', 'broken'], ({ kind }) => kind === 'build.ended' || kind === 'evaluation.state', 2000)

  if (blocks(status.error, status.data)) return <Failure error={status.error} what="overview" />
  const faults = broken.data?.items.filter(({ cause }) => cause?.kind !== 'dependency-failed').slice(0, 8)
  return (
    <>
      <PageHead title="Overview" below={status.data && <p className="soft">Firn {status.data.version}, started <Ago time={status.data.startedAt} />. {plural(status.data.store.paths, 'store path')}, {bytes(status.data.store.narBytes)}.</p>} />
      <dl className="figures">
        <Figure name="Running" value={status.data?.builds.running} tone="running" to="/workers" />
        <Figure name="Queued" value={status.data?.builds.queued} tone="queued" to="/queue" />
        <Figure name="Waiting for inputs" value={status.data?.builds.waiting} tone="waiting" to="/queue" />
        <Figure name={status.data?.workers.live === 1 ? 'Worker' : 'Workers'} value={status.data?.workers.live} to="/workers" note={status.data && `${plural(status.data.workers.slots, 'slot')}`} />
      </dl>
      {status.data && status.data.workers.live === 0 && <p className="notice">No worker is alive, so nothing is built. <code>firn up</code> starts one here; <code>firn worker</code> starts one on another machine.</p>}

      {evaluations.data && evaluations.data.items.length > 1 && <Cores evaluations={evaluations.data.items} />}

      <div className="two-columns">
        <Section title="Newest evaluations" aside={<Link to="/evaluations" search={{}}>All</Link>}>
          {blocks(evaluations.error, evaluations.data) ? <Failure error={evaluations.error} what="evaluations" /> : evaluations.data === undefined ? <Pending /> : evaluations.data.items.length === 0
            ? <Empty title="Nothing was evaluated yet."><p>Submit an expression: <code>firn build -f default.nix</code>. Or try one in the <a href="playground/">playground</a>, which needs no farm.</p></Empty>
            : <ul className="rows">{evaluations.data.items.slice(0, 12).map((evaluation) => <EvaluationRow key={evaluation.id} evaluation={evaluation} />)}</ul>}
        </Section>
        <Section title="What is broken">
          {blocks(broken.error, broken.data) ? <Failure error={broken.error} what="failed builds" /> : faults === undefined ? <Pending lines={3} /> : faults.length === 0
            ? <Empty title="Nothing is." ><p>Builds that fail for a reason of their own are listed here, not those that only depend on them.</p></Empty>
            : (
              <ul className="rows">
                {faults.map((build) => (
                  <li key={build.id} className="row fault-row">
                    <StateIcon state="failed" />
                    <Link className="row-link" to="/builds/$id" params={{ id: String(build.id) }} search={{}}>{build.name}</Link>
                    <span className="note soft">{build.system}</span>
                    {build.endedAt && <span className="note soft right"><Ago time={build.endedAt} /></span>}
                  </li>
                ))}
              </ul>
            )}
          {projects.data && projects.data.items.length > 0 && (
            <>
              <h2 className="spaced">Projects</h2>
              <ul className="rows">
                {projects.data.items.map((project) => (
                  <li key={project.id} className="row project-row">
                    <Link className="row-link" to="/projects/$project" params={{ project: project.name }}>{project.displayName === '' ? project.name : project.displayName}</Link>
                    <span className="note soft right">{plural(project.jobsets, 'jobset')}</span>
                  </li>
                ))}
              </ul>
            </>
          )}
        </Section>
      </div>
    </>
  )
}

function Figure({ name, value, tone, to, note }: { readonly name: string; readonly value: number | undefined; readonly tone?: string; readonly to: '/queue' | '/workers'; readonly note?: string | undefined }) {
  return (
    <div className={tone === undefined || !value ? 'figure' : `figure tone-${tone}`}>
      <dt><Link to={to}>{name}</Link></dt>
      <dd className="number">{value === undefined ? '–' : count(value)}{note !== undefined && <span className="note soft">{note}</span>}</dd>
    </div>
  )
}
