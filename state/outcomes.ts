/**
 * Ring: state. What becomes of a node: attempts, their steps, and the outcome. An outcome, the attempt's end, and what the caller adds
 * to the transaction (PathInfos) become visible at once; an outcome of a run that is over already changes nothing.
 */
import { type Transaction, sql } from 'kysely'
import type { FetchRequest } from '../contract/fetch.ts'
import type { FailureCause, NodeKey, NodeOutcome } from '../contract/nodes.ts'
import type { NodeInput } from '../contract/workflows.ts'
import type { AttemptStep, Database, FarmTables, OutputPaths } from './database.ts'

export interface Claim {
  readonly attemptId: number
  readonly number: number
  readonly kind: 'derivation' | 'fetch'
  readonly drvPath: string | null
  readonly outputs: OutputPaths
  readonly fetch: FetchRequest | null
  readonly fixed: boolean
  readonly substitutable: boolean
  /** All outputs are in the store already; false also where their paths aren't known beforehand. */
  readonly valid: boolean
  readonly step: 'substituting' | 'fetching' | 'building'
}

/**
 * A worker sets out to realise a node: the node runs, and has a new attempt. Undefined where the run is over. An attempt that was
 * going on (its worker died, or lost touch with Temporal) is ended as a fault; if it still lives, its commit and this one race,
 * and the first wins.
 */
export async function claimNode(db: Database, input: NodeInput, worker: string): Promise<Claim | undefined> {
  const { rows } = await sql<Claim>`
    with claimed as (
      update node set state = 'running', started_at = now(), touched_at = now(), queued_at = coalesce(queued_at, now())
      where key = ${input.nodeKey} and run = ${input.run} and state in ('waiting', 'queued', 'running') returning *
    ), lost as (
      update attempt a set ended_at = now(), step = 'ended', outcome = '{"status": "fault", "kind": "killed", "message": "its worker did not report back"}'
      from claimed where a.node_id = claimed.id and a.ended_at is null
    ), begun as (
      insert into attempt (node_id, number, run, worker, step)
      select id, coalesce((select max(number) from attempt where node_id = claimed.id), 0) + 1, ${input.run}, ${worker},
        case when substitutable then 'substituting' when kind = 'fetch' then 'fetching' else 'building' end from claimed
      returning id, number, step
    ), event as (
      insert into event (node_id, kind, data) select claimed.id, 'build.started', jsonb_build_object('name', name, 'worker', ${worker}::text, 'attempt', begun.number, 'step', begun.step) from claimed, begun
    )
    select begun.id as "attemptId", number, step, kind, drv_path as "drvPath", outputs, "fetch", fixed, substitutable,
      not exists(select from jsonb_each_text(outputs) o where o.value is null or not exists(select from path_info p where p.hash = left(o.value, 32))) as valid
    from begun, claimed`.execute(db)
  return rows[0]
}

/** What the attempt does now, for those who watch. */
export async function recordStep(db: Database, attemptId: number, step: AttemptStep, figures: Readonly<Record<string, unknown>> = {}): Promise<void> {
  await sql`
    with changed as (update attempt set step = ${step}, figures = figures || ${JSON.stringify(figures)}::jsonb where id = ${attemptId} and ended_at is null returning node_id)
    insert into event (node_id, kind, data) select node_id, 'build.step', jsonb_build_object('step', ${step}::text) || ${JSON.stringify(figures)}::jsonb from changed`.execute(db)
}

/** A run's end. `attempt` where one made it; `realisations` of floating outputs. */
export interface OutcomeRecord {
  readonly outcome: NodeOutcome
  readonly attempt?: { readonly id: number; readonly figures: Readonly<Record<string, unknown>>; readonly logBlob?: string; readonly logBytes: number }
  /** What the outputs of a floating derivation turned out to be. */
  readonly realised?: { readonly drvPath: string; readonly outputs: ReadonlyMap<string, string> }
}

/** Records how a run ended, in the caller's transaction; after its commit the caller tells the world (`announce`). False where the run was over. */
export async function recordOutcome(trx: Database | Transaction<FarmTables>, input: NodeInput, record: OutcomeRecord): Promise<boolean> {
  const { outcome, attempt } = record
  const realised = [...record.realised?.outputs ?? []].map(([output, baseName]) => ({ drv_path: record.realised!.drvPath, output, base_name: baseName }))
  const state = outcome.status
  const json = JSON.stringify(outcome)
  const { rows } = await sql<{ ended: boolean }>`
    with ended as (
      update node set state = ${state}, outcome = ${json}, ended_at = now(), touched_at = now(), planned_run = run
      where key = ${input.nodeKey} and run = ${input.run} and state in ('waiting', 'queued', 'running') returning id, key, name
    ), met as (
      update demand set met_at = now() where node_key in (select key from ended) and met_at is null and ${state} = 'succeeded'
    ), realised as (
      insert into realisation (drv_path, output, base_name) select drv_path, output, base_name
      from jsonb_to_recordset(${JSON.stringify(realised)}::jsonb) as r(drv_path text, output text, base_name text) on conflict do nothing
    ), attempted as (
      update attempt set ended_at = now(), step = 'ended', outcome = ${json}, figures = figures || ${JSON.stringify(attempt?.figures ?? {})}::jsonb,
        log_blob = ${attempt?.logBlob ?? null}, log_bytes = ${attempt?.logBytes ?? 0}
      where id = ${attempt?.id ?? null} and ended_at is null
    ), event as (
      insert into event (node_id, kind, data) select id, 'build.ended', jsonb_build_object('name', name, 'state', ${state}::text, 'outcome', ${json}::jsonb, 'figures', ${JSON.stringify(attempt?.figures ?? {})}::jsonb) from ended
    )
    select exists(select from ended) as ended`.execute(trx)
  return rows[0]!.ended
}

/**
 * An attempt ended without ending the run: a fault that Temporal tries again elsewhere, or a plan that has to be made anew.
 * `step` back to queued, so that nobody takes it for running.
 */
export async function endAttempt(db: Database, attemptId: number, ended: { readonly kind: string; readonly message: string; readonly logBlob?: string; readonly logBytes?: number; readonly figures?: Readonly<Record<string, unknown>> }): Promise<void> {
  await sql`
    with ended as (
      update attempt set ended_at = now(), step = 'ended', outcome = ${JSON.stringify({ status: 'fault', kind: ended.kind, message: ended.message })},
        figures = figures || ${JSON.stringify(ended.figures ?? {})}::jsonb, log_blob = ${ended.logBlob ?? null}, log_bytes = ${ended.logBytes ?? 0}
      where id = ${attemptId} and ended_at is null returning node_id, run
    )
    update node n set state = 'queued', touched_at = now() from ended e where n.id = e.node_id and n.run = e.run and n.state = 'running'`.execute(db)
}

/**
 * A fixed output failed through one .drv. Remembers that, and points the node at another .drv that makes the same path and
 * hasn't failed, if there is one: then gives its path, and the run goes on.
 */
export async function nextAddress(db: Database, input: NodeInput, drvPath: string, failure: FailureCause, cached: boolean): Promise<string | undefined> {
  const { rows } = await sql<{ drvPath: string }>`
    with failed as (
      update derivation set failure = ${JSON.stringify(cached ? failure : { ...failure, passing: true })} where drv_path = ${drvPath} returning node_key
    ), next as (
      select d.drv_path from derivation d where d.node_key = ${input.nodeKey} and d.drv_path <> ${drvPath} and d.failure is null
        and exists(select from failed) order by d.drv_path limit 1
    )
    update node n set drv_path = next.drv_path, inputs_known = false, touched_at = now() from next
    where n.key = ${input.nodeKey} and n.run = ${input.run} and n.state = 'running' returning n.drv_path as "drvPath"`.execute(db)
  return rows[0]?.drvPath
}

/** The failure to name as the reason where an input of this node failed: that of the node at fault, however far below. */
export async function faultAmongInputs(db: Database, key: NodeKey): Promise<(FailureCause & { readonly kind: 'dependency-failed' }) | undefined> {
  const { rows } = await sql<{ key: string; id: number; name: string; outcome: NodeOutcome }>`
    select n.key, n.id, n.name, n.outcome from node_input i join node n on n.key = i.input_key
    where i.node_key = ${key} and n.state = 'failed' order by (n.outcome -> 'cause' ->> 'kind') = 'cancelled', n.id limit 1`.execute(db)
  const failed = rows[0]
  if (failed?.outcome.status !== 'failed') return undefined
  const { cause } = failed.outcome
  if (cause.kind === 'dependency-failed') return cause
  return { kind: 'dependency-failed', node: failed.key, buildId: failed.id, name: failed.name, cause }
}

/** Attempts of a worker that begins anew: whatever it was doing is lost. Temporal tries the activities again. */
export async function endAttemptsOf(db: Database, worker: string): Promise<number> {
  const { rows } = await sql`
    update attempt set ended_at = now(), step = 'ended', outcome = '{"status": "fault", "kind": "killed", "message": "its worker was restarted"}'
    where worker = ${worker} and ended_at is null returning id`.execute(db)
  return rows.length
}
