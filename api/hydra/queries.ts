/**
 * Ring: api. Jobs as Hydra's builds. A Hydra build belongs to one job of one jobset; a node of ours is shared, so that a build is shown as a
 * job of the newest evaluation that has it. Upstream counterpart: Hydra's Builds and JobsetEvalMembers.
 */
import { type RawBuilder, sql } from 'kysely'
import type { JobState } from '../../contract/api.ts'
import type { BuildMetric, BuildProduct } from '../../contract/comparison.ts'
import type { NodeOutcome } from '../../contract/nodes.ts'
import { STORE_DIRECTORY } from '../../nix/store-path.ts'
import type { Database, OutputPaths } from '../../state/database.ts'
import { EVALUATION_COLUMNS, EVALUATION_JOINS, type EvaluationRow } from '../../state/evaluations.ts'
import { JOB_FROM, JOB_STATE } from '../../state/job-states.ts'

export interface HydraBuildRow {
  readonly id: number
  readonly evaluationId: number
  readonly project: string
  readonly jobset: string
  readonly job: string
  readonly name: string
  readonly system: string
  readonly drvPath: string | null
  readonly outputs: OutputPaths
  readonly state: JobState
  readonly outcome: NodeOutcome | null
  readonly attempts: number
  readonly priority: number
  readonly createdAt: Date
  readonly startedAt: Date | null
  readonly endedAt: Date | null
  readonly releaseName: string | null
  readonly failedWithOutput: boolean
  readonly closureBytes: number | null
  readonly outputBytes: number | null
}

const SELECT = sql`
  select n.id, j.evaluation_id as "evaluationId", p.name as project, s.name as jobset, j.attr as job, coalesce(j.name, n.name) as name, coalesce(j.system, n.system) as system,
    coalesce(j.drv_path, n.drv_path) as "drvPath", coalesce(n.outputs, j.outputs) as outputs, ${JOB_STATE} as state, n.outcome, n.priority, n.created_at as "createdAt", n.started_at as "startedAt",
    n.ended_at as "endedAt", (select count(*) from attempt a where a.node_id = n.id) as attempts, r.release_name as "releaseName", coalesce(r.failed_with_output, false) as "failedWithOutput",
    r.closure_bytes as "closureBytes", r.output_bytes as "outputBytes"
  ${JOB_FROM} join evaluation e on e.id = j.evaluation_id join jobset s on s.id = e.jobset_id join project p on p.id = s.project_id left join build_result r on r.node_id = n.id`

/** Hydra lists only evaluations that differ from the one before. */
const HAS_NEW_BUILDS = sql.raw('(v.same_as is null or v.same_as is distinct from v.previous_id)')

async function read(db: Database, where: RawBuilder<unknown>, order: RawBuilder<unknown>, limit: number): Promise<HydraBuildRow[]> {
  return (await sql<HydraBuildRow>`${SELECT} where n.id is not null and ${where} order by ${order} limit ${limit}`.execute(db)).rows
}

/** As a job of the newest evaluation that has it; undefined where it is none of a jobset. */
export async function hydraBuild(db: Database, id: number): Promise<HydraBuildRow | undefined> {
  return (await read(db, sql`j.node_key = (select key from node where id = ${id})`, sql`e.id desc, j.attr`, 1))[0]
}

export async function buildsOfEvaluation(db: Database, evaluationId: number): Promise<HydraBuildRow[]> {
  return await read(db, sql`e.id = ${evaluationId}`, sql`j.attr`, 1_000_000)
}

export async function buildOfJob(db: Database, evaluationId: number, job: string): Promise<HydraBuildRow | undefined> {
  return (await read(db, sql`e.id = ${evaluationId} and j.attr = ${job}`, sql`j.attr`, 1))[0]
}

/** Jobs that belong to an aggregate. */
export async function constituentsOf(db: Database, build: Pick<HydraBuildRow, 'evaluationId' | 'job'>): Promise<HydraBuildRow[]> {
  return await read(db, sql`e.id = ${build.evaluationId} and exists(select from job a where a.evaluation_id = j.evaluation_id and a.attr = ${build.job} and (j.attr = any(a.constituents) or j.drv_path = any(a.constituents)))`, sql`j.attr`, 100_000)
}

/** Builds of a job over the main line's evaluations, each once, newest first. */
export async function buildsOfJob(db: Database, jobsetId: number, job: string, limit: number): Promise<HydraBuildRow[]> {
  const { rows } = await sql<HydraBuildRow>`
    select * from (select distinct on (id) * from (${SELECT} where n.id is not null and e.jobset_id = ${jobsetId} and e.variant = '' and j.attr = ${job}) every order by id, "evaluationId" desc) once
    order by "evaluationId" desc limit ${limit}`.execute(db)
  return rows
}

export interface BuildFilter {
  readonly project?: string | undefined
  readonly jobset?: string | undefined
  readonly job?: string | undefined
  readonly system?: string | undefined
  readonly finished: boolean
}

/** The newest builds of jobs, each once: of the newest evaluation of each jobset, since older ones have been told. */
export async function listHydraBuilds(db: Database, filter: BuildFilter, limit: number): Promise<HydraBuildRow[]> {
  const conditions: RawBuilder<unknown>[] = [
    filter.finished ? sql`${JOB_STATE} in ('succeeded', 'failed')` : sql`${JOB_STATE} in ('waiting', 'queued', 'running')`,
    filter.finished ? sql`e.id in (select max(id) from evaluation where jobset_id is not null and variant = '' and evaluated_at is not null group by jobset_id)`
      : sql`e.state not in ('succeeded', 'failed', 'cancelled')`,
  ]
  if (filter.project !== undefined) conditions.push(sql`p.name = ${filter.project}`)
  if (filter.jobset !== undefined) conditions.push(sql`s.name = ${filter.jobset}`)
  if (filter.job !== undefined) conditions.push(sql`j.attr = ${filter.job}`)
  if (filter.system !== undefined) conditions.push(sql`j.system = ${filter.system}`)
  return await read(db, sql.join(conditions, sql` and `), filter.finished ? sql`n.ended_at desc nulls last, n.id desc` : sql`n.priority, n.id`, limit)
}

/** By a part of an output's or a derivation's path, newest first. */
export async function searchBuilds(db: Database, query: string, where: 'outputs' | 'derivation', limit: number): Promise<HydraBuildRow[]> {
  // outputs are kept by their base names
  const text = where === 'outputs' && query.startsWith(`${STORE_DIRECTORY}/`) ? query.slice(STORE_DIRECTORY.length + 1).split('/')[0]! : query
  const found = where === 'outputs' ? sql`strpos(m.outputs::text, ${text}) > 0` : sql`strpos(m.drv_path, ${text}) > 0`
  const { rows } = await sql<{ id: number }>`select m.id from node m where ${found} and exists(select from job j where j.node_key = m.key) order by m.id desc limit ${limit}`.execute(db)
  const builds = await Promise.all(rows.map((row) => hydraBuild(db, row.id)))
  return builds.flatMap((build) => build ?? [])
}

/** Evaluations of the same jobset that have each of these builds as this job, newest first; at most 100. */
export async function evaluationsOfBuild(db: Database, build: Pick<HydraBuildRow, 'id' | 'job' | 'evaluationId'>): Promise<number[]> {
  const { rows } = await sql<{ id: number }>`
    select j.evaluation_id as id from job j join evaluation e on e.id = j.evaluation_id
    where j.node_key = (select key from node where id = ${build.id}) and j.attr = ${build.job} and e.jobset_id = (select jobset_id from evaluation where id = ${build.evaluationId})
    order by 1 desc limit 100`.execute(db)
  return rows.map((row) => row.id)
}

export interface Products {
  readonly products: readonly BuildProduct[]
  readonly metrics: readonly BuildMetric[]
}

/** What builds say about themselves: two queries for any number of them. */
export async function productsOf(db: Database, ids: readonly number[]): Promise<Map<number, Products>> {
  const [products, metrics] = await Promise.all([
    sql<BuildProduct & { id: number }>`select node_id as id, number, type, subtype, name, path, default_path as "defaultPath", file_size as "fileSize", sha256 from build_product where node_id = any(${ids}) order by 1, 2`.execute(db),
    sql<BuildMetric & { id: number }>`select node_id as id, name, value, unit from build_metric where node_id = any(${ids}) order by 1, 2`.execute(db),
  ])
  const [ofProducts, ofMetrics] = [Map.groupBy(products.rows, (row) => row.id), Map.groupBy(metrics.rows, (row) => row.id)]
  return new Map(ids.map((id) => [id, { products: ofProducts.get(id) ?? [], metrics: ofMetrics.get(id) ?? [] }]))
}

/** Ids of the builds of each evaluation. */
export async function buildIdsOf(db: Database, evaluationIds: readonly number[]): Promise<Map<number, number[]>> {
  const { rows } = await sql<{ id: number; builds: number[] }>`
    select j.evaluation_id as id, json_agg(distinct n.id) as builds from job j join node n on n.key = j.node_key where j.evaluation_id = any(${evaluationIds}) group by 1`.execute(db)
  return new Map(rows.map((row) => [row.id, row.builds]))
}

/** Of a jobset's main line (of all jobsets without one), newest first, and how many there are. */
export async function hydraEvaluations(db: Database, jobsetId: number | undefined, page: { readonly offset: number; readonly limit: number }): Promise<{ readonly rows: EvaluationRow[]; readonly total: number }> {
  const where = sql`v.variant = '' and ${jobsetId === undefined ? sql`v.jobset_id is not null` : sql`v.jobset_id = ${jobsetId}`} and ${HAS_NEW_BUILDS}`
  const [{ rows }, total] = await Promise.all([
    sql<EvaluationRow>`select ${EVALUATION_COLUMNS} from evaluation v ${EVALUATION_JOINS} where ${where} order by v.id desc limit ${page.limit} offset ${page.offset}`.execute(db),
    sql<{ count: number }>`select count(*) as count from evaluation v where ${where}`.execute(db),
  ])
  return { rows, total: total.rows[0]!.count }
}

/** The newest evaluation of a jobset of which nothing is unfinished. */
export async function latestFinishedEvaluation(db: Database, jobsetId: number): Promise<number | undefined> {
  const { rows } = await sql<{ id: number }>`
    select id from evaluation where jobset_id = ${jobsetId} and variant = '' and state in ('succeeded', 'failed') and evaluated_at is not null order by id desc limit 1`.execute(db)
  return rows[0]?.id
}

/** Output paths of an evaluation's builds that succeeded and have no products but their outputs, sorted. */
export async function storePathsOf(db: Database, evaluationId: number): Promise<string[]> {
  const { rows } = await sql<{ path: string }>`
    select distinct '/nix/store/' || o.value as path ${JOB_FROM} join lateral jsonb_each_text(n.outputs) o on o.value is not null
    where j.evaluation_id = ${evaluationId} and ${JOB_STATE} = 'succeeded' and exists(select from build_product b where b.node_id = n.id and b.type = 'nix-build')
      and not exists(select from build_result r where r.node_id = n.id and r.failed_with_output) order by 1`.execute(db)
  return rows.map((row) => row.path)
}

/** Errors of single attributes, by attribute. */
export async function errorsOf(db: Database, evaluationId: number): Promise<{ attr: string; error: string }[]> {
  return (await sql<{ attr: string; error: string }>`select attr, error from job where evaluation_id = ${evaluationId} and error is not null order by attr limit 10000`.execute(db)).rows
}

export interface JobsetOverview {
  readonly project: string
  readonly name: string
  readonly checkedAt: Date | null
  readonly pollSeconds: number
  readonly triggerAt: Date | null
  readonly startedAt: Date | null
  readonly error: string | null
  readonly errorAt: Date | null
  readonly failedEvaluation: boolean
  readonly newest: number | null
}

export async function overviewOf(db: Database, projectId: number): Promise<JobsetOverview[]> {
  const { rows } = await sql<JobsetOverview>`
    select p.name as project, s.name, s.checked_at as "checkedAt", s.poll_seconds as "pollSeconds", s.error, s.error_at as "errorAt", e.id as newest, coalesce(e.fatal or exists(select from job j where j.evaluation_id = e.id and j.error is not null), false) as "failedEvaluation",
      (select min(created_at) from jobset_trigger t where t.jobset_id = s.id and t.taken_at is null) as "triggerAt",
      (select started_at from evaluation v where v.jobset_id = s.id and v.state in ('evaluating', 'waiting') order by v.id desc limit 1) as "startedAt"
    from jobset s join project p on p.id = s.project_id
    left join lateral (select id, error is not null and evaluated_at is null as fatal from evaluation v where v.jobset_id = s.id and v.variant = '' order by v.evaluated_at is null, v.id desc limit 1) e on true
    where s.project_id = ${projectId} and not s.hidden order by s.name`.execute(db)
  return rows
}

/** Builds of jobs that ended in each of the last periods that have some, oldest first. */
export async function endedByPeriod(db: Database, seconds: number, periods: number): Promise<number[]> {
  const { rows } = await sql<{ count: number }>`
    select count(*) as count from node n where n.ended_at is not null and exists(select from job j where j.node_key = n.key)
    group by floor(extract(epoch from n.ended_at) / ${seconds}) order by floor(extract(epoch from n.ended_at) / ${seconds}) desc limit ${periods}`.execute(db)
  return rows.map((row) => row.count).reverse()
}
