/**
 * Ring: api. Events in the order of their commits. Ids are given out before a transaction commits, so "after the last id I
 * saw" would lose rows. A cursor is therefore (transaction, id), and only rows of transactions older than every open one
 * are given out: no row can appear before them any more.
 */
import { sql, type Kysely } from 'kysely'
import type { FarmEvent } from '../../contract/api.ts'
import { FirnError } from '../../contract/errors.ts'

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
