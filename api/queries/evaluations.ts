/** Ring: api. Evaluations and their jobs as the API shows them. */
import { type RawBuilder, sql } from 'kysely'
import type { BuildState, Evaluation, EvaluationState, Job, JobState } from '../../contract/api.ts'
import type { NodeOutcome } from '../../contract/nodes.ts'
import type { SourcePosition } from '../../contract/evaluations.ts'
import type { Database, OutputPaths } from '../../state/database.ts'
import { EVALUATION_COLUMNS, EVALUATION_JOINS, type EvaluationRow } from '../../state/evaluations.ts'
import { countJobs, JOB_FROM, JOB_STATE, type JobCounts } from '../../state/job-states.ts'
import { absolutePaths, faultsOf, time } from './builds.ts'
import { idOfCursor, nameOfCursor, type Page, pageOf } from './page.ts'

/** Counting the jobs of large evaluations is the costly part of showing them; ended ones don't change any more. */
const REMEMBERED = 2000
const RUNNING_MILLISECONDS = 300

export class EvaluationQueries {
  readonly #db: Database
  readonly #counts = new Map<string, { readonly counts: JobCounts; readonly until: number }>()

  constructor(db: Database) {
    this.#db = db
  }

  async present(rows: readonly EvaluationRow[]): Promise<Evaluation[]> {
    const counts = await this.#jobCounts(rows)
    return rows.map(({ createdAt, startedAt, evaluatedAt, endedAt, jobsetId: _id, project, jobset, variant, inputs, cause, previous, sameAs, keep, jobCounts: _counts, ...row }) => ({
      ...row,
      jobs: counts.get(row.id)!,
      jobset: project === null || jobset === null ? null : { project, jobset, variant, inputs, cause, previous, sameAs, keep },
      createdAt: createdAt.toISOString(),
      startedAt: time(startedAt),
      evaluatedAt: time(evaluatedAt),
      endedAt: time(endedAt),
    }))
  }

  /** Everything that an evaluation caused, by state: imports and inputs as well as jobs. */
  async nodeCounts(id: number): Promise<NonNullable<Evaluation['nodes']>> {
    const { rows } = await sql<{ state: BuildState; count: number }>`
      select n.state, count(*) as count from evaluation_node e join node n on n.key = e.node_key where e.evaluation_id = ${id} group by 1`.execute(this.#db)
    return { waiting: 0, queued: 0, running: 0, succeeded: 0, failed: 0, ...Object.fromEntries(rows.map(({ state, count }) => [state, count])) }
  }

  async list(filter: { readonly state?: EvaluationState | undefined; readonly jobsetId?: number; readonly variant?: string | undefined }, page: { readonly limit: number; readonly cursor?: string | undefined }): Promise<Page<Evaluation>> {
    const conditions: RawBuilder<unknown>[] = [sql`true`]
    const before = idOfCursor(page.cursor)
    if (before !== undefined) conditions.push(sql`v.id < ${before}`)
    if (filter.state !== undefined) conditions.push(sql`v.state = ${filter.state}`)
    if (filter.jobsetId !== undefined) conditions.push(sql`v.jobset_id = ${filter.jobsetId}`)
    if (filter.variant !== undefined) conditions.push(sql`v.variant = ${filter.variant}`)
    const { rows } = await sql<EvaluationRow>`
      select ${EVALUATION_COLUMNS} from evaluation v ${EVALUATION_JOINS} where ${sql.join(conditions, sql` and `)} order by v.id desc limit ${page.limit + 1}`.execute(this.#db)
    const { items, next } = pageOf(rows, page.limit, (row) => row.id, (row) => row)
    return { items: await this.present(items), next }
  }

  /** What is kept of ended ones, and the rest counted, at most so often. */
  async #jobCounts(rows: readonly EvaluationRow[]): Promise<Map<number, JobCounts>> {
    const now = performance.now()
    const keyOf = (row: EvaluationRow): string => `${row.id} ${row.state} ${row.endedAt?.getTime() ?? ''}`
    const result = new Map<number, JobCounts>()
    const asked: EvaluationRow[] = []
    for (const row of rows) {
      const known = this.#counts.get(keyOf(row))
      if (row.jobCounts) result.set(row.id, row.jobCounts)
      else if (known && known.until > now) result.set(row.id, known.counts)
      else asked.push(row)
    }
    const counted = await countJobs(this.#db, asked.map((row) => row.id))
    for (const row of asked) {
      const counts = counted.get(row.id)!
      result.set(row.id, counts)
      if (this.#counts.size >= REMEMBERED) this.#counts.clear()
      this.#counts.set(keyOf(row), { counts, until: row.endedAt ? Infinity : now + RUNNING_MILLISECONDS })
    }
    return result
  }

  async listJobs(evaluationId: number, filter: { readonly state?: JobState | undefined; readonly prefix?: string | undefined; readonly contains?: string | undefined; readonly brief?: boolean; /** jobs that belong to this aggregate */ readonly constituentsOf?: string }, page: { readonly limit: number; readonly cursor?: string | undefined }): Promise<Page<Job>> {
    const conditions: RawBuilder<unknown>[] = [sql`j.evaluation_id = ${evaluationId}`]
    const after = nameOfCursor(page.cursor)
    if (after !== undefined) conditions.push(sql`j.attr > ${after}`)
    if (filter.prefix !== undefined) conditions.push(sql`starts_with(j.attr, ${filter.prefix})`)
    if (filter.contains !== undefined) conditions.push(sql`(strpos(lower(j.attr), lower(${filter.contains})) > 0 or strpos(lower(j.name), lower(${filter.contains})) > 0)`)
    if (filter.state !== undefined) conditions.push(sql`${JOB_STATE} = ${filter.state}`)
    if (filter.constituentsOf !== undefined) conditions.push(sql`exists(select from job a where a.evaluation_id = j.evaluation_id and a.attr = ${filter.constituentsOf} and (j.attr = any(a.constituents) or j.drv_path = any(a.constituents)))`)
    const { rows } = await sql<JobRow>`
      select j.attr, j.attr_path as "attrPath", j.name, j.system, j.drv_path as "drvPath", ${filter.brief ? sql`null::jsonb as outputs, null::jsonb as meta` : sql`j.outputs, j.meta`}, j.error, j.position, j.constituents,
        ${JOB_STATE} as state, n.id as "buildId", n.name as "nodeName", n.drv_path as "nodeDrvPath", n.outcome
      ${JOB_FROM} where ${sql.join(conditions, sql` and `)} order by j.attr limit ${page.limit + 1}`.execute(this.#db)
    const failed = rows.flatMap((row) => (row.state === 'failed' && row.buildId !== null ? [{ id: row.buildId, name: row.nodeName ?? '', drvPath: row.nodeDrvPath, outcome: row.outcome }] : []))
    const faults = await faultsOf(this.#db, failed)
    return pageOf(rows, page.limit, (row) => row.attr, ({ nodeName: _name, nodeDrvPath: _path, outcome: _outcome, outputs, ...row }) => ({
      ...row,
      evaluationId,
      outputs: outputs === null ? null : absolutePaths(outputs),
      fault: row.buildId === null ? null : faults.get(row.buildId) ?? null,
    }))
  }
}

interface JobRow {
  readonly attr: string
  readonly attrPath: string[]
  readonly name: string | null
  readonly system: string | null
  readonly drvPath: string | null
  readonly outputs: OutputPaths | null
  readonly meta: unknown
  readonly error: string | null
  readonly position: SourcePosition | null
  readonly constituents: string[] | null
  readonly state: JobState
  readonly buildId: number | null
  readonly nodeName: string | null
  readonly nodeDrvPath: string | null
  readonly outcome: NodeOutcome | null
}
