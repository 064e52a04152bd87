/**
 * Ring: state. Workflows that wait for nodes. Whoever records an outcome removes its rows here once the outcome is committed, and
 * then signals the workflows that have nothing left to wait for. Who waits registers, commits, and only then looks whether
 * something ended in between. Each side commits before it looks for the other, so at least one sees the other, and nobody waits
 * for what is over. Removing the rows in the outcome's own transaction would not do: its snapshot is older than its commit, and
 * whoever registers and looks between the two is missed by both.
 */
import { sql } from 'kysely'
import { nodeWorkflowId } from '../contract/queues.ts'
import type { NodeKey } from '../contract/nodes.ts'
import type { Database } from './database.ts'

/** A waiter that is to be signalled. */
export interface ReadyWaiter {
  readonly id: number
  readonly workflowId: string
  /** For a node's workflow: whether one of its inputs failed. */
  readonly failed: boolean
  /** A node's, by now; null for an evaluation. */
  readonly priority: number | null
}

/**
 * Registers what a workflow waits for, in place of what it waited for before. Gives the waiter's id, or undefined where
 * there is nothing to wait for ('all': all have ended already; 'any': one has).
 */
export async function registerWaiter(db: Database, workflowId: string, mode: 'all' | 'any', keys: readonly NodeKey[]): Promise<number | undefined> {
  const sorted = [...new Set(keys)].sort()
  if (sorted.length === 0) return undefined
  const id = await db.transaction().execute(async (trx) => {
    const { rows } = await sql<{ id: number }>`
      insert into waiter (workflow_id, mode, nodes) values (${workflowId}, ${mode}, ${sorted.length})
      on conflict (workflow_id) do nothing returning id`.execute(trx)
    let waiter = rows[0]?.id
    if (waiter === undefined) {
      await sql`delete from waiter where workflow_id = ${workflowId}`.execute(trx)
      waiter = (await sql<{ id: number }>`insert into waiter (workflow_id, mode, nodes) values (${workflowId}, ${mode}, ${sorted.length}) returning id`.execute(trx)).rows[0]!.id
    }
    await sql`insert into waiter_node (node_key, waiter_id) select k, ${waiter} from unnest(${sorted}::text[]) as k`.execute(trx)
    return waiter
  })
  // a statement of its own, after the commit: it sees every outcome whose transaction did not see these rows
  const { rows } = await sql<{ left: boolean; gone: boolean }>`
    with gone as (
      delete from waiter_node where waiter_id = ${id}
        and node_key in (select key from node where key = any(${sorted}) and state in ('succeeded', 'failed')) returning node_key
    )
    select exists(select from waiter_node where waiter_id = ${id} and node_key not in (select node_key from gone)) as left,
      exists(select from gone) as gone`.execute(db)
  const { left, gone } = rows[0]!
  if (left && !gone) return id
  // somebody who recorded an outcome at the same moment may have seen our rows and we his: now that ours are gone, look once more
  if (mode === 'all' && left && (await sql`select from waiter_node where waiter_id = ${id} limit 1`.execute(db)).rows.length > 0) return id
  await sql`delete from waiter where id = ${id}`.execute(db)
  return undefined
}

/** Removes what waits for these nodes, which have ended; gives the waiters. By itself, so that of several that end together the last sees the others gone. */
async function release(db: Database, keys: readonly NodeKey[]): Promise<number[]> {
  if (keys.length === 0) return []
  // one that was begun anew in the meantime is waited for again
  const { rows } = await sql<{ waiterId: number }>`
    delete from waiter_node p using node n where p.node_key = any(${keys}) and n.key = p.node_key and n.state in ('succeeded', 'failed')
    returning p.waiter_id as "waiterId"`.execute(db)
  return rows.map((row) => row.waiterId)
}

/**
 * After the commit of outcomes: notifies `firn_node` with each key, and gives those who waited for them, or are named, and have
 * nothing left to wait for. Nodes among them whose inputs all succeeded are recorded as queued: the signal sends them to a worker.
 * Notifying is kept out of the outcome's transaction because Postgres lets only one transaction that notifies commit at a time.
 */
export async function settled(db: Database, keys: readonly NodeKey[], named: readonly number[] = []): Promise<ReadyWaiter[]> {
  const waiterIds = [...new Set([...named, ...await release(db, keys)])]
  const { rows } = await sql<ReadyWaiter>`
    with ready as (
      select w.id, w.workflow_id, exists(
        select from node_input i join node n on n.key = i.input_key
        where i.node_key = substr(w.workflow_id, ${nodeWorkflowId('').length + 1}) and n.state = 'failed') as failed,
        (select n.priority from node n where n.key = substr(w.workflow_id, ${nodeWorkflowId('').length + 1}) and starts_with(w.workflow_id, ${nodeWorkflowId('')})) as priority
      from waiter w
      where w.id = any(${waiterIds}) and (w.mode = 'any' or not exists(select from waiter_node p where p.waiter_id = w.id))
    ), locked as (
      select n.id from node n join ready r on r.workflow_id = ${nodeWorkflowId('')} || n.key
      where not r.failed and n.state = 'waiting' order by n.key for update of n
    ), queued as (
      update node n set state = 'queued', queued_at = now(), touched_at = now() from locked where n.id = locked.id returning n.id, n.name
    ), event as (
      insert into event (node_id, kind, data) select id, 'build.queued', jsonb_build_object('name', name) from queued
    )
    select id, workflow_id as "workflowId", failed, priority from ready
    union all select null, pg_notify('firn_node', k)::text, null, null from unnest(${keys}::text[]) as k
    union all select null, pg_notify('firn_event', '')::text, null, null`.execute(db)
  return rows.filter((row) => row.id !== null)
}

/** Waiters that should have been signalled some time ago, in case who recorded the outcome died before it signalled. */
export async function lostWaiters(db: Database, seconds: number): Promise<number[]> {
  const { rows } = await sql<{ id: number }>`
    select w.id from waiter w where w.created_at < now() - make_interval(secs => ${seconds}) and (
      not exists(select from waiter_node p where p.waiter_id = w.id)
      or (w.mode = 'any' and (select count(*) from waiter_node p where p.waiter_id = w.id) < w.nodes)
      or exists(select from waiter_node p join node n on n.key = p.node_key where p.waiter_id = w.id and n.state in ('succeeded', 'failed'))
    ) limit 1000`.execute(db)
  const ids = rows.map((row) => row.id)
  // rows that no outcome removed: their node ended before they were registered, and who registered them died before it looked
  if (ids.length > 0) await sql`delete from waiter_node p using node n where p.waiter_id = any(${ids}) and n.key = p.node_key and n.state in ('succeeded', 'failed')`.execute(db)
  return ids
}

export async function forgetWaiters(db: Database, waiterIds: readonly number[]): Promise<void> {
  if (waiterIds.length > 0) await sql`delete from waiter where id = any(${[...waiterIds].sort((a, b) => a - b)})`.execute(db)
}
