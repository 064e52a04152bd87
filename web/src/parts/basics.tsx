/** Ring: web. Small parts that all pages are made of. */
import { Link } from '@tanstack/react-router'
import { type ReactNode, useEffect, useId, useState } from 'react'
import { ApiError, ConnectionError } from '../api/client.ts'
import { useConnection } from '../api/live.ts'
import { ago, baseName, moment, nameOfPath, sentence, useNow } from '../format.ts'
import { SignIn } from './sign-in.tsx'

/** Title, what it is about, actions at the right. */
export function PageHead({ title, above, below, children }: { readonly title: ReactNode; readonly above?: ReactNode; readonly below?: ReactNode; readonly children?: ReactNode }) {
  useEffect(() => {
    if (typeof title !== 'string') return
    document.title = `${title} · Firn`
    return () => { document.title = 'Firn' }
  }, [title])
  return (
    <header className="page-head">
      <div>
        {above !== undefined && <p className="above">{above}</p>}
        <h1>{title}</h1>
        {below !== undefined && <div className="below">{below}</div>}
      </div>
      {children !== undefined && <div className="actions">{children}</div>}
    </header>
  )
}

/** Where there is nothing: what that means and what to do. */
export function Empty({ title, children }: { readonly title: string; readonly children?: ReactNode }) {
  return <div className="empty"><p className="empty-title">{title}</p>{children !== undefined && <div className="soft">{children}</div>}</div>
}

/** Whether an error takes the place of what would be shown: an older answer stays, unless the farm refuses to give it again. */
export function blocks(error: Error | null | undefined, data: unknown): error is Error {
  return error !== null && error !== undefined && (data === undefined || (error instanceof ApiError && error.status < 500))
}

/** An error in words that help; without a permission, a way to get one. */
export function Failure({ error, what }: { readonly error: unknown; readonly what: string }) {
  if (error instanceof ApiError && error.status === 401) return <div className="empty" role="alert"><p className="empty-title">This farm asks who you are.</p><SignIn /></div>
  if (error instanceof ApiError && error.status === 403) return <div className="empty" role="alert"><p className="empty-title">You may not see {what}.</p><p className="soft">{sentence(error.message)} Ask an administrator of the farm, or sign in as somebody who may under <Link to="/settings">Settings</Link>.</p></div>
  if (error instanceof ApiError && error.status === 404) return <div className="empty" role="alert"><p className="empty-title">There is no such {what}.</p><p className="soft">{sentence(error.message)} It may have been removed by retention, or the address is wrong. <Link to="/search" search={{ q: '' }}>Search</Link> finds what there is.</p></div>
  if (error instanceof ConnectionError) return <Unheard />
  return <div className="empty" role="alert"><p className="empty-title">The {what} could not be shown.</p><p className="soft">{error instanceof Error ? error.message : String(error)}</p>{error instanceof ApiError && error.problem && <p className="note soft">Request {error.problem.requestId}: the API's log tells more.</p>}</div>
}

/** Its place while the first answer is on its way; nothing turns. */
export function Pending({ lines = 6 }: { readonly lines?: number }) {
  if (useConnection() === 'lost') return <Unheard />
  return <div className="pending" aria-busy="true" aria-label="Loading">{Array.from({ length: lines }, (_, index) => <span key={index} style={{ width: `${92 - (index * 17) % 45}%` }} />)}</div>
}

function Unheard() {
  return <div className="empty" role="alert"><p className="empty-title">The farm does not answer.</p><p className="soft">This page fills itself as soon as it does. On the farm’s machine, <code>firn status</code> tells how it is.</p></div>
}

export function Ago({ time }: { readonly time: string }) {
  const now = useNow(5000)
  return <time dateTime={time} title={moment(time)}>{ago(time, now)}</time>
}

/** A store path as its name, whole on demand. */
export function PathLink({ path }: { readonly path: string }) {
  return <Link className="path" to="/store/$path" params={{ path: baseName(path) }} search={{}} title={path}><code><span className="soft">{baseName(path).slice(0, 7)}…-</span>{nameOfPath(path)}</code></Link>
}

export function Copy({ text, label = 'Copy' }: { readonly text: string; readonly label?: string }) {
  const [done, setDone] = useState(false)
  const copy = (): void => {
    void navigator.clipboard.writeText(text).then(() => {
      setDone(true)
      setTimeout(() => setDone(false), 1500)
    })
  }
  return <button type="button" className="button plain small" onClick={copy} aria-label={`${label}: ${text.slice(0, 80)}`}>{done ? 'Copied' : label}</button>
}

/** Term and description, in columns. */
export function Facts({ children }: { readonly children: ReactNode }) {
  return <dl className="facts">{children}</dl>
}
export function Fact({ name, children }: { readonly name: string; readonly children: ReactNode }) {
  return <div><dt>{name}</dt><dd>{children}</dd></div>
}

export function Section({ title, aside, children }: { readonly title: string; readonly aside?: ReactNode; readonly children: ReactNode }) {
  const id = useId()
  return (
    <section className="section" aria-labelledby={id}>
      <div className="section-head"><h2 id={id}>{title}</h2>{aside !== undefined && <div className="aside">{aside}</div>}</div>
      {children}
    </section>
  )
}
