/** Ring: web. A log: follows its end while it grows, links to lines, is searched by the farm. Long ones come in parts, since browsers can't scroll ten million lines. */
import { useInfiniteQuery } from '@tanstack/react-query'
import { useVirtualizer } from '@tanstack/react-virtual'
import { getRouteApi } from '@tanstack/react-router'
import { useEffect, useMemo, useRef, useState, useSyncExternalStore } from 'react'
import { addressOf, call } from '../api/client.ts'
import { bytes, count, plural } from '../format.ts'
import { Empty, Failure, Pending } from '../parts/basics.tsx'
import { Download } from '../parts/download.tsx'
import { useDebounced } from '../parts/use-debounced.ts'
import { AnsiLine } from './ansi-line.tsx'
import { failingLine } from './failing-line.ts'
import { LogSource } from './log-source.ts'

const route = getRouteApi('/builds/$id')
const ROW = 20
/** Lines that one scroll area holds. */
const PART = 500_000
/** Lines at the end of a failed build's log among which the reason is looked for. */
const LOOKED_AT = 1000
/** Found at once. */
const MATCHES = 1000

export function LogView({ build, attempt, name, failed }: { readonly build: number; readonly attempt: number | undefined; readonly name: string; readonly failed: boolean }) {
  const { line, find = '' } = route.useSearch()
  const navigate = route.useNavigate()
  const source = useMemo(() => new LogSource(build, attempt), [build, attempt])
  useEffect(() => () => source.close(), [source])
  useSyncExternalStore(source.watch, () => source.version)
  const reason = useReason(source, failed)
  const [following, setFollowing] = useState(line === undefined)
  const [part, setPart] = useState<number>()
  const scroller = useRef<HTMLDivElement>(null)
  const parts = Math.max(1, Math.ceil(source.lines / PART))
  const aim = line ?? (reason === undefined ? undefined : reason + 1)
  const shown = Math.min(part ?? (aim === undefined ? parts - 1 : Math.floor((aim - 1) / PART)), parts - 1)
  const first = shown * PART
  const rows = Math.min(PART, source.lines - first)
  const virtual = useVirtualizer({ count: Math.max(0, rows), getScrollElement: () => scroller.current, estimateSize: () => ROW, overscan: 20 })

  const [text, setText] = useDebounced(find, 300, (value) => { void navigate({ search: (before) => ({ ...before, find: value === '' ? undefined : value }), replace: true, resetScroll: false }) })
  const matches = useInfiniteQuery({
    queryKey: ['log-search', build, attempt ?? 0, find, source.ended], enabled: find !== '' && source.loaded, initialPageParam: 0,
    queryFn: ({ pageParam, signal }) => call('searchBuildLog', { params: { id: build }, query: { query: find, from: pageParam, limit: MATCHES, ...(attempt !== undefined && { attempt }) } }, signal),
    getNextPageParam: (page) => page.next ?? undefined,
  })
  // the farm looks through a part at a time
  const { hasNextPage, isFetching, fetchNextPage } = matches
  const few = (matches.data?.pages.reduce((sum, page) => sum + page.matches.length, 0) ?? 0) < MATCHES
  useEffect(() => { if (hasNextPage && !isFetching && few) void fetchNextPage() }, [hasNextPage, isFetching, few, fetchNextPage])
  const goTo = (index: number): void => {
    setFollowing(false)
    setPart(Math.floor(index / PART))
    void navigate({ search: (before) => ({ ...before, line: index + 1 }), replace: true, resetScroll: false })
  }
  useEffect(() => {
    if (!source.loaded || aim === undefined || rows <= 0) return
    setFollowing(false)
    // all rows are equally high, so the place is known; the virtualizer's own way retries towards an earlier aim
    const element = scroller.current
    if (element) element.scrollTop = Math.max(0, (aim - 1 - first) * ROW - element.clientHeight / 2)
    // when the line or the part changes, not with each new line
     
  }, [aim, first, source.loaded])
  useEffect(() => {
    const element = scroller.current
    if (following && rows > 0 && element) element.scrollTop = element.scrollHeight
     
  }, [following, rows])

  if (source.error !== undefined) {
    return (source.error as { status?: number }).status === 404 ? <Empty title="There is no log."><p>No worker has set out to make this yet, or it was found in a store and nothing had to run.</p></Empty> : <Failure error={source.error} what="log" />
  }
  if (!source.loaded) return <Pending lines={12} />
  const found = matches.data?.pages.flatMap((page) => page.matches) ?? []
  const position = line === undefined ? -1 : found.findIndex((match) => match.line === line - 1)
  const step = async (by: number): Promise<void> => {
    if (found.length === 0) return
    if (position === found.length - 1 && by > 0 && matches.hasNextPage) {
      for (let more = true; more;) {
        const { data, hasNextPage } = await matches.fetchNextPage()
        const next = data?.pages.at(-1)?.matches[0]
        if (next) goTo(next.line)
        more = next === undefined && hasNextPage
      }
      return
    }
    const after = found.findIndex((match) => match.line >= (line ?? 0))
    const next = position === -1 ? (by < 0 || after === -1 ? found.length - 1 : after) : (position + by + found.length) % found.length
    goTo(found[next]!.line)
  }
  return (
    <div className="log">
      <div className="log-head">
        <label><span className="visually-hidden">Search in the log</span><input className="field" type="search" placeholder="Search in the log" value={text} onChange={(event) => setText(event.target.value)} onKeyDown={(event) => { if (event.key === 'Enter') void step(event.shiftKey ? -1 : 1) }} /></label>
        {find !== '' && <span className="note soft number" role="status">{matches.error ? 'could not be searched' : foundWords(found.length, position, few ? matches.data?.pages.at(-1)?.next ?? null : null, source.lines, matches.hasNextPage || matches.data === undefined)}</span>}
        {found.length > 0 && <><button type="button" className="button small" onClick={() => { void step(-1) }} aria-label="Match before">↑</button><button type="button" className="button small" onClick={() => { void step(1) }} aria-label="Next match">↓</button></>}
        <span className="grow" />
        {parts > 1 && <label className="inline note">Lines <select className="field" value={shown} onChange={(event) => { setFollowing(false); setPart(Number(event.target.value)) }}>{Array.from({ length: parts }, (_, index) => <option key={index} value={index}>{count(index * PART + 1)} – {count(Math.min(source.lines, (index + 1) * PART))}</option>)}</select></label>}
        <span className="note soft number">{plural(source.lines, 'line')}, {bytes(source.bytes)}</span>
        {!source.ended && <button type="button" className="button small" aria-pressed={following} onClick={() => { setPart(undefined); setFollowing(!following) }}>{following ? 'Following' : 'Follow'}</button>}
        {reason !== undefined && <button type="button" className="button small" onClick={() => goTo(reason)}>Failing line</button>}
        <button type="button" className="button small" onClick={() => goTo(Math.max(0, source.lines - 1))}>End</button>
        <Download className="button small" address={addressOf('/api/v1/builds/{id}/log', { id: build }, { attempt })} name={`${name}.log`}>Raw</Download>
      </div>
      {source.lines === 0 ? <Empty title={source.ended ? 'The log is empty.' : 'Nothing was written yet.'} /> : (
        <div className="log-lines" ref={scroller} tabIndex={0} role="region" aria-label={`Log of ${name}`}
          onWheel={(event) => { if (event.deltaY < 0) setFollowing(false) }} onKeyDown={(event) => { if (/^(ArrowUp|PageUp|Home)$/.test(event.key)) setFollowing(false) }}>
          <div style={{ height: virtual.getTotalSize() }}>
            {virtual.getVirtualItems().map(({ index, start }) => {
              const number = first + index + 1
              const content = source.line(first + index)
              return (
                <div key={number} className={number === aim ? 'log-line here' : 'log-line'} {...(number === aim && { 'aria-current': 'location' as const })} style={{ transform: `translateY(${start}px)` }}>
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

/** How many lines were found so far; `next` is where the search goes on by itself. */
function foundWords(count: number, position: number, next: number | null, lines: number, more: boolean): string {
  const found = count === 0 ? (more ? '' : 'no line') : `${position === -1 ? '' : `${position + 1} of `}${more ? 'over ' : ''}${plural(count, 'line')}`
  const searching = next !== null ? `searched ${Math.floor(next / Math.max(1, lines) * 100)} %` : count === 0 && more ? 'searching…' : ''
  return [found, searching].filter((one) => one !== '').join(', ')
}

/** The line that says why a build failed, once its end is here. */
function useReason(source: LogSource, failed: boolean): number | undefined {
  const known = useRef<{ readonly source: LogSource; readonly line: number | undefined }>(undefined)
  if (!failed || !source.loaded || !source.ended) return undefined
  if (known.current?.source === source) return known.current.line
  const first = Math.max(0, source.lines - LOOKED_AT)
  const last: string[] = []
  for (let index = first; index < source.lines; index++) {
    const line = source.line(index)
    // asked for now; here with one of the next changes
    if (line === undefined) return undefined
    last.push(line)
  }
  const found = failingLine(last)
  known.current = { source, line: found === undefined ? undefined : first + found }
  return known.current.line
}
