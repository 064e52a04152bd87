/** Ring: web. What fits a text: jobs, builds, paths, commits. */
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { getRouteApi, Link } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import { call } from '../api/client.ts'
import { Ago, blocks, Empty, Failure, PageHead, PathLink, Pending } from '../parts/basics.tsx'
import { type AnyState, State } from '../parts/state.tsx'
import { useDebounced } from '../parts/use-debounced.ts'

const route = getRouteApi('/search')

export function SearchPage() {
  const { q = '' } = route.useSearch()
  const navigate = route.useNavigate()
  const [text, setText] = useDebounced(q, 200, (next) => { void navigate({ search: { q: next }, replace: true }) })
  const { data, error } = useQuery({ queryKey: ['search', q], enabled: q.trim() !== '', placeholderData: keepPreviousData, queryFn: ({ signal }) => call('search', { query: { query: q.trim(), limit: 25 } }, signal) })
  const nothing = data && data.jobs.length + data.builds.length + data.paths.length + data.evaluations.length + data.projects.length === 0
  return (
    <>
      <PageHead title="Search" />
      <label className="big-search"><span className="visually-hidden">Search for</span><input className="field" type="search" value={text} onChange={(event) => setText(event.target.value)} placeholder="A job, a package, a store path or its hash, a derivation, a commit, a number" autoFocus /></label>
      {blocks(error, data) ? <Failure error={error} what="search" /> : q.trim() === '' ? <Empty title="Search everything that has a name."><p>Parts of names do. Of store paths, the first characters of the hash; of commits, the first six.</p></Empty>
        : data === undefined ? <Pending /> : nothing ? <Empty title={`Nothing is called “${q}”.`}><p>Jobs are looked for in the newest evaluation of each jobset and in the newest submissions.</p></Empty>
        : (
          <>
            <Kind title="Projects and jobsets" rows={data.projects.map(({ project, jobset }) => (jobset === null
              ? <Link className="row-link" key={project} to="/projects/$project" params={{ project }}>{project}</Link>
              : <Link className="row-link" key={`${project}:${jobset}`} to="/projects/$project/$jobset" params={{ project, jobset }}>{project}:{jobset}</Link>))} />
            <Kind title="Evaluations" rows={data.evaluations.map((one) => <><Link className="row-link" to="/evaluations/$id" params={{ id: String(one.id) }} search={{}}>#{one.id} {one.title}</Link>{one.revision !== null && <code className="note">{one.revision.slice(0, 12)}</code>}<span className="right note soft"><Ago time={one.createdAt} /></span></>)} />
            <Kind title="Jobs" rows={data.jobs.map((one) => <><State state={one.state as AnyState} />{one.buildId === null
              ? <Link className="row-link" to="/evaluations/$id" params={{ id: String(one.evaluationId) }} search={{ q: one.attr }}>{one.attr}</Link>
              : <Link className="row-link" to="/builds/$id" params={{ id: String(one.buildId) }} search={{}}>{one.attr}</Link>}<span className="note soft">{one.name} {one.system}</span><span className="right note soft">evaluation #{one.evaluationId}</span></>)} />
            <Kind title="Builds" rows={data.builds.map((one) => <><State state={one.state} /><Link className="row-link" to="/builds/$id" params={{ id: String(one.id) }} search={{}}>{one.name}</Link><span className="note soft">{one.system}</span></>)} />
            <Kind title="Store paths" rows={data.paths.map((path) => <PathLink key={path} path={path} />)} />
          </>
        )}
    </>
  )
}

function Kind({ title, rows }: { readonly title: string; readonly rows: readonly ReactNode[] }) {
  if (rows.length === 0) return null
  return <section className="section" aria-label={title}><h2>{title}</h2><ul className="rows">{rows.map((row, index) => <li key={index} className="row found-row">{row}</li>)}</ul></section>
}
