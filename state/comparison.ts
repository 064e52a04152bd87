/**
 * Ring: state. Two evaluations side by side, joined by attribute in the database: 20,000 jobs are one pass over two index ranges. Read by the
 * API and by notifications. Upstream counterpart: Hydra's BuildDiff, which loads both sides into memory.
 */
import { type RawBuilder, sql } from 'kysely'
import type { JobState } from '../contract/api.ts'
import { type Change, CHANGES, type Comparison, type JobChange } from '../contract/comparison.ts'
import type { ResolvedInput } from '../contract/jobsets.ts'
import { describeCause, type NodeOutcome } from '../contract/nodes.ts'
import type { Database } from './database.ts'
import type { EvaluationRow } from './evaluations.ts'
import { JOB_FROM, JOB_STATE } from './job-states.ts'

/** Causes that say nothing of the build itself. */
const ABORTED = sql.raw(`('cancelled', 'fault', 'no-worker')`)
/** How many builds at fault are named. */
const FAULTS = 50

/** What of each side is looked at: both are joined by attribute, so that what is said of it holds for both. */
interface Part {
  readonly after?: string | undefined
  readonly contains?: string | undefined
  /** So many by attribute are enough of each side. */
  readonly limit?: number | undefined
  /** Only what the other side has. */
  readonly among?: RawBuilder<unknown>
}

function sideOf(evaluationId: number | null, { after, contains, limit, among }: Part): RawBuilder<unknown> {
  const [from, having] = [after === undefined ? sql`` : sql` and j.attr > ${after}`, contains === undefined ? sql`` : sql` and strpos(j.attr, ${contains}) > 0`]
  return sql`
    select j.attr, j.name, j.system, j.drv_path, j.error, ${JOB_STATE} as state, n.id as build_id, n.outcome, r.output_bytes, r.closure_bytes
    ${JOB_FROM} left join build_result r on r.node_id = n.id where j.evaluation_id = ${evaluationId}::bigint${from}${having}${among === undefined ? sql`` : sql` and j.attr in (${among})`}${limit === undefined ? sql`` : sql` order by j.attr limit ${limit}`}`
}

/** Over `now` and `before`. What isn't found yet while the evaluator runs is not removed. */
const joined = (evaluation: Pick<EvaluationRow, 'id' | 'evaluatedAt'>, against: number | null, part: Part = {}): RawBuilder<unknown> => sql`
  with now as (${sideOf(evaluation.id, part)}), before as (${sideOf(against, evaluation.evaluatedAt === null ? { among: sql`select attr from now` } : part)}), joined as (
    select coalesce(a.attr, b.attr) as attr, coalesce(a.name, b.name) as name, coalesce(a.system, b.system) as system, a.attr is not null as here, b.attr is not null as there,
      a.state as now_state, a.build_id as now_build, a.drv_path as now_drv, a.output_bytes as now_output, a.closure_bytes as now_closure, a.outcome, a.error,
      b.state as before_state, b.build_id as before_build, b.drv_path as before_drv, b.output_bytes as before_output, b.closure_bytes as before_closure,
      case when a.attr is null then 'removed'
        when a.state in ('waiting', 'queued', 'running') then 'unfinished'
        when a.state = 'failed' and a.outcome -> 'cause' ->> 'kind' in ${ABORTED} then 'aborted'
        when b.attr is null then 'added'
        when a.state in ('failed', 'error') then case when b.state in ('failed', 'error') and coalesce(b.outcome -> 'cause' ->> 'kind', '') not in ${ABORTED} then 'still-failing' else 'newly-failing' end
        when b.state in ('failed', 'error') then 'fixed'
        else 'still-succeeding' end as change,
      a.attr is not null and b.attr is not null and a.drv_path is distinct from b.drv_path as derivation_changed
    from now a full join before b on a.attr = b.attr
    where a.attr is not null or ${evaluation.evaluatedAt !== null}
  )`

interface ChangeRow {
  attr: string; name: string | null; system: string | null; here: boolean; there: boolean; change: Change; derivation_changed: boolean; outcome: NodeOutcome | null; error: string | null
  now_state: JobState | null; now_build: number | null; now_drv: string | null; now_output: number | null; now_closure: number | null
  before_state: JobState | null; before_build: number | null; before_drv: string | null; before_output: number | null; before_closure: number | null
}

export interface ChangeFilter {
  readonly changes?: readonly Change[]
  readonly derivationChanged?: boolean | undefined
  readonly contains?: string | undefined
  readonly after?: string | undefined
  readonly limit: number
}

/** Jobs by attribute, after one. */
export async function listChanges(db: Database, evaluation: Pick<EvaluationRow, 'id' | 'evaluatedAt'>, against: number | null, filter: ChangeFilter): Promise<JobChange[]> {
  const conditions: RawBuilder<unknown>[] = [sql`true`]
  if (filter.changes !== undefined) conditions.push(sql`change = any(${[...filter.changes]})`)
  if (filter.derivationChanged !== undefined) conditions.push(sql`derivation_changed = ${filter.derivationChanged}`)
  const all = conditions.length === 1
  const { rows } = await sql<ChangeRow>`${joined(evaluation, against, { after: filter.after, contains: filter.contains, limit: all ? filter.limit : undefined })} select * from joined where ${sql.join(conditions, sql` and `)} order by attr limit ${filter.limit}`.execute(db)
  return rows.map((row) => ({
    attr: row.attr,
    name: row.name,
    system: row.system,
    change: row.change,
    derivationChanged: row.derivation_changed,
    before: row.there ? { state: row.before_state!, buildId: row.before_build, drvPath: row.before_drv, outputBytes: row.before_output, closureBytes: row.before_closure } : null,
    now: row.here ? { state: row.now_state!, buildId: row.now_build, drvPath: row.now_drv, outputBytes: row.now_output, closureBytes: row.now_closure } : null,
    ...reasonOf(row),
  }))
}

function reasonOf({ now_state: state, outcome, error, now_build: buildId }: ChangeRow): { reason: string | null; faultBuildId: number | null } {
  if (state === 'error') return { reason: error?.split('\n')[0] ?? null, faultBuildId: null }
  if (state !== 'failed' || outcome?.status !== 'failed') return { reason: null, faultBuildId: null }
  const { cause } = outcome
  return { reason: describeCause(cause), faultBuildId: cause.kind === 'dependency-failed' ? cause.buildId : buildId }
}

/** Counts of all changes, sums of sizes, inputs that differ, and what is at fault of what newly fails. */
export async function compareEvaluations(db: Database, evaluation: EvaluationRow, against: EvaluationRow | undefined): Promise<Comparison> {
  const beforeId = against?.id ?? null
  const { rows } = await sql<{ change: Change; count: number; changed: number; output_before: string; output_now: string; closure_before: string; closure_now: string }>`
    ${joined(evaluation, beforeId)}
    select change, count(*) as count, count(*) filter (where derivation_changed) as changed,
      coalesce(sum(before_output) filter (where now_output is not null), 0) as output_before, coalesce(sum(now_output) filter (where before_output is not null), 0) as output_now,
      coalesce(sum(before_closure) filter (where now_closure is not null), 0) as closure_before, coalesce(sum(now_closure) filter (where before_closure is not null), 0) as closure_now
    from joined group by change`.execute(db)
  const counts = Object.fromEntries(CHANGES.map((change) => [change, 0])) as Record<Change, number>
  for (const row of rows) counts[row.change] = row.count
  const sum = (pick: (row: (typeof rows)[number]) => string | number): number => rows.reduce((total, row) => total + Number(pick(row)), 0)
  const derivationsChanged = sum((row) => row.changed)
  return {
    evaluation: evaluation.id,
    against: beforeId,
    sameJobs: against !== undefined && evaluation.evaluatedAt !== null && derivationsChanged === 0 && counts.added === 0 && counts.removed === 0,
    counts,
    derivationsChanged,
    outputBytes: { before: sum((row) => row.output_before), now: sum((row) => row.output_now) },
    closureBytes: { before: sum((row) => row.closure_before), now: sum((row) => row.closure_now) },
    inputs: inputChanges(against?.inputs ?? {}, evaluation.inputs),
    faults: counts['newly-failing'] + counts.added === 0 ? [] : await newFaults(db, evaluation, beforeId),
  }
}

/** Builds at fault of jobs that newly fail (or are new and fail), the one with most jobs first. */
async function newFaults(db: Database, evaluation: EvaluationRow, against: number | null): Promise<Comparison['faults']> {
  const { rows } = await sql<{ buildId: number; name: string; outcome: NodeOutcome | null; jobs: number }>`
    ${joined(evaluation, against)}, faults as (
      select coalesce((outcome -> 'cause' ->> 'buildId')::bigint, now_build) as build, count(*) as jobs from joined
      where change in ('newly-failing', 'added') and now_state = 'failed' group by 1 order by 2 desc, 1 limit ${FAULTS}
    )
    select n.id as "buildId", n.name, n.outcome, f.jobs from faults f join node n on n.id = f.build order by f.jobs desc, n.id`.execute(db)
  return rows.map(({ outcome, ...row }) => ({ ...row, description: outcome?.status === 'failed' ? describeCause(outcome.cause) : 'runs again' }))
}

function inputChanges(before: Readonly<Record<string, ResolvedInput>>, now: Readonly<Record<string, ResolvedInput>>): Comparison['inputs'] {
  const shown = (input: ResolvedInput | undefined): string | null => (input === undefined ? null : input.revision ?? (input.value === undefined ? undefined : String(input.value)) ?? input.narHash ?? input.storePath ?? input.url ?? null)
  return [...new Set([...Object.keys(before), ...Object.keys(now)])].sort()
    .map((name) => ({ name, before: shown(before[name]), now: shown(now[name]) }))
    .filter((input) => input.before !== input.now)
}
