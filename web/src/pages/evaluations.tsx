/** Ring: web. All evaluations, newest first. */
import { useInfiniteQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { call } from '../api/client.ts'
import { useRefresh } from '../api/live.ts'
import { blocks, Empty, Failure, PageHead, Pending } from '../parts/basics.tsx'
import { Chips } from '../parts/chips.tsx'
import { EvaluationRow } from '../parts/evaluation-row.tsx'

const route = getRouteApi('/evaluations')
const STATES = [{ value: undefined, label: 'All' }, { value: 'evaluating', label: 'Evaluating' }, { value: 'building', label: 'Building' }, { value: 'failed', label: 'Failed' }, { value: 'succeeded', label: 'Succeeded' }, { value: 'cancelled', label: 'Cancelled' }] as const

export function Evaluations() {
  const { state } = route.useSearch()
  const navigate = route.useNavigate()
  const key = ['evaluations', 'list', state ?? '']
  const { data, error, fetchNextPage, hasNextPage, isFetchingNextPage } = useInfiniteQuery({
    queryKey: key, initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam, signal }) => call('listEvaluations', { query: { limit: 50, ...(state && { state }), ...(pageParam !== undefined && { cursor: pageParam }) } }, signal),
    getNextPageParam: (page) => page.next ?? undefined,
  })
  useRefresh(key, ({ kind }) => kind.startsWith('evaluation.') || kind === 'build.ended', 1500)
  const items = data?.pages.flatMap((page) => page.items)
  return (
    <>
      <PageHead title="Evaluations" />
      <Chips label="State" chips={STATES} value={state} onChange={(next) => { void navigate({ search: next === undefined ? {} : { state: next } }) }} />
      {blocks(error, data) ? <Failure error={error} what="evaluations" /> : items === undefined ? <Pending lines={10} /> : items.length === 0
        ? <Empty title={state === undefined ? 'Nothing was evaluated yet.' : `No evaluation is ${state}.`}><p>{state === undefined ? <>Submit an expression: <code>firn build -f default.nix</code>.</> : 'Choose another state above.'}</p></Empty>
        : <ul className="rows">{items.map((evaluation) => <EvaluationRow key={evaluation.id} evaluation={evaluation} />)}</ul>}
      {hasNextPage && <button type="button" className="button more" disabled={isFetchingNextPage} onClick={() => { void fetchNextPage() }}>Older ones</button>}
    </>
  )
}
