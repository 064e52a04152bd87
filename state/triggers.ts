/**
 * Ring: state. Wanted evaluations: who wants one writes a row, and the jobset's check takes all there are. Making the evaluation and removing the
 * rows is one transaction, so that a check that is repeated makes no second one.
 */
import { sql } from 'kysely'
import type { EvaluationRequest } from '../contract/evaluations.ts'
import { FirnError } from '../contract/errors.ts'
import type { Overrides, ResolvedInput, TriggerCause } from '../contract/jobsets.ts'
import type { Database } from './database.ts'

export interface Trigger {
  readonly id: number
  readonly variant: string
  readonly cause: TriggerCause
  readonly force: boolean
  readonly overrides: Overrides
}

export interface NewTrigger {
  readonly jobsetId: number
  readonly cause: TriggerCause
  readonly variant?: string
  readonly force?: boolean
  readonly overrides?: Overrides
  readonly idempotencyKey?: string
}

/** Writes a trigger; one with an idempotency key that was used already changes nothing. Wake the jobset's workflow afterwards. */
export async function addTrigger(db: Database, trigger: NewTrigger): Promise<number> {
  const { rows } = await sql<{ id: number }>`
    with added as (
      insert into jobset_trigger (jobset_id, project_id, variant, cause, force, overrides, idempotency_key)
      select s.id, s.project_id, ${trigger.variant ?? ''}, ${JSON.stringify(trigger.cause)}::jsonb, ${trigger.force ?? false}, ${JSON.stringify(trigger.overrides ?? {})}::jsonb, ${trigger.idempotencyKey ?? null}
      from jobset s where s.id = ${trigger.jobsetId}
      on conflict (idempotency_key) do nothing returning id
    )
    select id from added union all select id from jobset_trigger where idempotency_key = ${trigger.idempotencyKey ?? null}`.execute(db)
  if (!rows[0]) throw new FirnError('not-found', `there is no jobset ${trigger.jobsetId}`)
  return rows[0].id
}

/** Wants a project's declarative file to be read. */
export async function addProjectTrigger(db: Database, projectId: number, cause: TriggerCause): Promise<number> {
  const { rows } = await sql<{ id: number }>`insert into jobset_trigger (project_id, cause) values (${projectId}, ${JSON.stringify(cause)}::jsonb) returning id`.execute(db)
  return rows[0]!.id
}

export async function listTriggers(db: Database, jobsetId: number): Promise<Trigger[]> {
  return (await sql<Trigger>`select id, variant, cause, force, overrides from jobset_trigger where jobset_id = ${jobsetId} order by id`.execute(db)).rows
}

export async function listProjectTriggers(db: Database, projectId: number): Promise<Trigger[]> {
  return (await sql<Trigger>`select id, variant, cause, force, overrides from jobset_trigger where project_id = ${projectId} and jobset_id is null order by id`.execute(db)).rows
}

/** Jobsets and projects with triggers that have waited for some seconds: their workflow may have been lost. */
export async function waitingTriggers(db: Database, seconds: number): Promise<{ readonly jobsetIds: readonly number[]; readonly projectIds: readonly number[] }> {
  const { rows } = await sql<{ jobsetId: number | null; projectId: number }>`
    select distinct t.jobset_id as "jobsetId", t.project_id as "projectId" from jobset_trigger t where t.created_at < now() - make_interval(secs => ${seconds})`.execute(db)
  return { jobsetIds: rows.flatMap((row) => (row.jobsetId === null ? [] : [row.jobsetId])), projectIds: [...new Set(rows.flatMap((row) => (row.jobsetId === null ? [row.projectId] : [])))] }
}

/** The last evaluation of a jobset's variant: what a new one is compared with. A new variant begins from the main line. */
export interface LastEvaluation {
  readonly id: number
  readonly inputs: Readonly<Record<string, ResolvedInput>>
  readonly inputsDigest: string | null
}

export async function lastEvaluation(db: Database, jobsetId: number, variant: string): Promise<LastEvaluation | undefined> {
  const { rows } = await sql<LastEvaluation>`
    select id, inputs, inputs_digest as "inputsDigest" from evaluation where jobset_id = ${jobsetId} and variant = ${variant} order by id desc limit 1`.execute(db)
  return rows[0]
}

/** Evaluations of a jobset's variant that have not ended. */
export async function runningEvaluations(db: Database, jobsetId: number, variant: string): Promise<number[]> {
  const { rows } = await sql<{ id: number }>`
    select id from evaluation where jobset_id = ${jobsetId} and variant = ${variant} and state not in ('succeeded', 'failed', 'cancelled') order by id`.execute(db)
  return rows.map((row) => row.id)
}

export interface Check {
  readonly jobsetId: number
  readonly variant: string
  /** Rows that this check has taken. */
  readonly triggers: readonly number[]
}

/** The check found nothing new: the triggers are answered. */
export async function recordUnchanged(db: Database, check: Check): Promise<void> {
  await sql`
    with gone as (delete from jobset_trigger where id = any(${check.triggers}) returning id),
    checked as (update jobset set checked_at = now(), error = null, error_at = null where id = ${check.jobsetId} returning id)
    insert into event (kind, data) select 'jobset.checked', jsonb_build_object('jobsetId', id, 'variant', ${check.variant}::text, 'changed', false) from checked`.execute(db)
}

/** The inputs could not be had: a result, shown with the jobset; the triggers are answered. */
export async function recordCheckError(db: Database, check: Check, message: string): Promise<void> {
  const storable = message.replaceAll('\0', '\uFFFD').slice(0, 20_000)
  await sql`
    with gone as (delete from jobset_trigger where id = any(${check.triggers}) returning id),
    checked as (update jobset set checked_at = now(), error = ${storable}, error_at = now() where id = ${check.jobsetId} returning id)
    insert into event (kind, data) select 'jobset.error', jsonb_build_object('jobsetId', id, 'variant', ${check.variant}::text, 'message', ${storable}::text) from checked`.execute(db)
}

export interface NewEvaluation extends Check {
  readonly request: EvaluationRequest
  readonly inputs: Readonly<Record<string, ResolvedInput>>
  readonly digest: string
  readonly cause: TriggerCause
}

/**
 * Makes the evaluation that a check has come to. Undefined where the triggers are gone: another run of the same check was faster.
 * A one-shot jobset is disabled with it.
 */
export async function createJobsetEvaluation(db: Database, evaluation: NewEvaluation): Promise<number | undefined> {
  const { jobsetId, variant, triggers, request, inputs, digest, cause } = evaluation
  const { rows } = await sql<{ id: number }>`
    with gone as (
      delete from jobset_trigger where id = any(${triggers}) returning id
    ), previous as (
      select id from evaluation where jobset_id = ${jobsetId} and variant in (${variant}, '') order by variant = ${variant} desc, id desc limit 1
    ), made as (
      insert into evaluation (request, jobset_id, variant, inputs, inputs_digest, cause, previous_id)
      select ${JSON.stringify(request)}::jsonb, ${jobsetId}, ${variant}, ${JSON.stringify(inputs)}::jsonb, ${digest}, ${JSON.stringify(cause)}::jsonb, (select id from previous)
      where exists(select from gone) returning id
    ), checked as (
      update jobset set checked_at = now(), error = null, error_at = null, state = case when state = 'one-shot' and ${variant} = '' then 'disabled' else state end
      where id = ${jobsetId} and exists(select from made)
    ), event as (
      insert into event (evaluation_id, kind, data) select id, 'evaluation.state', '{"state": "queued"}'::jsonb from made
      union all select id, 'jobset.evaluation', jsonb_build_object('jobsetId', ${jobsetId}::bigint, 'variant', ${variant}::text, 'evaluationId', id) from made
    ), told as (select pg_notify('firn_event', '') from made)
    select id, (select count(*) from told) from made`.execute(db)
  return rows[0]?.id
}
