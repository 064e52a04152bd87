/** Ring: api. Evaluations and their jobs as the API shows them. */
import { type RawBuilder, sql } from 'kysely'
import { type BuildState, type Evaluation, FINAL_EVALUATION_STATES, type EvaluationState, type Job, type JobState } from '../../contract/api.ts'
import type { NodeOutcome } from '../../contract/nodes.ts'
import type { SourcePosition } from '../../contract/evaluations.ts'
import type { Database, OutputPaths } from '../../state/database.ts'
import type { EvaluationRow } from '../../state/evaluations.ts'
import { absolutePaths, faultsOf, time } from './builds.ts'
import { idOfCursor, nameOfCursor, type Page, pageOf } from './page.ts'

type Counts = Evaluation['jobs']

/** A job whose outputs are there has succeeded, whatever a later run of its node says. Without a demand, nothing was asked of it. */
const JOB_STATE = sql`case when j.error is not null then 'error' when j.node_key is null then 'found' when d.met_at is not null then 'succeeded'
  when d.node_key is null and n.run = 0 then 'found' else n.state end`
const JOB_FROM = sql`from job j left join node n on n.key = j.node_key left join demand d on d.evaluation_id = j.evaluation_id and d.node_key = j.node_key and d.reason = 'job'`

/** Counting the jobs of large evaluations is the costly part of showing them; ended ones don't change any more. */
const REMEMBERED = 2000
const RUNNING_MILLISECONDS = 300

export class EvaluationQueries {
  readonly #db: Database
  readonly #counts = new Map<string, { readonly counts: Counts; readonly until: number }>()

  constructor(db: Database) {
    this.#db = db
  }

  async present(rows: readonly EvaluationRow[]): Promise<Evaluation[]> {
    const counts = await this.#jobCounts(rows)
    return rows.map(({ createdAt, startedAt, evaluatedAt, endedAt, ...row }) => ({
      ...row,
      jobs: counts.get(row.id)!,
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

  async list(filter: { readonly state?: EvaluationState | undefined }, page: { readonly limit: number; readonly cursor?: string | undefined }): Promise<Page<Evaluation>> {
    const before = idOfCursor(page.cursor)
    const { rows } = await sql<EvaluationRow>`
      select id, request, state, error, progress, created_at as "createdAt", started_at as "startedAt", evaluated_at as "evaluatedAt", ended_at as "endedAt"
      from evaluation where (${before ?? null}::bigint is null or id < ${before ?? null}::bigint) and (${filter.state ?? null}::text is null or state = ${filter.state ?? null}::text)
      order by id desc limit ${page.limit + 1}`.execute(this.#db)
    const { items, next } = pageOf(rows, page.limit, (row) => row.id, (row) => row)
    return { items: await this.present(items), next }
  }

  async #jobCounts(rows: readonly EvaluationRow[]): Promise<Map<number, Counts>> {
    const now = performance.now()
    const keyOf = (row: EvaluationRow): string => `${row.id} ${row.state} ${row.endedAt?.getTime() ?? ''}`
    const result = new Map<number, Counts>()
    const asked: EvaluationRow[] = []
    for (const row of rows) {
      const known = this.#counts.get(keyOf(row))
      if (known && known.until > now) result.set(row.id, known.counts)
      else asked.push(row)
    }
    if (asked.length === 0) return result
    const counted = await sql<{ id: number; state: JobState; count: number }>`
      select j.evaluation_id as id, ${JOB_STATE} as state, count(*) as count ${JOB_FROM} where j.evaluation_id = any(${asked.map((row) => row.id)}) group by 1, 2`.execute(this.#db)
    for (const row of asked) {
      const counts = { total: 0, errors: 0, found: 0, waiting: 0, queued: 0, running: 0, succeeded: 0, failed: 0 }
      for (const { id, state, count } of counted.rows) {
        if (id !== row.id) continue
        counts[state === 'error' ? 'errors' : state] = count
        counts.total += count
      }
      result.set(row.id, counts)
      if (this.#counts.size >= REMEMBERED) this.#counts.clear()
      this.#counts.set(keyOf(row), { counts, until: FINAL_EVALUATION_STATES.includes(row.state) ? Infinity : now + RUNNING_MILLISECONDS })
    }
    return result
  }

  async listJobs(evaluationId: number, filter: { readonly state?: JobState | undefined; readonly prefix?: string | undefined }, page: { readonly limit: number; readonly cursor?: string | undefined }): Promise<Page<Job>> {
    const conditions: RawBuilder<unknown>[] = [sql`j.evaluation_id = ${evaluationId}`]
    const after = nameOfCursor(page.cursor)
    if (after !== undefined) conditions.push(sql`j.attr > ${after}`)
    if (filter.prefix !== undefined) conditions.push(sql`starts_with(j.attr, ${filter.prefix})`)
    if (filter.state !== undefined) conditions.push(sql`${JOB_STATE} = ${filter.state}`)
    const { rows } = await sql<JobRow>`
      select j.attr, j.attr_path as "attrPath", j.name, j.system, j.drv_path as "drvPath", j.outputs, j.meta, j.error, j.position,
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
  readonly state: JobState
  readonly buildId: number | null
  readonly nodeName: string | null
  readonly nodeDrvPath: string | null
  readonly outcome: NodeOutcome | null
}
