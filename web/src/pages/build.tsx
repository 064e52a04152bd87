/** Ring: web. One build: what it is, what is at fault, its log, its attempts and timings, its place in the graph. */
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { getRouteApi, Link } from '@tanstack/react-router'
import type { BuildDetail } from '../../../contract/api.ts'
import { call } from '../api/client.ts'
import { useRefresh } from '../api/live.ts'
import { bytes, duration, moment, plural, useNow } from '../format.ts'
import { GraphView } from '../graph/graph-view.tsx'
import { LogView } from '../log/log-view.tsx'
import { ActionError } from '../parts/action-error.tsx'
import { Ago, blocks, Copy, Empty, Fact, Facts, Failure, PageHead, PathLink, Pending, Section } from '../parts/basics.tsx'
import { State } from '../parts/state.tsx'
import type { BUILD_TABS } from '../router.tsx'

const route = getRouteApi('/builds/$id')
type Tab = (typeof BUILD_TABS)[number]

export function BuildPage() {
  const id = Number(route.useParams().id)
  const { tab = 'log', attempt } = route.useSearch()
  const { data, error } = useQuery({ queryKey: ['build', id], queryFn: ({ signal }) => call('getBuild', { params: { id } }, signal) })
  useRefresh(['build', id], ({ buildId, kind }) => buildId === id || kind === 'build.ended', 800)
  if (blocks(error, data)) return <Failure error={error} what="build" />
  if (!data) return <Pending lines={10} />
  const tabs: readonly (readonly [Tab, string, number?])[] = [['log', 'Log'], ['details', 'Attempts', data.attempts], ['graph', 'Inputs', data.inputs.total], ['dependents', 'Dependents', data.dependents]]
  const newest = data.attemptList[0]
  return (
    <>
      <Head build={data} />
      <FaultNotice build={data} />
      <nav className="tabs" aria-label="Parts of the build">
        {tabs.map(([one, label, number]) => <Link key={one} from="/builds/$id" to="." search={one === 'log' ? {} : { tab: one }} className="tab" activeOptions={{ exact: true, includeSearch: true }} aria-current={one === tab ? 'page' : undefined} replace>{label}{number !== undefined && <span className="count number">{number}</span>}</Link>)}
      </nav>
      {tab === 'log' && (newest === undefined
        ? <Empty title="There is no log."><p>{data.state === 'waiting' || data.state === 'queued' ? 'No worker has taken this yet; the log begins here when one does.' : data.how === 'valid' ? 'It was in the store already, so nothing had to run.' : 'Nothing was run for it.'}</p></Empty>
        : <LogView key={`${id} ${attempt ?? newest.number}`} build={id} attempt={attempt ?? newest.number} name={data.name} failed={failedAttempt(data, attempt ?? newest.number)} />)}
      {tab === 'details' && <Attempts build={data} />}
      {tab === 'graph' && <Inputs id={id} />}
      {tab === 'dependents' && <Dependents id={id} />}
    </>
  )
}

function failedAttempt({ attemptList }: BuildDetail, number: number): boolean {
  const attempt = attemptList.find((one) => one.number === number)
  return attempt !== undefined && attempt.endedAt !== null && attempt.cause !== null
}

function Head({ build }: { readonly build: BuildDetail }) {
  const client = useQueryClient()
  const now = useNow(build.endedAt === null ? 1000 : 60_000)
  const done = (): void => { void client.invalidateQueries({ queryKey: ['build'] }) }
  const params = { id: build.id }
  const retry = useMutation({ mutationFn: () => call('retryBuild', { params }), onSuccess: done })
  const cancel = useMutation({ mutationFn: () => call('cancelBuild', { params }), onSuccess: done })
  const bump = useMutation({ mutationFn: () => call('bumpBuild', { params }), onSuccess: done })
  const open = build.state === 'waiting' || build.state === 'queued' || build.state === 'running'
  return (
    <PageHead title={build.name} above={<>Build {build.id}, {build.kind === 'fetch' ? 'a download' : build.system}{build.evaluations.length > 0 && <>, wanted by {build.evaluations.slice(0, 3).map((id) => <Link key={id} to="/evaluations/$id" params={{ id: String(id) }} search={{}}>evaluation #{id} </Link>)}</>}</>}
      below={(
        <>
          <p className="facts-line">
            <State state={build.state} />
            {build.how && <span className="soft">{build.how === 'valid' ? 'was in the store' : build.how}</span>}
            {build.step && build.step !== 'ended' && <span className="soft">{build.step} on {build.worker}</span>}
            {build.startedAt && <span className="soft number">{duration((build.endedAt ? Date.parse(build.endedAt) : now) - Date.parse(build.startedAt))}</span>}
            {build.endedAt && <span className="soft"><Ago time={build.endedAt} /></span>}
            {build.state === 'waiting' && <span className="soft">waits for {plural(build.inputs.total - build.inputs.succeeded, 'input')}: see Inputs</span>}
            {build.state === 'queued' && <Link to="/queue">why it is queued</Link>}
          </p>
          <p className="outputs">{Object.entries(build.outputs).map(([name, path]) => <span key={name}><span className="soft note">{name}</span> {path === null ? <span className="soft">known once it is built</span> : build.state === 'succeeded' ? <PathLink path={path} /> : <code className="note">{path}</code>} {path !== null && <Copy text={path} />}</span>)}</p>
        </>
      )}>
      {build.state === 'failed' && <button type="button" className="button primary" disabled={retry.isPending} onClick={() => retry.mutate()}>{build.fault && build.fault.buildId !== build.id ? 'Run the failed input again' : 'Run again'}</button>}
      {open && <button type="button" className="button" disabled={bump.isPending} onClick={() => bump.mutate()}>To the front</button>}
      {open && <button type="button" className="button danger" disabled={cancel.isPending} onClick={() => cancel.mutate()}>Cancel</button>}
      <ActionError errors={[retry.error, cancel.error, bump.error]} />
    </PageHead>
  )
}

function FaultNotice({ build: { id, fault } }: { readonly build: BuildDetail }) {
  if (!fault) return null
  const own = fault.buildId === id
  return (
    <div className="notice failed">
      <p>{own ? <strong>{fault.description}</strong> : <><strong>Its input <Link to="/builds/$id" params={{ id: String(fault.buildId) }} search={{}}>{fault.name}</Link> failed:</strong> {fault.description}</>}</p>
      {!own && fault.logTail.length > 0 && <pre tabIndex={0} aria-label={`End of the log of ${fault.name}`}>{fault.logTail.slice(-6).join('\n')}</pre>}
    </div>
  )
}

function Attempts({ build }: { readonly build: BuildDetail }) {
  if (build.attemptList.length === 0) return <Empty title="No worker has set out to make this yet." />
  return (
    <>
      <Section title="Attempts">
        <ul className="rows">
          {build.attemptList.map((attempt) => (
            <li key={attempt.id} className="row attempt-row">
              <Link className="row-link" from="/builds/$id" to="." search={{ attempt: attempt.number }}>Attempt {attempt.number}</Link>
              <span>{attempt.endedAt === null ? <State state="running" /> : attempt.cause ? <State state="failed" /> : <State state="succeeded" />}</span>
              <span className="soft">{attempt.worker}</span>
              <span className="note soft">{attempt.endedAt === null ? attempt.step : attempt.cause?.kind ?? attempt.how}</span>
              <span className="note soft number right">{attempt.endedAt && duration(Date.parse(attempt.endedAt) - Date.parse(attempt.startedAt))}</span>
              <span className="note soft number right">{bytes(attempt.logBytes)} of log</span>
              <span className="note figures-line soft">{Object.entries(attempt.figures).filter(([, value]) => typeof value === 'number' || typeof value === 'string').map(([name, value]) => `${name} ${typeof value === 'number' ? Math.round(value * 100) / 100 : String(value)}`).join(' · ')}</span>
            </li>
          ))}
        </ul>
      </Section>
      <Section title="Times">
        <Facts>
          <Fact name="Known">{moment(build.createdAt)}</Fact>
          {build.queuedAt && <Fact name="Queued">{moment(build.queuedAt)}</Fact>}
          {build.startedAt && <Fact name="Started">{moment(build.startedAt)}{build.queuedAt && <span className="soft">, after waiting {duration(Date.parse(build.startedAt) - Date.parse(build.queuedAt))} for a worker</span>}</Fact>}
          {build.endedAt && <Fact name="Ended">{moment(build.endedAt)}</Fact>}
          {build.drvPath && <Fact name="Derivation"><PathLink path={build.drvPath} /></Fact>}
        </Facts>
      </Section>
    </>
  )
}

function Inputs({ id }: { readonly id: number }) {
  const { data, error } = useQuery({ queryKey: ['graph', 'build', id], queryFn: ({ signal }) => call('buildGraph', { params: { id }, query: { limit: 200 } }, signal) })
  useRefresh(['graph', 'build', id], ({ kind }) => kind.startsWith('build.'), 2000)
  if (blocks(error, data)) return <Failure error={error} what="graph" />
  if (!data) return <Pending />
  if (data.nodes.length <= 1) return <Empty title="It needs no other build."><p>Whatever it uses was in the store when it was planned.</p></Empty>
  return <GraphView graph={data} focus={id} note={data.total > data.nodes.length ? `Drawn are the nearest ${data.nodes.length}.` : undefined} />
}

function Dependents({ id }: { readonly id: number }) {
  const { data, error } = useQuery({ queryKey: ['build', id, 'dependents'], queryFn: ({ signal }) => call('listBuildDependents', { params: { id }, query: { limit: 200 } }, signal) })
  useRefresh(['build', id, 'dependents'], ({ kind }) => kind.startsWith('build.'), 1500)
  if (blocks(error, data)) return <Failure error={error} what="dependents" />
  if (!data) return <Pending />
  if (data.items.length === 0) return <Empty title="No other build needs it." />
  return <ul className="rows">{data.items.map((one) => <li key={one.id} className="row found-row"><State state={one.state} /><Link className="row-link" to="/builds/$id" params={{ id: String(one.id) }} search={{}}>{one.name}</Link><span className="note soft">{one.system}</span></li>)}</ul>
}
