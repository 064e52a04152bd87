/**
 * Ring: state. Running failed nodes again. A remembered failure is forgotten; what depended on it was never remembered as failed, so
 * that planning it again is enough. Attributes that failed through an import are evaluated again: the evaluation runs once more,
 * with everything that was found before at hand.
 */
import { sql } from 'kysely'
import { FirnError } from '../contract/errors.ts'
import type { NodeKey } from '../contract/nodes.ts'
import type { Database } from './database.ts'
import { getEvaluation } from './evaluations.ts'
import type { Motion } from './motion.ts'

export interface Retried {
  /** Build ids that will run again: those that failed and those that failed because of them. */
  readonly builds: readonly number[]
  /** Whether an evaluation runs again, which demands what it found. */
  readonly evaluationRestarted: boolean
}

/**
 * Runs a failed build again (for a failed dependency: the build at fault too), and everything that failed because of it in any
 * evaluation that isn't cancelled. 'not-found'; 'conflict' where it hasn't failed.
 */
export async function retryBuild(db: Database, motion: Motion, buildId: number): Promise<Retried> {
  const node = await db.selectFrom('node').select(['key', 'state']).where('id', '=', buildId).executeTakeFirst()
  if (!node) throw new FirnError('not-found', `there is no build ${buildId}`)
  if (node.state !== 'failed') throw new FirnError('conflict', `build ${buildId} has not failed (${node.state})`)
  const { builds, evaluations } = await db.transaction().execute(async (trx) => {
    const faults = await sql<{ key: string }>`
      with recursive below(key) as (
        select ${node.key}::text union
        select i.input_key from below b join node_input i on i.node_key = b.key join node n on n.key = i.input_key and n.state = 'failed'
      ) select key from below`.execute(trx)
    const affected = await sql<{ key: string; id: number }>`
      with recursive above(key) as (
        select unnest(${faults.rows.map((row) => row.key)}::text[]) union
        select i.node_key from above a join node_input i on i.input_key = a.key join node n on n.key = i.node_key and n.state = 'failed' and n.outcome -> 'cause' ->> 'kind' = 'dependency-failed'
      ) select n.key, n.id from above a join node n on n.key = a.key where n.state = 'failed'`.execute(trx)
    const keys = affected.rows.map((row) => row.key)
    await forgetFailures(trx, keys)
    const wanting = await sql<{ id: number }>`
      select distinct v.id from demand d join evaluation v on v.id = d.evaluation_id
      where d.node_key = any(${keys}) and v.state <> 'cancelled' order by v.id`.execute(trx)
    for (const { id } of wanting.rows) await reopen(trx, id, keys)
    return { builds: affected.rows.map((row) => row.id), evaluations: wanting.rows.map((row) => row.id) }
  })
  for (const id of evaluations) await motion.startEvaluation(id)
  return { builds, evaluationRestarted: evaluations.length > 0 }
}

/**
 * Runs an evaluation's failed builds again, what depended on them, and the attributes that failed through them. A cancelled evaluation
 * goes on. 'not-found'; 'conflict' where nothing has failed, or the evaluation still runs and nothing of it has failed yet.
 */
export async function retryEvaluation(db: Database, motion: Motion, evaluationId: number): Promise<Retried> {
  const evaluation = await getEvaluation(db, evaluationId)
  if (!evaluation) throw new FirnError('not-found', `there is no evaluation ${evaluationId}`)
  if (evaluation.state === 'succeeded') throw new FirnError('conflict', `evaluation ${evaluationId} has succeeded: there is nothing to run again`)
  const builds = await db.transaction().execute(async (trx) => {
    const failed = await sql<{ key: string; id: number }>`
      select n.key, n.id from evaluation_node e join node n on n.key = e.node_key where e.evaluation_id = ${evaluationId} and n.state = 'failed'`.execute(trx)
    if (failed.rows.length === 0 && !['failed', 'cancelled'].includes(evaluation.state)) throw new FirnError('conflict', `nothing of evaluation ${evaluationId} has failed`)
    await forgetFailures(trx, failed.rows.map((row) => row.key))
    await reopen(trx, evaluationId, undefined)
    return failed.rows.map((row) => row.id)
  })
  await motion.startEvaluation(evaluationId)
  return { builds, evaluationRestarted: true }
}

/** Failures of these nodes are no longer remembered: the next plan runs them again. */
async function forgetFailures(db: Database, keys: readonly NodeKey[]): Promise<void> {
  const sorted = [...keys].sort()
  await sql`
    with locked as (select id from node where key = any(${sorted}) and state = 'failed' order by key for update)
    update node n set outcome = n.outcome || '{"cached": false}' from locked where n.id = locked.id`.execute(db)
  await sql`
    with locked as (select drv_path from derivation where node_key = any(${sorted}) and failure is not null order by drv_path for update)
    update derivation d set failure = null from locked where d.drv_path = locked.drv_path`.execute(db)
}

/**
 * An evaluation is unfinished again. It evaluates again if the whole failed, if attributes failed through imports, or if it never got to
 * the end; otherwise it only demands its jobs again.
 */
async function reopen(db: Database, evaluationId: number, keys: readonly NodeKey[] | undefined): Promise<void> {
  void keys
  await sql`
    with changed as (
      update evaluation v set state = 'queued', ended_at = null, error = null, job_counts = null,
        evaluated_at = case when v.error is not null and v.evaluated_at is null
          or exists (select from job j where j.evaluation_id = v.id and j.through_import) then null else v.evaluated_at end
      where v.id = ${evaluationId} and v.state in ('succeeded', 'failed', 'cancelled') returning id
    )
    insert into event (evaluation_id, kind, data) select id, 'evaluation.state', '{"state": "queued"}' from changed`.execute(db)
}
