/** Ring: web. A log: follows its end while it grows, links to lines, is searched by the farm. Long ones come in parts, since browsers can't scroll ten million lines. */
import { useQuery } from '@tanstack/react-query'
import { useVirtualizer } from '@tanstack/react-virtual'
import { getRouteApi } from '@tanstack/react-router'
import { useEffect, useMemo, useRef, useState, useSyncExternalStore } from 'react'
import { call } from '../api/client.ts'
import { bytes, count, plural } from '../format.ts'
import { Empty, Failure, Pending } from '../parts/basics.tsx'
import { useDebounced } from '../parts/use-debounced.ts'
import { AnsiLine } from './ansi-line.tsx'
import { LogSource } from './log-source.ts'

const route = getRouteApi('/builds/$id')
const ROW = 20
/** Lines that one scroll area holds. */
const PART = 500_000

export function LogView({ build, attempt, name }: { readonly build: number; readonly attempt: number | undefined; readonly name: string }) {
  const { line, find = '' } = route.useSearch()
  const navigate = route.useNavigate()
  const source = useMemo(() => new LogSource(build, attempt), [build, attempt])
  useEffect(() => () => source.close(), [source])
  useSyncExternalStore(source.watch, () => source.version)
  const [following, setFollowing] = useState(line === undefined)
  const [part, setPart] = useState<number>()
  const scroller = useRef<HTMLDivElement>(null)
  const parts = Math.max(1, Math.ceil(source.lines / PART))
  const shown = Math.min(part ?? (line === undefined ? parts - 1 : Math.floor((line - 1) / PART)), parts - 1)
  const first = shown * PART
  const rows = Math.min(PART, source.lines - first)
  const virtual = useVirtualizer({ count: Math.max(0, rows), getScrollElement: () => scroller.current, estimateSize: () => ROW, overscan: 20 })

  const [text, setText] = useDebounced(find, 300, (value) => { void navigate({ search: (before) => ({ ...before, find: value === '' ? undefined : value }), replace: true, resetScroll: false }) })
  const matches = useQuery({ queryKey: ['log-search', build, attempt ?? 0, find, source.ended], enabled: find !== '' && source.loaded, queryFn: ({ signal }) => call('searchBuildLog', { params: { id: build }, query: { query: find, limit: 1000, ...(attempt !== undefined && { attempt }) } }, signal) })
  const goTo = (index: number): void => {
    setFollowing(false)
    setPart(Math.floor(index / PART))
    void navigate({ search: (before) => ({ ...before, line: index + 1 }), replace: true, resetScroll: false })
  }
  useEffect(() => {
    if (!source.loaded || line === undefined || rows <= 0) return
    // all rows are equally high, so the place is known; the virtualizer's own way retries towards an earlier aim
    const element = scroller.current
    if (element) element.scrollTop = Math.max(0, (line - 1 - first) * ROW - element.clientHeight / 2)
    // when the line or the part changes, not with each new line
     
  }, [line, first, source.loaded])
  useEffect(() => {
    const element = scroller.current
    if (following && rows > 0 && element) element.scrollTop = element.scrollHeight
     
  }, [following, rows])

  if (source.error !== undefined) {
    return (source.error as { status?: number }).status === 404 ? <Empty title="There is no log."><p>No worker has set out to make this yet, or it was found in a store and nothing had to run.</p></Empty> : <Failure error={source.error} what="log" />
  }
  if (!source.loaded) return <Pending lines={12} />
  const found = matches.data?.matches ?? []
  const position = line === undefined ? -1 : found.findIndex((match) => match.line === line - 1)
  const step = (by: number): void => {
    if (found.length === 0) return
    const next = position === -1 ? (by > 0 ? Math.max(0, found.findIndex((match) => match.line >= (line ?? 0))) : found.length - 1) : (position + by + found.length) % found.length
    goTo(found[next]!.line)
  }
  return (
    <div className="log">
      <div className="log-head">
        <label><span className="visually-hidden">Search in the log</span><input className="field" type="search" placeholder="Search in the log" value={text} onChange={(event) => setText(event.target.value)} onKeyDown={(event) => { if (event.key === 'Enter') step(event.shiftKey ? -1 : 1) }} /></label>
        {find !== '' && <span className="note soft number" role="status">{matches.data ? found.length === 0 ? 'no line' : `${position === -1 ? '' : `${position + 1} of `}${matches.data.next === null ? '' : 'over '}${plural(found.length, 'line')}` : 'searching…'}</span>}
        {found.length > 0 && <><button type="button" className="button small" onClick={() => step(-1)} aria-label="Match before">↑</button><button type="button" className="button small" onClick={() => step(1)} aria-label="Next match">↓</button></>}
        <span className="grow" />
        {parts > 1 && <label className="inline note">Lines <select className="field" value={shown} onChange={(event) => { setFollowing(false); setPart(Number(event.target.value)) }}>{Array.from({ length: parts }, (_, index) => <option key={index} value={index}>{count(index * PART + 1)} – {count(Math.min(source.lines, (index + 1) * PART))}</option>)}</select></label>}
        <span className="note soft number">{plural(source.lines, 'line')}, {bytes(source.bytes)}</span>
        {!source.ended && <button type="button" className="button small" aria-pressed={following} onClick={() => { setPart(undefined); setFollowing(!following) }}>{following ? 'Following' : 'Follow'}</button>}
        <button type="button" className="button small" onClick={() => goTo(Math.max(0, source.lines - 1))}>End</button>
        <a className="button small" href={`/api/v1/builds/${build}/log${attempt === undefined ? '' : `?attempt=${attempt}`}`} target="_blank" rel="noreferrer">Raw</a>
      </div>
      {source.lines === 0 ? <Empty title={source.ended ? 'The log is empty.' : 'Nothing was written yet.'} /> : (
        <div className="log-lines" ref={scroller} tabIndex={0} role="region" aria-label={`Log of ${name}`}
          onWheel={(event) => { if (event.deltaY < 0) setFollowing(false) }} onKeyDown={(event) => { if (/^(ArrowUp|PageUp|Home)$/.test(event.key)) setFollowing(false) }}>
          <div style={{ height: virtual.getTotalSize() }}>
            {virtual.getVirtualItems().map(({ index, start }) => {
              const number = first + index + 1
              const content = source.line(first + index)
              return (
                <div key={number} className={number === line ? 'log-line here' : 'log-line'} style={{ transform: `translateY(${start}px)` }}>
                  <button type="button" className="line-number" onClick={() => goTo(number - 1)} aria-label={`Link to line ${number}`} tabIndex={-1}>{number}</button>
                  <code>{content === undefined ? '' : <AnsiLine text={content} mark={find} />}</code>
                </div>
              )
            })}
          </div>
        </div>
      )}
    </div>
  )
}
