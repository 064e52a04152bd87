/**
 * Ring: state. Wanted evaluations: who wants one writes a row, and the jobset's check takes all there are. Making the evaluation and marking the
 * rows as taken is one transaction, so that a check that is repeated makes no second one.
 */
import { sql } from 'kysely'
import type { EvaluationRequest } from '../contract/evaluations.ts'
import { FirnError } from '../contract/errors.ts'
import type { Overrides, ResolvedInput, TriggerCause } from '../contract/jobsets.ts'
import type { JobsetTarget } from '../contract/workflows.ts'
import type { Database } from './database.ts'
import type { Motion } from './motion.ts'

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
  return (await sql<Trigger>`select id, variant, cause, force, overrides from jobset_trigger where jobset_id = ${jobsetId} and taken_at is null order by id`.execute(db)).rows
}

export async function listProjectTriggers(db: Database, projectId: number): Promise<Trigger[]> {
  return (await sql<Trigger>`select id, variant, cause, force, overrides from jobset_trigger where project_id = ${projectId} and jobset_id is null and taken_at is null order by id`.execute(db)).rows
}

/** Jobsets and projects with triggers that have waited for some seconds: their workflow may have been lost. Not those that wait for a running evaluation. */
export async function waitingTriggers(db: Database, seconds: number): Promise<JobsetTarget[]> {
  const { rows } = await sql<{ jobsetId: number | null; projectId: number }>`
    select distinct t.jobset_id as "jobsetId", t.project_id as "projectId" from jobset_trigger t left join jobset s on s.id = t.jobset_id
    where t.taken_at is null and t.created_at < now() - make_interval(secs => ${seconds}) and not (s.id is not null and s.when_running = 'wait' and exists (
      select from evaluation v where v.jobset_id = s.id and v.variant = t.variant and v.state not in ('succeeded', 'failed', 'cancelled')))`.execute(db)
  return rows.map((row) => (row.jobsetId === null ? { kind: 'project', projectId: row.projectId } : { kind: 'jobset', jobsetId: row.jobsetId }))
}

/** Triggers that nobody can ask for again: a forge repeats a message within hours. */
export async function forgetTriggers(db: Database, days: number): Promise<void> {
  await sql`delete from jobset_trigger where taken_at < now() - make_interval(days => ${days})`.execute(db)
}

/** Takes triggers without anything coming of it: the jobset is disabled. */
export async function dropTriggers(db: Database, triggers: readonly number[]): Promise<void> {
  await sql`update jobset_trigger set taken_at = now() where id = any(${triggers}) and taken_at is null`.execute(db)
}

/** Evaluations that a check has made, and whose workflow it may not have started before it died. */
export async function queuedEvaluations(db: Database, jobsetId: number): Promise<number[]> {
  const { rows } = await sql<{ id: number }>`select id from evaluation where jobset_id = ${jobsetId} and state = 'queued' order by id`.execute(db)
  return rows.map((row) => row.id)
}

/** An evaluation of a jobset has ended: triggers that waited for that are taken now. */
export async function wakeJobset(db: Database, motion: Pick<Motion, 'checkJobset'>, jobsetId: number | null): Promise<void> {
  if (jobsetId === null) return
  const { rows } = await sql`select from jobset_trigger where jobset_id = ${jobsetId} and taken_at is null limit 1`.execute(db)
  if (rows.length > 0) await motion.checkJobset({ kind: 'jobset', jobsetId })
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
    with gone as (update jobset_trigger set taken_at = now() where id = any(${check.triggers}) and taken_at is null returning id),
    checked as (update jobset set checked_at = now(), error = null, error_at = null where id = ${check.jobsetId} returning id)
    insert into event (kind, data) select 'jobset.checked', jsonb_build_object('jobsetId', id, 'variant', ${check.variant}::text, 'changed', false) from checked`.execute(db)
}

/** The inputs could not be had: a result, shown with the jobset; the triggers are answered. */
export async function recordCheckError(db: Database, check: Check, message: string): Promise<void> {
  const storable = message.replaceAll('\0', '\uFFFD').slice(0, 20_000)
  await sql`
    with gone as (update jobset_trigger set taken_at = now() where id = any(${check.triggers}) and taken_at is null returning id),
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
    with waiting as (
      select id from jobset_trigger where id = any(${triggers}) and taken_at is null for update
    ), previous as (
      select id from evaluation where jobset_id = ${jobsetId} and variant in (${variant}, '') order by variant = ${variant} desc, id desc limit 1
    ), made as (
      insert into evaluation (request, jobset_id, variant, inputs, inputs_digest, cause, previous_id)
      select ${JSON.stringify(request)}::jsonb, ${jobsetId}, ${variant}, ${JSON.stringify(inputs)}::jsonb, ${digest}, ${JSON.stringify(cause)}::jsonb, (select id from previous)
      where exists(select from waiting) returning id
    ), gone as (
      update jobset_trigger t set taken_at = now(), evaluation_id = made.id from waiting w, made where t.id = w.id
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
