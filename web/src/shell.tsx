/** Ring: web. What stands around every page: navigation, search, and whether the farm can be heard. */
import { Dialog } from '@base-ui/react/dialog'
import { Link, Outlet, useNavigate, useRouterState } from '@tanstack/react-router'
import { type FormEvent, useEffect, useRef, useState, useSyncExternalStore } from 'react'
import { live, useConnection } from './api/live.ts'
import { useSession } from './api/session.ts'
import { currentToken, onIdentityChange } from './api/token.ts'
import { Empty } from './parts/basics.tsx'

const PLACES = [
  { to: '/', label: 'Overview', icon: 'M3 3h7v7H3zM14 3h7v7h-7zM3 14h7v7H3zM14 14h7v7h-7z' },
  { to: '/evaluations', label: 'Evaluations', icon: 'M4 5.5 20 4v4L4 9.5zM4 12 20 10.5v3L4 15zM4 17.5 20 16v2.5L4 20z' },
  { to: '/queue', label: 'Queue', icon: 'M4 5h10M4 10h16M4 15h7M4 20h13' },
  { to: '/workers', label: 'Workers', icon: 'M4 4h16v6H4zM4 14h16v6H4zM7.5 7h.01M7.5 17h.01' },
  { to: '/settings', label: 'Settings', icon: 'M4 7h10M18 7h2M14 4.5v5M4 17h2M10 17h10M10 14.5v5' },
] as const

const KEYS = [['/', 'search'], ['g then o', 'overview'], ['g then e', 'evaluations'], ['g then q', 'queue'], ['g then w', 'workers'], ['g then s', 'settings'], ['?', 'this list']] as const

export function Shell() {
  const path = useRouterState({ select: (state) => state.location.pathname })
  const main = useRef<HTMLElement>(null)
  const first = useRef(true)
  useEffect(() => {
    // a new page begins where a reader's attention is put
    if (first.current) first.current = false
    else main.current?.focus({ preventScroll: true })
  }, [path])
  return (
    <div className="shell">
      <a className="skip" href="#main" onClick={(event) => { event.preventDefault(); main.current?.focus() }}>To the content</a>
      <nav className="rail" aria-label="Pages">
        <Link to="/" className="brand" aria-label="Firn, overview"><Mark /><span>Firn</span></Link>
        {PLACES.map(({ to, label, icon }) => (
          <Link key={to} to={to} className="place" activeOptions={{ exact: to === '/', includeSearch: false }} search={{}}>
            <svg viewBox="0 0 24 24" aria-hidden="true"><path d={icon} /></svg><span>{label}</span>
          </Link>
        ))}
        <a className="place playground-link" href="playground/"><svg viewBox="0 0 24 24" aria-hidden="true"><path d="M8 6l-5 6 5 6M16 6l5 6-5 6" /></svg><span>Playground</span></a>
      </nav>
      <div className="column">
        <header className="top"><SearchBox /><Keyboard /><Who /></header>
        <ConnectionBanner />
        <main id="main" ref={main} tabIndex={-1}><Outlet /></main>
      </div>
    </div>
  )
}

/** Whose browser this is; nobody's on a farm that lets everybody in. */
function Who() {
  const { data } = useSession()
  if (!data || data.kind === 'anybody') return null
  const name = data.displayName === null || data.displayName === '' ? data.name : data.displayName
  return <Link to="/settings" className={data.kind === 'nobody' ? 'button primary' : 'button plain who'} {...(data.kind !== 'nobody' && { 'aria-label': `You are ${name}` })}>{data.kind === 'nobody' ? 'Sign in' : name}</Link>
}

function SearchBox() {
  const navigate = useNavigate()
  const input = useRef<HTMLInputElement>(null)
  const known = useRouterState({ select: (state) => (state.location.pathname === '/search' ? (state.location.search as { q?: string }).q ?? '' : '') })
  const [text, setText] = useState(known)
  useEffect(() => setText(known), [known])
  useEffect(() => {
    const focus = (event: KeyboardEvent): void => {
      if (event.key !== '/' || isTyping(event)) return
      event.preventDefault()
      input.current?.focus()
    }
    addEventListener('keydown', focus)
    return () => removeEventListener('keydown', focus)
  }, [])
  const submit = (event: FormEvent): void => {
    event.preventDefault()
    void navigate({ to: '/search', search: { q: text } })
  }
  return (
    <form className="search-box" role="search" onSubmit={submit}>
      <svg viewBox="0 0 24 24" aria-hidden="true"><path d="M10.5 4a6.5 6.5 0 1 0 .01 0M15.5 15.5 21 21" /></svg>
      <input ref={input} type="search" aria-label="Search jobs, packages, paths, derivations, commits" placeholder="Jobs, packages, store paths, commits" value={text} onChange={(event) => setText(event.target.value)} />
      <kbd aria-hidden="true">/</kbd>
    </form>
  )
}

function Keyboard() {
  const navigate = useNavigate()
  const [open, setOpen] = useState(false)
  useEffect(() => {
    let armed = 0
    const press = (event: KeyboardEvent): void => {
      if (isTyping(event) || event.ctrlKey || event.metaKey || event.altKey) return
      if (event.key === '?') setOpen(true)
      if (event.key === 'g') armed = Date.now()
      else if (Date.now() - armed < 1500) {
        armed = 0
        const to = ({ o: '/', e: '/evaluations', q: '/queue', w: '/workers', s: '/settings' } as const)[event.key as 'o' | 'e' | 'q' | 'w' | 's'] as '/' | '/evaluations' | '/queue' | '/workers' | '/settings' | undefined
        if (to !== undefined) void navigate({ to, search: {} })
      }
    }
    addEventListener('keydown', press)
    return () => removeEventListener('keydown', press)
  }, [navigate])
  return (
    <Dialog.Root open={open} onOpenChange={setOpen}>
      <Dialog.Trigger className="button plain keys-button">Keys</Dialog.Trigger>
      <Dialog.Portal>
        <Dialog.Backdrop className="backdrop" />
        <Dialog.Popup className="dialog">
          <Dialog.Title>Keys</Dialog.Title>
          <dl className="keys">{KEYS.map(([key, what]) => <div key={key}><dt><kbd>{key}</kbd></dt><dd>{what}</dd></div>)}</dl>
          <Dialog.Close className="button">Close</Dialog.Close>
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  )
}

function ConnectionBanner() {
  const connection = useConnection()
  const token = useSyncExternalStore(onIdentityChange, currentToken)
  const { data } = useSession()
  if (connection === 'refused' && (token !== undefined || data?.kind === 'user')) {
    return <div className="banner" role="status"><span>The farm knows you no more: your {token === undefined ? 'session' : 'token'} was ended, or has expired.</span><Link to="/settings" className="button">Sign in again</Link></div>
  }
  if (connection !== 'lost') return <div className="banner-place" role="status" />
  return (
    <div className="banner" role="status">
      <span>The farm can’t be heard. What you see is from before; it goes on by itself.</span>
      <button type="button" className="button" onClick={() => live.retry()}>Try now</button>
    </div>
  )
}

export function NotFound() {
  return <Empty title="There is no such page."><p>The address may be of another version of Firn. <Link to="/">The overview</Link> leads everywhere.</p></Empty>
}

export function Mark() {
  return <svg viewBox="0 0 24 24" aria-hidden="true"><path fill="var(--accent)" d="M4 4.5 20 3v4.2L4 8.7z" /><path fill="var(--accent)" opacity=".7" d="M4 10.7 20 9.2v3.4L4 14.1z" /><path fill="var(--accent)" opacity=".45" d="M4 16.1 20 14.6v2.4L4 18.5z" /><path fill="var(--accent)" opacity=".28" d="M4 20.2 20 18.7v1.5L4 21.7z" /></svg>
}

function isTyping(event: KeyboardEvent): boolean {
  const target = event.target as HTMLElement | null
  return target !== null && (/^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName) || target.isContentEditable)
}
