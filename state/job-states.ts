/** Ring: state. What a job's state is, in SQL: of its evaluation error, of what is asked of it, and of its build. */
import { sql } from 'kysely'
import type { BuildState, JobState } from '../contract/api.ts'
import type { Database } from './database.ts'

/**
 * A job whose outputs are there has succeeded, whatever a later run of its node says. Without a demand, nothing was asked of it.
 * Over the aliases of JOB_FROM.
 */
export const JOB_STATE = sql.raw(`case when j.error is not null then 'error' when j.node_key is null then 'found' when d.met_at is not null then 'succeeded'
  when d.node_key is null and n.run = 0 then 'found' else n.state end`)
/** `j` job, `n` its node, `d` its demand. */
export const JOB_FROM = sql.raw(`from job j left join node n on n.key = j.node_key left join demand d on d.evaluation_id = j.evaluation_id and d.node_key = j.node_key and d.reason = 'job'`)

export interface JobCounts {
  readonly total: number
  readonly errors: number
  readonly found: number
  readonly waiting: number
  readonly queued: number
  readonly running: number
  readonly succeeded: number
  readonly failed: number
}

export const NO_JOBS: JobCounts = { total: 0, errors: 0, found: 0, waiting: 0, queued: 0, running: 0, succeeded: 0, failed: 0 }

/** Jobs by state of each of these evaluations, in one query. */
export async function countJobs(db: Database, evaluationIds: readonly number[]): Promise<Map<number, JobCounts>> {
  const result = new Map<number, JobCounts>(evaluationIds.map((id) => [id, NO_JOBS]))
  if (evaluationIds.length === 0) return result
  const { rows } = await sql<{ id: number; state: JobState & (BuildState | 'error' | 'found'); count: number }>`
    select j.evaluation_id as id, ${JOB_STATE} as state, count(*) as count ${JOB_FROM} where j.evaluation_id = any(${evaluationIds}) group by 1, 2`.execute(db)
  for (const { id, state, count } of rows) {
    const before = result.get(id)!
    result.set(id, { ...before, [state === 'error' ? 'errors' : state]: count, total: before.total + count })
  }
  return result
}
