/** Ring: state. Jobsets: definitions, and how they stand. Upstream counterpart: Hydra's Jobsets and JobsetInputs. */
import { sql } from 'kysely'
import { FirnError } from '../contract/errors.ts'
import type { Jobset, JobsetDefinition } from '../contract/jobsets.ts'
import type { Database, EvaluationState } from './database.ts'
import { countJobs, type JobCounts } from './job-states.ts'
import type { Precondition } from './projects.ts'

interface JobsetRow extends Omit<Jobset, 'createdAt' | 'checkedAt' | 'errorAt' | 'latest'> {
  readonly createdAt: Date
  readonly checkedAt: Date | null
  readonly errorAt: Date | null
  readonly newest: { readonly id: number; readonly state: EvaluationState; readonly createdAt: string; readonly endedAt: string | null; readonly counts: JobCounts | null } | null
}

const COLUMNS = sql.raw(`s.id, p.name as project, s.name, s.description, s.source, s.inputs, s.settings, s.state, s.hidden, s.poll_seconds as "pollSeconds", s.schedule,
  s.when_running as "whenRunning", s.shares, s.priority, s.keep, s.pull_requests as "pullRequests", s.notifications, s.generated, s.checked_at as "checkedAt", s.error,
  s.error_at as "errorAt", s.created_at as "createdAt", s.version, (select count(*) from jobset_trigger t where t.jobset_id = s.id and t.taken_at is null) as pending, e.newest`)
const FROM = sql.raw(`from jobset s join project p on p.id = s.project_id left join lateral (
  select jsonb_build_object('id', v.id, 'state', v.state, 'createdAt', v.created_at, 'endedAt', v.ended_at, 'counts', v.job_counts) as newest
  from evaluation v where v.jobset_id = s.id and v.variant = '' order by v.id desc limit 1) e on true`)

async function present(db: Database, rows: readonly JobsetRow[]): Promise<Jobset[]> {
  const running = rows.flatMap(({ newest }) => (newest && !newest.counts ? [newest.id] : []))
  const counts = await countJobs(db, running)
  return rows.map(({ newest, createdAt, checkedAt, errorAt, ...row }) => ({
    ...row,
    createdAt: createdAt.toISOString(),
    checkedAt: checkedAt?.toISOString() ?? null,
    errorAt: errorAt?.toISOString() ?? null,
    latest: newest && {
      id: newest.id, state: newest.state, createdAt: new Date(newest.createdAt).toISOString(), endedAt: newest.endedAt === null ? null : new Date(newest.endedAt).toISOString(),
      jobs: newest.counts ?? counts.get(newest.id)!,
    },
  }))
}

/** Errors: 'not-found'. */
export async function getJobset(db: Database, project: string, name: string): Promise<Jobset> {
  const { rows } = await sql<JobsetRow>`select ${COLUMNS} ${FROM} where p.name = ${project} and s.name = ${name}`.execute(db)
  if (!rows[0]) throw new FirnError('not-found', `there is no jobset '${project}/${name}'`)
  return (await present(db, rows))[0]!
}

export async function getJobsetById(db: Database, id: number): Promise<Jobset | undefined> {
  const { rows } = await sql<JobsetRow>`select ${COLUMNS} ${FROM} where s.id = ${id}`.execute(db)
  return (await present(db, rows))[0]
}

/** The id alone, where nothing else is needed. Errors: 'not-found'. */
export async function jobsetId(db: Database, project: string, name: string): Promise<number> {
  const { rows } = await sql<{ id: number }>`select s.id from jobset s join project p on p.id = s.project_id where p.name = ${project} and s.name = ${name}`.execute(db)
  if (!rows[0]) throw new FirnError('not-found', `there is no jobset '${project}/${name}'`)
  return rows[0].id
}

/** Of a project, by name, after a name. */
export async function listJobsets(db: Database, projectId: number, options: { readonly after?: string | undefined; readonly limit: number; readonly hidden: boolean }): Promise<Jobset[]> {
  const { rows } = await sql<JobsetRow>`
    select ${COLUMNS} ${FROM} where s.project_id = ${projectId} and s.name > ${options.after ?? ''} and (${options.hidden} or not s.hidden) order by s.name limit ${options.limit}`.execute(db)
  return await present(db, rows)
}

/** Makes or replaces a jobset. 'conflict' where the precondition does not hold. */
export async function putJobset(db: Database, projectId: number, name: string, definition: JobsetDefinition, options: Precondition & { readonly generated?: boolean } = {}): Promise<{ readonly id: number; readonly created: boolean }> {
  const { description, source, inputs, settings, state, hidden, pollSeconds, schedule, whenRunning, shares, priority, keep, pullRequests, notifications } = definition
  const { rows } = await sql<{ id: number; created: boolean }>`
    insert into jobset as s (project_id, name, description, source, inputs, settings, state, hidden, poll_seconds, schedule, when_running, shares, priority, keep, pull_requests, notifications, generated)
    select ${projectId}, ${name}, ${description}, ${JSON.stringify(source)}::jsonb, ${JSON.stringify(inputs)}::jsonb, ${JSON.stringify(settings)}::jsonb, ${state}, ${hidden}, ${pollSeconds}, ${[...schedule]}::text[],
      ${whenRunning}, ${shares}, ${priority}, ${keep}, ${pullRequests === null ? null : JSON.stringify(pullRequests)}::jsonb, ${JSON.stringify(notifications)}::jsonb, ${options.generated ?? false}
    where ${options.version === undefined} or exists(select from jobset where project_id = ${projectId} and name = ${name} and version = ${options.version ?? null})
    on conflict (project_id, name) do update set description = excluded.description, source = excluded.source, inputs = excluded.inputs, settings = excluded.settings, state = excluded.state,
      hidden = excluded.hidden, poll_seconds = excluded.poll_seconds, schedule = excluded.schedule, when_running = excluded.when_running, shares = excluded.shares, priority = excluded.priority,
      keep = excluded.keep, pull_requests = excluded.pull_requests, notifications = excluded.notifications, generated = excluded.generated, version = s.version + 1
    where not ${options.absent ?? false} and (${options.version ?? null}::bigint is null or s.version = ${options.version ?? null}::bigint)
    returning id, xmax = 0 as created`.execute(db)
  if (!rows[0]) throw new FirnError('conflict', options.absent ? `there is a jobset '${name}' already` : `jobset '${name}' has changed meanwhile, or is not there`)
  return rows[0]
}

/** Its evaluations go with it; they must have been cancelled before. */
export async function deleteJobset(db: Database, id: number): Promise<void> {
  await sql`delete from jobset where id = ${id}`.execute(db)
}

/** Evaluations of jobsets that have not ended. */
export async function unfinishedOfJobsets(db: Database, jobsetIds: readonly number[]): Promise<number[]> {
  if (jobsetIds.length === 0) return []
  const { rows } = await sql<{ id: number }>`select id from evaluation where jobset_id = any(${jobsetIds}) and state not in ('succeeded', 'failed', 'cancelled') order by id`.execute(db)
  return rows.map((row) => row.id)
}

export async function jobsetIdsOf(db: Database, projectId: number): Promise<number[]> {
  return (await sql<{ id: number }>`select id from jobset where project_id = ${projectId} order by id`.execute(db)).rows.map((row) => row.id)
}

/** The jobset of an evaluation and its part of the farm; undefined for a submission. */
export async function sharesOf(db: Database, evaluationId: number): Promise<{ readonly jobsetId: number; readonly shares: number } | undefined> {
  return (await sql<{ jobsetId: number; shares: number }>`select s.id as "jobsetId", s.shares from evaluation e join jobset s on s.id = e.jobset_id where e.id = ${evaluationId}`.execute(db)).rows[0]
}

/** When jobsets are looked at by themselves: what Temporal's schedules are made from. */
export interface Timing {
  readonly jobsetId: number
  readonly pollSeconds: number
  readonly schedule: readonly string[]
}

/** Jobsets that want a schedule: enabled, in an enabled project. With `jobsetId`, that one only. */
export async function listTimings(db: Database, onlyJobset?: number): Promise<Timing[]> {
  const { rows } = await sql<Timing>`
    select s.id as "jobsetId", s.poll_seconds as "pollSeconds", s.schedule from jobset s join project p on p.id = s.project_id
    where p.enabled and s.state <> 'disabled' and (s.poll_seconds > 0 or cardinality(s.schedule) > 0) and (${onlyJobset ?? null}::bigint is null or s.id = ${onlyJobset ?? null}::bigint) order by s.id`.execute(db)
  return rows
}
