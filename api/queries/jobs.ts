/** Ring: api. Jobs of a jobset over its evaluations: what they are now, what became of them, their newest build, a metric's series. */
import { type RawBuilder, sql } from 'kysely'
import type { JobState } from '../../contract/api.ts'
import type { JobRun, JobsetJob, MetricSeries } from '../../contract/comparison.ts'
import type { Database } from '../../state/database.ts'
import { JOB_FROM, JOB_STATE } from '../../state/job-states.ts'

/** Points of a series. */
const SERIES = 1000

/** Jobs of the newest evaluation that is evaluated, else of the newest, by attribute. */
export async function listJobsetJobs(db: Database, jobsetId: number, filter: { readonly contains?: string | undefined; readonly after?: string | undefined; readonly limit: number }): Promise<JobsetJob[]> {
  const conditions: RawBuilder<unknown>[] = [sql`true`]
  if (filter.after !== undefined) conditions.push(sql`j.attr > ${filter.after}`)
  if (filter.contains !== undefined) conditions.push(sql`strpos(j.attr, ${filter.contains}) > 0`)
  const { rows } = await sql<JobsetJob>`
    with newest as (select id from evaluation where jobset_id = ${jobsetId} and variant = '' order by evaluated_at is null, id desc limit 1)
    select j.attr, j.name, j.system, ${JOB_STATE} as state, n.id as "buildId", j.evaluation_id as "evaluationId"
    ${JOB_FROM} where j.evaluation_id = (select id from newest) and ${sql.join(conditions, sql` and `)} order by j.attr limit ${filter.limit}`.execute(db)
  return rows
}

interface RunRow extends Omit<JobRun, 'evaluatedAt' | 'startedAt' | 'endedAt' | 'changed' | 'state'> {
  readonly state: JobState
  readonly evaluatedAt: Date | null
  readonly startedAt: Date | null
  readonly endedAt: Date | null
  readonly before: string | null
}

const RUN = sql`
  select e.id as "evaluationId", e.evaluated_at as "evaluatedAt", ${JOB_STATE} as state, n.id as "buildId", j.name, j.system, j.drv_path as "drvPath",
    n.started_at as "startedAt", n.ended_at as "endedAt", r.output_bytes as "outputBytes", r.closure_bytes as "closureBytes", r.release_name as "releaseName",
    (select b.drv_path from job b where b.evaluation_id = e.previous_id and b.attr = j.attr) as before
  ${JOB_FROM} left join build_result r on r.node_id = n.id join evaluation e on e.id = j.evaluation_id`

function present({ before, evaluatedAt, startedAt, endedAt, ...row }: RunRow): JobRun {
  return { ...row, changed: row.drvPath !== null && before !== row.drvPath, evaluatedAt: evaluatedAt?.toISOString() ?? null, startedAt: startedAt?.toISOString() ?? null, endedAt: endedAt?.toISOString() ?? null }
}

/** Newest first: evaluations come from their index, and the job of each from its key. */
export async function jobHistory(db: Database, jobsetId: number, attr: string, page: { readonly before?: number | undefined; readonly limit: number }): Promise<JobRun[]> {
  const { rows } = await sql<RunRow>`
    ${RUN} where e.jobset_id = ${jobsetId} and e.variant = '' and j.attr = ${attr} and (${page.before ?? null}::bigint is null or e.id < ${page.before ?? null}::bigint) order by e.id desc limit ${page.limit}`.execute(db)
  return rows.map(present)
}

/** The newest that succeeded; `finished`: of an evaluation that has ended. */
export async function latestRun(db: Database, jobsetId: number, attr: string, options: { readonly finished: boolean; readonly system?: string | undefined }): Promise<JobRun | undefined> {
  const { rows } = await sql<RunRow>`
    ${RUN} where e.jobset_id = ${jobsetId} and e.variant = '' and j.attr = ${attr} and ${JOB_STATE} = 'succeeded' and not coalesce(r.failed_with_output, false)
      and (not ${options.finished} or e.state in ('succeeded', 'failed')) and (${options.system ?? null}::text is null or j.system = ${options.system ?? null}) order by e.id desc limit 1`.execute(db)
  return rows[0] && present(rows[0])
}

/** A metric of a job's builds, oldest first; a build that several evaluations share counts once. */
export async function metricOfJob(db: Database, jobsetId: number, attr: string, metric: string): Promise<MetricSeries['items']> {
  const { rows } = await sql<{ evaluationId: number; buildId: number; at: Date; value: number; unit: string }>`
    select * from (
      select distinct on (n.id) e.id as "evaluationId", n.id as "buildId", coalesce(n.ended_at, e.created_at) as at, m.value, m.unit
      from job j join evaluation e on e.id = j.evaluation_id join node n on n.key = j.node_key join build_metric m on m.node_id = n.id
      where e.jobset_id = ${jobsetId} and e.variant = '' and j.attr = ${attr} and m.name = ${metric} order by n.id desc, e.id limit ${SERIES}) as newest
    order by "evaluationId"`.execute(db)
  return rows.map(({ at, ...row }) => ({ ...row, at: at.toISOString() }))
}
