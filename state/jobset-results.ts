/** Ring: state. What a jobset has built, as another's input. Upstream counterpart: Hydra's `build` and `eval` inputs. */
import { sql } from 'kysely'
import type { Database, OutputPaths } from './database.ts'
import { JOB_FROM, JOB_STATE } from './job-states.ts'

export interface BuiltJob {
  readonly evaluationId: number
  readonly attr: string
  readonly buildId: number
  readonly name: string | null
  readonly outputs: OutputPaths
}

const BUILT = sql`select j.evaluation_id as "evaluationId", j.attr, n.id as "buildId", j.name, coalesce(n.outputs, j.outputs) as outputs
  ${JOB_FROM} join evaluation e on e.id = j.evaluation_id join jobset s on s.id = e.jobset_id join project p on p.id = s.project_id`

/** The newest build of a job that succeeded. */
export async function builtJob(db: Database, project: string, jobset: string, attr: string): Promise<BuiltJob | undefined> {
  const { rows } = await sql<BuiltJob>`
    ${BUILT} where p.name = ${project} and s.name = ${jobset} and e.variant = '' and j.attr = ${attr} and ${JOB_STATE} = 'succeeded' order by e.id desc limit 1`.execute(db)
  return rows[0]
}

/** All that succeeded of the newest evaluation that has ended. */
export async function builtJobs(db: Database, project: string, jobset: string): Promise<{ readonly evaluationId: number; readonly jobs: readonly BuiltJob[] } | undefined> {
  const { rows } = await sql<{ id: number }>`
    select e.id from evaluation e join jobset s on s.id = e.jobset_id join project p on p.id = s.project_id
    where p.name = ${project} and s.name = ${jobset} and e.variant = '' and e.state in ('succeeded', 'failed') and e.evaluated_at is not null order by e.id desc limit 1`.execute(db)
  if (!rows[0]) return undefined
  const jobs = await sql<BuiltJob>`${BUILT} where e.id = ${rows[0].id} and ${JOB_STATE} = 'succeeded' order by j.attr`.execute(db)
  return { evaluationId: rows[0].id, jobs: jobs.rows }
}
