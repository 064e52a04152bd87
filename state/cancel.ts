/**
 * Ring: state. Cancelling an evaluation: its demands go, and with them every unfinished node that no other demand reaches.
 * Both happen in one transaction, so that somebody who joins a node at the same moment either keeps it alive or begins it anew.
 */
import { type Transaction, sql } from 'kysely'
import { FirnError } from '../contract/errors.ts'
import type { NodeKey } from '../contract/nodes.ts'
import type { Database, FarmTables } from './database.ts'
import { getEvaluation } from './evaluations.ts'
import { announce, type Motion } from './motion.ts'
import { wakeJobset } from './triggers.ts'

/** Cancels an evaluation that has not ended ('conflict' otherwise, 'not-found'). Gives the build ids of the nodes that stop. */
export async function cancelEvaluation(db: Database, motion: Motion, evaluationId: number): Promise<{ readonly stopped: readonly number[] }> {
  const rows = await db.transaction().execute(async (trx) => {
    const changed = await sql`
      with changed as (
        update evaluation set state = 'cancelled', ended_at = now() where id = ${evaluationId} and state not in ('succeeded', 'failed', 'cancelled') returning id
      ), waiting as (
        delete from waiter where workflow_id = 'evaluation:' || ${evaluationId}::text
      ), event as (
        insert into event (evaluation_id, kind, data) select id, 'evaluation.state', '{"state": "cancelled"}' from changed
      )
      select id from changed`.execute(trx)
    if (changed.rows.length === 0) {
      const evaluation = await getEvaluation(trx, evaluationId)
      throw evaluation ? new FirnError('conflict', `evaluation ${evaluationId} has ended already (${evaluation.state})`) : new FirnError('not-found', `there is no evaluation ${evaluationId}`)
    }
    await sql`delete from demand where evaluation_id = ${evaluationId} and met_at is null`.execute(trx)
    return await stopUnwanted(trx, evaluationId)
  })
  await motion.stopEvaluation(evaluationId)
  await stopWorkflows(db, motion, rows)
  // workers stop containers and evaluators at once on this; without it they learn at their next heartbeat
  await sql`select pg_notify('firn_cancel', 'evaluation:' || ${evaluationId}::text) union all select pg_notify('firn_cancel', k)
    from unnest(${rows.map((row) => row.key)}::text[]) as k`.execute(db)
  await announce(db, motion, rows.map((row) => row.key))
  await wakeJobset(db, motion, (await getEvaluation(db, evaluationId))?.jobsetId ?? null)
  return { stopped: rows.map((row) => row.id) }
}

/** Ends one build, whoever wants it: what needs it fails because of it. 'not-found'; 'conflict' where it has ended. */
export async function cancelBuild(db: Database, motion: Motion, buildId: number): Promise<void> {
  const outcome = JSON.stringify({ status: 'failed', cause: { kind: 'cancelled', reason: 'cancelled by a user' }, cached: false })
  const stopped = await db.transaction().execute(async (trx): Promise<readonly Stopped[]> => {
    const { rows } = await sql<Stopped>`
      update node set state = 'failed', outcome = ${outcome}, ended_at = now(), touched_at = now()
      where id = ${buildId} and state in ('waiting', 'queued', 'running') and run > 0 returning id, key, run`.execute(trx)
    await releaseStopped(trx, rows, outcome)
    return rows
  })
  if (stopped.length === 0) {
    const node = await db.selectFrom('node').select('state').where('id', '=', buildId).executeTakeFirst()
    throw node ? new FirnError('conflict', `build ${buildId} does not run (${node.state})`) : new FirnError('not-found', `there is no build ${buildId}`)
  }
  await stopWorkflows(db, motion, stopped)
  await sql`select pg_notify('firn_cancel', k) from unnest(${stopped.map((row) => row.key)}::text[]) as k`.execute(db)
  await announce(db, motion, stopped.map((row) => row.key))
}

interface Stopped { readonly id: number; readonly key: NodeKey; readonly run: number }

/** Of the unfinished nodes that an evaluation caused, ends those that no demand of a living evaluation reaches. */
async function stopUnwanted(trx: Transaction<FarmTables>, evaluationId: number): Promise<readonly Stopped[]> {
  // the candidates are locked before what reaches them is asked: who demands one of them now waits for this transaction
  await sql`
    select n.key from evaluation_node e join node n on n.key = e.node_key
    where e.evaluation_id = ${evaluationId} and n.state in ('waiting', 'queued', 'running') order by n.key for update of n`.execute(trx)
  const outcome = JSON.stringify({ status: 'failed', cause: { kind: 'cancelled', reason: 'nobody wants it any more' }, cached: false })
  const { rows } = await sql<Stopped>`
    with recursive wanted(key) as (
      select d.node_key from demand d join evaluation v on v.id = d.evaluation_id
      where d.met_at is null and v.state not in ('succeeded', 'failed', 'cancelled')
      union
      select i.input_key from wanted w join node n on n.key = w.key and n.state in ('waiting', 'queued', 'running') join node_input i on i.node_key = w.key
    )
    update node n set state = 'failed', outcome = ${outcome}, ended_at = now(), touched_at = now()
    from evaluation_node e
    where e.evaluation_id = ${evaluationId} and n.key = e.node_key and n.state in ('waiting', 'queued', 'running') and n.run > 0
      and n.key not in (select key from wanted)
    returning n.id, n.key, n.run`.execute(trx)
  await releaseStopped(trx, rows, outcome)
  return rows
}

/** What hangs on nodes that were ended: their attempts, and what they themselves waited for. */
async function releaseStopped(trx: Transaction<FarmTables>, rows: readonly Stopped[], outcome: string): Promise<void> {
  const keys = rows.map((row) => row.key)
  await sql`
    with attempted as (
      update attempt a set ended_at = now(), step = 'ended', outcome = ${outcome} from node n where n.key = any(${keys}) and a.node_id = n.id and a.ended_at is null
    ), event as (
      insert into event (node_id, kind, data) select id, 'build.ended', jsonb_build_object('name', name, 'state', 'failed', 'outcome', ${outcome}::jsonb) from node where key = any(${keys})
    )
    delete from waiter where workflow_id in (select 'node:' || k from unnest(${keys}::text[]) as k)`.execute(trx)
}

/**
 * Terminates the workflows of runs that were ended. While it does, the nodes stay locked and so nobody can begin them
 * anew, whose workflow would have the same id; those begun since are left alone.
 */
async function stopWorkflows(db: Database, motion: Motion, rows: readonly Stopped[]): Promise<void> {
  for (let start = 0; start < rows.length; start += 200) {
    const part = rows.slice(start, start + 200)
    await db.transaction().execute(async (trx) => {
      const same = await sql<{ key: string }>`
        select n.key from node n join jsonb_to_recordset(${JSON.stringify(part)}::jsonb) as r(key text, run bigint) on r.key = n.key and r.run = n.run
        where n.state = 'failed' order by n.key for update of n`.execute(trx)
      await motion.stopNodes(same.rows.map((row) => row.key))
    })
  }
}
