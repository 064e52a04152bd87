/** Ring: web. A jobset: its evaluations as a trend, and what it is made of. */
import { useInfiniteQuery, useMutation, useQuery } from '@tanstack/react-query'
import { getRouteApi, Link } from '@tanstack/react-router'
import { call } from '../api/client.ts'
import { useRefresh } from '../api/live.ts'
import { plural } from '../format.ts'
import { ActionError } from '../parts/action-error.tsx'
import { Ago, blocks, Empty, Fact, Facts, Failure, PageHead, Pending, Section } from '../parts/basics.tsx'
import { Cores, EvaluationRow } from '../parts/evaluation-row.tsx'

const route = getRouteApi('/projects/$project/$jobset')

export function JobsetPage() {
  const params = route.useParams()
  const key = ['jobset', params.project, params.jobset]
  const about = useQuery({ queryKey: key, queryFn: ({ signal }) => call('getJobset', { params }, signal) })
  const { data, error, hasNextPage, fetchNextPage, isFetchingNextPage } = useInfiniteQuery({
    queryKey: [...key, 'evaluations'], initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam, signal }) => call('listJobsetEvaluations', { params, query: { limit: 40, ...(pageParam !== undefined && { cursor: pageParam }) } }, signal),
    getNextPageParam: (page) => page.next ?? undefined,
  })
  useRefresh(key, ({ kind }) => kind.startsWith('evaluation.') || kind.startsWith('jobset.') || kind === 'build.ended', 2000)
  const evaluate = useMutation({ mutationFn: () => call('evaluateJobset', { params, body: {} }) })
  if (blocks(about.error, about.data)) return <Failure error={about.error} what="jobset" />
  if (!about.data) return <Pending />
  const jobset = about.data
  const evaluations = data?.pages.flatMap((page) => page.items)
  return (
    <>
      <PageHead title={jobset.name} above={<><Link to="/projects/$project" params={{ project: params.project }}>{params.project}</Link> / jobset</>} below={<p className="soft">{jobset.description} {jobset.state !== 'enabled' && <strong>{jobset.state}</strong>} {jobset.checkedAt && <>Inputs looked at <Ago time={jobset.checkedAt} />.</>} {jobset.pending > 0 && `${plural(jobset.pending, 'trigger')} waiting.`}</p>}>
        <button type="button" className="button primary" disabled={evaluate.isPending} onClick={() => evaluate.mutate()}>Look for changes now</button>
        <ActionError errors={[evaluate.error]} />
      </PageHead>
      {jobset.error !== null && <div className="notice failed"><p><strong>The last check failed{jobset.errorAt && <>, <Ago time={jobset.errorAt} /></>}.</strong></p><pre tabIndex={0} aria-label="Error">{jobset.error}</pre></div>}
      {evaluations && evaluations.length > 1 && <Cores evaluations={evaluations.slice(0, 40)} />}
      <Section title="Evaluations">
        {blocks(error, data) ? <Failure error={error} what="evaluations" /> : !evaluations ? <Pending /> : evaluations.length === 0 ? <Empty title="It was never evaluated."><p>It is when its inputs are looked at for the first time: by its schedule, a webhook, or the button above.</p></Empty>
          : <ul className="rows">{evaluations.map((evaluation) => <EvaluationRow key={evaluation.id} evaluation={evaluation} />)}</ul>}
        {hasNextPage && <button type="button" className="button more" disabled={isFetchingNextPage} onClick={() => { void fetchNextPage() }}>Older ones</button>}
      </Section>
      <Section title="Definition">
        <Facts>
          <Fact name="Source">{jobset.source.kind === 'flake' ? <>flake <code>{jobset.source.url}</code></> : <><code>{jobset.source.file === '' ? 'default.nix' : jobset.source.file}</code> of input {jobset.source.input}</>}</Fact>
          {Object.entries(jobset.inputs).map(([name, input]) => <Fact key={name} name={name}>{input.kind} <code>{'url' in input ? input.url : 'value' in input ? String(input.value) : 'path' in input ? input.path : `${input.project}:${input.jobset}`}</code></Fact>)}
          <Fact name="Looks for changes">{jobset.pollSeconds > 0 ? `every ${jobset.pollSeconds} s` : ''}{jobset.schedule.join(', ')}{jobset.pollSeconds === 0 && jobset.schedule.length === 0 && 'when told'}</Fact>
          <Fact name="Shares">{jobset.shares}</Fact>
        </Facts>
      </Section>
    </>
  )
}
