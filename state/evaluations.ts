/** Ring: state. Evaluations, their jobs, demands and journal. Upstream counterpart: Hydra's JobsetEvals and JobsetEvalMembers. */
import { sql } from 'kysely'
import { FirnError } from '../contract/errors.ts'
import type { EvaluationRequest, FoundJob, SourcePosition } from '../contract/evaluations.ts'
import type { ResolvedInput, TriggerCause } from '../contract/jobsets.ts'
import type { NodeKey } from '../contract/nodes.ts'
import type { Database, EvaluationState, OutputPaths } from './database.ts'
import { countJobs, type JobCounts } from './job-states.ts'

export interface EvaluationRow {
  readonly id: number
  readonly request: EvaluationRequest
  readonly state: EvaluationState
  readonly error: string | null
  readonly progress: Readonly<Record<string, unknown>>
  readonly createdAt: Date
  readonly startedAt: Date | null
  readonly evaluatedAt: Date | null
  readonly endedAt: Date | null
  /** Null for a submission. */
  readonly jobsetId: number | null
  readonly project: string | null
  readonly jobset: string | null
  readonly variant: string
  readonly inputs: Readonly<Record<string, ResolvedInput>>
  readonly cause: TriggerCause | null
  readonly previous: number | null
  readonly sameAs: number | null
  readonly keep: boolean
  /** Who submitted it: a user or a token, where one was asked for. */
  readonly submittedBy: string | null
  /** Once it has ended. */
  readonly jobCounts: JobCounts | null
}

/** Why the evaluation as a whole failed; null where only jobs did, which `error` counts. */
export function fatalError({ error, evaluatedAt }: Pick<EvaluationRow, 'error' | 'evaluatedAt'>): string | null {
  return evaluatedAt === null ? error : null
}

/** Of the table or a set of its rows named `v`, with EVALUATION_JOINS. */
export const EVALUATION_COLUMNS = sql.raw(`v.id, v.request, v.state, v.error, v.progress, v.created_at as "createdAt", v.started_at as "startedAt", v.evaluated_at as "evaluatedAt", v.ended_at as "endedAt",
  v.jobset_id as "jobsetId", v_project.name as project, v_jobset.name as jobset, v.variant, v.inputs, v.cause, v.previous_id as previous, v.same_as as "sameAs", v.keep, v.principal as "submittedBy", v.job_counts as "jobCounts"`)
export const EVALUATION_JOINS = sql.raw(`left join jobset v_jobset on v_jobset.id = v.jobset_id left join project v_project on v_project.id = v_jobset.project_id`)

/** Records a submission; with an idempotency key that was used before, gives what was submitted then. Start it with Motion. */
export async function createEvaluation(db: Database, request: EvaluationRequest, options: { readonly idempotencyKey?: string; /** who submits it */ readonly principal?: string } = {}): Promise<{ readonly evaluation: EvaluationRow; readonly created: boolean }> {
  const { rows } = await sql<EvaluationRow>`
    with made as (
      insert into evaluation (request, idempotency_key, principal) values (${JSON.stringify(request)}, ${options.idempotencyKey ?? null}, ${options.principal ?? null})
      on conflict (idempotency_key) do nothing returning *
    ), event as (
      insert into event (evaluation_id, kind, data) select id, 'evaluation.state', '{"state": "queued"}' from made
    )
    select ${EVALUATION_COLUMNS} from made v ${EVALUATION_JOINS}`.execute(db)
  if (rows[0]) return { evaluation: rows[0], created: true }
  const before = await sql<EvaluationRow>`select ${EVALUATION_COLUMNS} from evaluation v ${EVALUATION_JOINS} where v.idempotency_key = ${options.idempotencyKey ?? null}`.execute(db)
  if (!before.rows[0]) throw new FirnError('internal', 'an evaluation with this idempotency key was made and is gone')
  return { evaluation: before.rows[0], created: false }
}

export async function getEvaluation(db: Database, id: number): Promise<EvaluationRow | undefined> {
  return (await sql<EvaluationRow>`select ${EVALUATION_COLUMNS} from evaluation v ${EVALUATION_JOINS} where v.id = ${id}`.execute(db)).rows[0]
}

/** Moves an evaluation that has not ended to another state. False where it has ended (cancelled, for example). */
export async function setEvaluationState(db: Database, id: number, state: EvaluationState, error?: string): Promise<boolean> {
  const ended = ['succeeded', 'failed', 'cancelled'].includes(state)
  const { rows } = await sql`
    with changed as (
      update evaluation set state = ${state}, error = coalesce(${error ?? null}, error),
        started_at = case when ${state} = 'evaluating' then coalesce(started_at, now()) else started_at end,
        ended_at = case when ${ended} then now() end
      where id = ${id} and state not in ('succeeded', 'failed', 'cancelled') and state <> ${state} returning id
    ), event as (
      insert into event (evaluation_id, kind, data) select id, 'evaluation.state', jsonb_build_object('state', ${state}::text, 'error', ${error ?? null}::text) from changed
    ), told as (select pg_notify('firn_event', '') from changed)
    select id, (select count(*) from told) from changed
    union all select id, 0 from evaluation where id = ${id} and state = ${state} and id not in (select id from changed)`.execute(db)
  return rows.length > 0
}

/** All jobs are known. Jobs of an earlier evaluation of the same row that weren't found again are removed. */
export async function recordEvaluated(db: Database, id: number, found: readonly string[]): Promise<void> {
  await sql`delete from job where evaluation_id = ${id} and not (attr = any(${found}))`.execute(db)
  await sql`update evaluation set evaluated_at = now() where id = ${id} and state not in ('succeeded', 'failed', 'cancelled')`.execute(db)
  await recordSameness(db, id)
}

/** Of a jobset's evaluation: whether an earlier one has the same jobs with the same derivations. Errors count by attribute, since they name places. */
async function recordSameness(db: Database, id: number): Promise<void> {
  await sql`
    with mine as (
      select v.id, v.jobset_id, (select md5(coalesce(string_agg(j.attr || ' ' || coalesce(j.drv_path, '!'), e'\n' order by j.attr), '')) from job j where j.evaluation_id = v.id) as digest
      from evaluation v where v.id = ${id} and v.jobset_id is not null
    ), same as (
      select e.id from mine join evaluation e on e.jobset_id = mine.jobset_id and e.id < mine.id and e.jobs_digest = mine.digest order by e.id desc limit 1
    ), changed as (
      update evaluation v set jobs_digest = mine.digest, same_as = (select id from same) from mine where v.id = mine.id returning v.id, v.same_as
    )
    insert into event (evaluation_id, kind, data) select id, 'evaluation.evaluated', jsonb_build_object('sameAs', same_as) from changed`.execute(db)
}

/** The evaluation as a whole failed; what it found before goes on. It counts as not evaluated: a retry evaluates again. */
export async function recordFatalError(db: Database, id: number, message: string, position?: SourcePosition): Promise<void> {
  await sql`
    with changed as (update evaluation set error = ${storable(message)}, evaluated_at = null where id = ${id} and state not in ('succeeded', 'failed', 'cancelled') returning id)
    insert into event (evaluation_id, kind, data) select id, 'evaluation.error', ${JSON.stringify({ message: storable(message), ...(position ? { position } : {}) })} from changed`.execute(db)
}

export async function recordProgress(db: Database, id: number, progress: Readonly<Record<string, unknown>>): Promise<void> {
  await sql`
    with changed as (update evaluation set progress = progress || ${JSON.stringify(progress)}::jsonb where id = ${id} returning id)
    insert into event (evaluation_id, kind, data) select id, 'evaluation.progress', ${JSON.stringify(progress)} from changed`.execute(db)
}

/** An event of an evaluation: a trace or warning of its expressions, for example. */
export async function recordEvaluationEvents(db: Database, id: number, events: readonly { readonly kind: string; readonly data: Readonly<Record<string, unknown>> }[]): Promise<void> {
  if (events.length === 0) return
  await sql`insert into event (evaluation_id, kind, data)
    select ${id}, kind, data from jsonb_to_recordset(${JSON.stringify(events)}::jsonb) as e(kind text, data jsonb)`.execute(db)
}

/** Text as Postgres holds it: byte strings of the evaluator are UTF-8 as a rule, and NUL can't be stored. */
function storable(text: string): string {
  return text.replaceAll('\0', '\uFFFD')
}

export interface RecordedJob {
  readonly job: FoundJob
  readonly nodeKey: NodeKey | null
  readonly outputs: OutputPaths
}

/** Records jobs, and demands their nodes unless `demand` is false. Twice is once. */
export async function recordJobs(db: Database, evaluationId: number, jobs: readonly RecordedJob[], options: { readonly demand: boolean; readonly priority: number }): Promise<void> {
  if (jobs.length === 0) return
  const rows = jobs.map(({ job, nodeKey, outputs }) => ({
    attr: storable(job.attr), attr_path: job.attrPath.map(storable), name: job.name, system: job.system, drv_path: job.drvPath,
    constituents: job.constituents?.map(storable) ?? null, node_key: nodeKey, outputs, meta: job.meta === undefined ? null : (JSON.parse(JSON.stringify(job.meta).replaceAll('\\u0000', '\\ufffd')) as unknown), wanted: Object.keys(job.outputs),
  })).sort((a, b) => (a.attr < b.attr ? -1 : 1))
  await db.transaction().execute(async (trx) => {
    await sql`
      with given as (select distinct on (attr) * from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb)
        as r(attr text, attr_path jsonb, name text, system text, drv_path text, node_key text, outputs jsonb, meta jsonb, constituents jsonb) order by attr)
      , written as (
        insert into job as j (evaluation_id, attr, attr_path, name, system, drv_path, node_key, outputs, meta, constituents)
        select ${evaluationId}, attr, array(select jsonb_array_elements_text(attr_path)), name, system, drv_path, node_key, outputs, meta,
          case when jsonb_typeof(constituents) = 'array' then array(select jsonb_array_elements_text(constituents)) end from given order by attr
        on conflict (evaluation_id, attr) do update set name = excluded.name, system = excluded.system, drv_path = excluded.drv_path,
          node_key = excluded.node_key, outputs = excluded.outputs, meta = excluded.meta, constituents = excluded.constituents, error = null, position = null, through_import = false
        returning attr, name, node_key
      )
      insert into event (evaluation_id, kind, data) select ${evaluationId}, 'job.found', jsonb_build_object('attr', attr, 'name', name) from written`.execute(trx)
    if (!options.demand) return
    const demands = rows.flatMap((row) => (row.node_key === null ? [] : [{ nodeKey: row.node_key, outputs: row.wanted }]))
    await recordDemands(trx, evaluationId, 'job', demands, options.priority)
  })
}

/** An evaluation wants these outputs of these nodes. Demands of a node already valid are recorded as met. */
export async function recordDemands(db: Database, evaluationId: number, reason: 'job' | 'import', demands: readonly { readonly nodeKey: NodeKey; readonly outputs: readonly string[] }[], priority: number): Promise<void> {
  if (demands.length === 0) return
  const rows = demands.map(({ nodeKey, outputs }) => ({ node_key: nodeKey, outputs }))
  await sql`
    insert into demand as d (node_key, evaluation_id, reason, outputs, priority)
    select node_key, ${evaluationId}, ${reason}, array(select distinct x from jsonb_array_elements_text(jsonb_path_query_array(jsonb_agg(outputs), '$[*][*]')) as x order by x), ${priority}
    from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as r(node_key text, outputs jsonb) group by node_key order by node_key
    on conflict (node_key, evaluation_id, reason) do update set
      outputs = array(select distinct x from unnest(d.outputs || excluded.outputs) as x order by x), met_at = null`.execute(db)
}

/** These demands are met: what they want is valid. */
export async function recordMet(db: Database, evaluationId: number, keys: readonly NodeKey[]): Promise<void> {
  if (keys.length === 0) return
  await sql`
    with locked as (select node_key, reason from demand where evaluation_id = ${evaluationId} and node_key = any(${keys}) and met_at is null order by node_key, reason for update)
    update demand d set met_at = now() from locked l where d.evaluation_id = ${evaluationId} and d.node_key = l.node_key and d.reason = l.reason`.execute(db)
}

export interface FailedJob {
  readonly attr: string
  readonly attrPath: readonly string[]
  readonly message: string
  readonly position?: SourcePosition
  /** The error came from an import that failed. */
  readonly throughImport: boolean
}

export async function recordJobErrors(db: Database, evaluationId: number, errors: readonly FailedJob[]): Promise<void> {
  if (errors.length === 0) return
  const rows = errors.map((error) => ({
    attr: storable(error.attr), attr_path: error.attrPath.map(storable), error: storable(error.message), position: error.position ?? null, through_import: error.throughImport,
  }))
  await sql`
    with given as (select distinct on (attr) * from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb)
      as r(attr text, attr_path jsonb, error text, position jsonb, through_import boolean) order by attr)
    , written as (
      insert into job (evaluation_id, attr, attr_path, error, position, through_import)
      select ${evaluationId}, attr, array(select jsonb_array_elements_text(attr_path)), error, case when jsonb_typeof(position) = 'object' then position end, through_import from given order by attr
      on conflict (evaluation_id, attr) do update set error = excluded.error, position = excluded.position, through_import = excluded.through_import,
        name = null, system = null, drv_path = null, node_key = null, outputs = null, meta = null, constituents = null
      returning attr, error
    )
    insert into event (evaluation_id, kind, data) select ${evaluationId}, 'job.error', jsonb_build_object('attr', attr, 'error', error) from written`.execute(db)
}

/** .drv paths of an evaluation's jobs, for demanding them again. */
export async function jobDerivations(db: Database, evaluationId: number): Promise<{ readonly drvPath: string; readonly outputs: readonly string[] }[]> {
  const rows = await db.selectFrom('job').select(['drv_path', 'outputs']).where('evaluation_id', '=', evaluationId).where('drv_path', 'is not', null).execute()
  return rows.map((row) => ({ drvPath: row.drv_path ?? '', outputs: Object.keys(row.outputs ?? {}) }))
}

/** Nodes of an evaluation's jobs that have not ended. */
export async function unfinishedJobNodes(db: Database, evaluationId: number): Promise<NodeKey[]> {
  const { rows } = await sql<{ key: string }>`
    select n.key from demand d join node n on n.key = d.node_key
    where d.evaluation_id = ${evaluationId} and d.reason = 'job' and d.met_at is null and n.state in ('waiting', 'queued', 'running')`.execute(db)
  return rows.map((row) => row.key)
}

/** Ends an evaluation whose jobs' nodes have all ended: succeeded if every job did. Gives how it ended. */
export async function endEvaluation(db: Database, evaluationId: number): Promise<EvaluationState> {
  const { rows } = await sql<{ errors: number; failed: number; fatal: string | null }>`
    select (select error from evaluation where id = ${evaluationId} and evaluated_at is null) as fatal,
      (select count(*) from job where evaluation_id = ${evaluationId} and error is not null) as errors,
      (select count(*) from demand d join node n on n.key = d.node_key
        where d.evaluation_id = ${evaluationId} and d.reason = 'job' and d.met_at is null and n.state = 'failed') as failed`.execute(db)
  const { errors, failed, fatal } = rows[0]!
  if (fatal !== null) {
    await setEvaluationState(db, evaluationId, 'failed')
    return 'failed'
  }
  const problems = [...(errors > 0 ? [`${errors} attribute${errors === 1 ? '' : 's'} could not be evaluated`] : []), ...(failed > 0 ? [`${failed} job${failed === 1 ? '' : 's'} failed`] : [])]
  const state = problems.length === 0 ? 'succeeded' : 'failed'
  const counts = (await countJobs(db, [evaluationId])).get(evaluationId)
  await sql`update evaluation set job_counts = ${JSON.stringify(counts)} where id = ${evaluationId}`.execute(db)
  await setEvaluationState(db, evaluationId, state, problems.length === 0 ? undefined : problems.join(', '))
  return state
}

export async function readJournal(db: Database, evaluationId: number): Promise<Record<string, unknown>> {
  const rows = await db.selectFrom('evaluation_journal').select(['key', 'value']).where('evaluation_id', '=', evaluationId).execute()
  return Object.fromEntries(rows.map((row) => [row.key, row.value]))
}

/** Adds to the journal; what is there already stays, so that a second evaluator agrees with the first. */
export async function recordJournal(db: Database, evaluationId: number, entries: ReadonlyMap<string, unknown>): Promise<void> {
  if (entries.size === 0) return
  const rows = [...entries].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, value]) => ({ key, value }))
  await sql`insert into evaluation_journal (evaluation_id, key, value)
    select ${evaluationId}, key, coalesce(value, 'null') from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as r(key text, value jsonb) on conflict do nothing`.execute(db)
}
