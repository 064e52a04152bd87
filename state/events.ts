/**
 * Ring: state. Events in the order of their commits. Ids are given out before a transaction commits, so "after the last id I
 * saw" would lose rows. A cursor is therefore (transaction, id), and only rows of transactions older than every open one
 * are given out: no row can appear before them any more.
 */
import { sql, type Kysely } from 'kysely'
import type { FarmEvent } from '../contract/api.ts'
import { FirnError } from '../contract/errors.ts'

/** `transaction-id`, both decimal. Opaque to clients, who give it back as Last-Event-ID. */
export interface EventCursor {
  readonly xid: string
  readonly id: string
}

export const START: EventCursor = { xid: '0', id: '0' }

export interface StoredEvent {
  readonly cursor: EventCursor
  readonly event: FarmEvent
}

export interface EventFilter {
  readonly evaluationId?: number
  readonly buildId?: number
}

interface Row { xid: string; id: string; evaluation_id: string | null; node_id: string | null; kind: string; data: Record<string, unknown>; at: Date }

export function formatCursor(cursor: EventCursor): string {
  return `${cursor.xid}-${cursor.id}`
}

export function parseCursor(text: string): EventCursor {
  const match = /^(\d{1,19})(?:-(\d{1,18}))?$/.exec(text)
  if (!match) throw new FirnError('invalid-input', `'${text.slice(0, 60)}' is not an event id of this farm`)
  return { xid: match[1]!, id: match[2] ?? '0' }
}

/** At most `limit` events after the cursor, oldest first. */
export async function eventsAfter<T>(db: Kysely<T>, cursor: EventCursor, filter: EventFilter, limit: number): Promise<StoredEvent[]> {
  const ofEvaluation = filter.evaluationId === undefined ? sql`` : sql`
    and (e.evaluation_id = ${filter.evaluationId} or exists (
      select 1 from node n join evaluation_node w on w.node_key = n.key where n.id = e.node_id and w.evaluation_id = ${filter.evaluationId}))`
  const ofBuild = filter.buildId === undefined ? sql`` : sql` and e.node_id = ${filter.buildId}`
  const { rows } = await sql<Row>`
    select e.xid::text as xid, e.id::text as id, e.evaluation_id::text as evaluation_id, e.node_id::text as node_id, e.kind, e.data, e.at
    from event e
    where (e.xid, e.id) > (${cursor.xid}::xid8, ${cursor.id}::bigint) and e.xid < pg_snapshot_xmin(pg_current_snapshot()) ${ofEvaluation} ${ofBuild}
    order by e.xid, e.id limit ${limit}`.execute(db)
  return rows.map((row) => ({
    cursor: { xid: row.xid, id: row.id },
    event: {
      id: Number(row.id),
      evaluationId: row.evaluation_id === null ? null : Number(row.evaluation_id),
      buildId: row.node_id === null ? null : Number(row.node_id),
      kind: row.kind,
      data: row.data,
      at: row.at.toISOString(),
    },
  }))
}

/** Where a reader starts who wants only what happens from now on. */
export async function cursorOfNow<T>(db: Kysely<T>): Promise<EventCursor> {
  // everything of transactions that have not ended by now is still to come
  const { rows } = await sql<{ xid: string }>`select pg_snapshot_xmin(pg_current_snapshot())::text as xid`.execute(db)
  return { xid: rows[0]!.xid, id: '0' }
}

/** Just before the first event of an evaluation. */
export async function cursorOfEvaluation<T>(db: Kysely<T>, evaluationId: number): Promise<EventCursor> {
  const { rows } = await sql<{ xid: string; id: string }>`
    select xid::text as xid, (id - 1)::text as id from event where evaluation_id = ${evaluationId} order by id limit 1`.execute(db)
  return rows[0] ?? cursorOfNow(db)
}

/** Whether events of this evaluation are committed that may not be given out yet. */
export async function eventsPending<T>(db: Kysely<T>, evaluationId: number): Promise<boolean> {
  const { rows } = await sql<{ pending: boolean }>`
    select exists (select 1 from event where evaluation_id = ${evaluationId} and xid >= pg_snapshot_xmin(pg_current_snapshot())) as pending`.execute(db)
  return rows[0]!.pending
}

/** An event as a follower gets it. */
export interface FollowedEvent {
  readonly evaluationId: number | null
  readonly nodeId: number | null
  readonly kind: string
  readonly data: Readonly<Record<string, unknown>>
}

/**
 * Gives a follower the events of some kinds that it hasn't had, and moves it on when `work` has ended: what fails is given again. Events older
 * than a follower's first call are none of its business. False where nothing was left.
 */
export async function followEvents<T>(db: Kysely<T>, name: string, kinds: readonly string[], limit: number, work: (events: readonly FollowedEvent[]) => Promise<void>): Promise<boolean> {
  await sql`insert into follower (name, xid, event_id) values (${name}, pg_snapshot_xmin(pg_current_snapshot()), 0) on conflict do nothing`.execute(db)
  const at = await sql<{ xid: string; id: string; last_xid: string | null; last_id: string | null }>`
    select f.xid::text as xid, f.event_id::text as id, l.xid::text as last_xid, l.id::text as last_id
    from follower f left join lateral (
      select e.xid, e.id from event e where (e.xid, e.id) > (f.xid, f.event_id) and e.xid < pg_snapshot_xmin(pg_current_snapshot()) order by e.xid desc, e.id desc limit 1) l on true
    where f.name = ${name}`.execute(db)
  const { xid, id, last_xid: lastXid, last_id: lastId } = at.rows[0]!
  if (lastXid === null || lastId === null) return false
  const { rows } = await sql<FollowedEvent & { xid: string; id: string }>`
    select e.evaluation_id as "evaluationId", e.node_id as "nodeId", e.kind, e.data, e.xid::text as xid, e.id::text as id from event e
    where (e.xid, e.id) > (${xid}::xid8, ${id}::bigint) and (e.xid, e.id) <= (${lastXid}::xid8, ${lastId}::bigint) and e.kind = any(${[...kinds]})
    order by e.xid, e.id limit ${limit}`.execute(db)
  if (rows.length > 0) await work(rows)
  const last = rows.length < limit ? { xid: lastXid, id: lastId } : rows.at(-1)!
  await sql`update follower set xid = ${last.xid}::xid8, event_id = ${last.id}::bigint, moved_at = now() where name = ${name}`.execute(db)
  return rows.length === limit
}
