/** Ring: web. What waits, and why. */
import { useInfiniteQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import type { QueueEntry } from '../../../contract/api.ts'
import { call } from '../api/client.ts'
import { useRefresh } from '../api/live.ts'
import { Ago, blocks, Empty, Failure, PageHead, Pending } from '../parts/basics.tsx'
import { State } from '../parts/state.tsx'

export function Queue() {
  const { data, error, fetchNextPage, hasNextPage, isFetchingNextPage } = useInfiniteQuery({
    queryKey: ['queue'], initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam, signal }) => call('listQueue', { query: { limit: 100, ...(pageParam !== undefined && { cursor: pageParam }) } }, signal),
    getNextPageParam: (page) => page.next ?? undefined,
  })
  useRefresh(['queue'], ({ kind }) => kind.startsWith('build.'), 1500)
  const entries = data?.pages.flatMap((page) => page.items)
  const stuck = entries?.filter(({ reason }) => reason.kind === 'no-worker').length ?? 0
  return (
    <>
      <PageHead title="Queue" below={<p className="soft">Builds that somebody wants and that don’t run, oldest first, each with its reason.</p>} />
      {stuck > 0 && <p className="notice">No live worker can take {stuck === 1 ? 'one of these' : `${stuck} of these`}: start a worker with the system and features they ask for.</p>}
      {blocks(error, data) ? <Failure error={error} what="queue" /> : entries === undefined ? <Pending lines={10} /> : entries.length === 0
        ? <Empty title="Nothing waits."><p>Whatever is wanted runs already, or is done.</p></Empty>
        : (
          <ul className="rows">
            {entries.map(({ build, reason, text }) => (
              <li key={build.id} className="row queue-row">
                <State state={build.state} />
                <span><Link className="row-link" to="/builds/$id" params={{ id: String(build.id) }} search={{}}>{build.name}</Link> <span className="note soft">{build.system}{build.features.length > 0 && `, ${build.features.join(', ')}`}</span></span>
                <span className={reason.kind === 'no-worker' ? 'tone-failed' : 'soft'}><Reason reason={reason} text={text} /></span>
                <span className="note soft right"><Ago time={build.queuedAt ?? build.createdAt} /></span>
              </li>
            ))}
          </ul>
        )}
      {hasNextPage && <button type="button" className="button more" disabled={isFetchingNextPage} onClick={() => { void fetchNextPage() }}>More</button>}
    </>
  )
}

/** As the farm words it, with links to what it waits for. */
function Reason({ reason, text }: { readonly reason: QueueEntry['reason']; readonly text: string }) {
  if (reason.kind !== 'inputs') return <>{text}</>
  const shown = reason.inputs.slice(0, 3)
  return <>waits for {shown.map(({ buildId, name, state }, index) => <span key={buildId}>{index > 0 && ', '}<Link to="/builds/$id" params={{ id: String(buildId) }} search={{}}>{name}</Link> ({state})</span>)}{reason.total > shown.length && ` and ${reason.total - shown.length} more`}</>
}
