/**
 * Ring: state. Logs of attempts: while an attempt runs, chunks in the order they came; afterwards a blob of zstd frames
 * (store/blobs/seekable.ts), and the chunks go. Upstream counterpart: Hydra's log files, which only the machine that built can show.
 */
import { sql } from 'kysely'
import type { Database } from './database.ts'

export interface FoundLog {
  readonly attemptId: number
  readonly number: number
  readonly ended: boolean
  /** Hex BLAKE3 digest of the whole log, compressed; null while it is in chunks, or where there is none. */
  readonly blob: string | null
  /** Bytes of the log, not compressed, as far as known. */
  readonly bytes: number
}

/** The log of a build's attempt: of the newest, or of the one with this number. */
export async function findLog(db: Database, buildId: number, attemptNumber?: number): Promise<FoundLog | undefined> {
  const { rows } = await sql<FoundLog>`
    select a.id as "attemptId", a.number, a.ended_at is not null as ended, a.log_blob as blob,
      greatest(a.log_bytes, coalesce((select position + length(content) from log_chunk c where c.attempt_id = a.id order by seq desc limit 1), 0)) as bytes
    from attempt a where a.node_id = ${buildId} ${attemptNumber === undefined ? sql`` : sql`and a.number = ${attemptNumber}`}
    order by a.number desc limit 1`.execute(db)
  return rows[0]
}

/** Chunks that hold bytes from `fromByte` on, in order; the first may begin before it. */
export async function readLogChunks(db: Database, attemptId: number, fromByte: number, limit = 100): Promise<{ readonly position: number; readonly content: Uint8Array }[]> {
  // from the end backwards: who follows a log asks for what was added last
  const first = await db.selectFrom('log_chunk').select('seq').where('attempt_id', '=', attemptId).where('position', '<=', fromByte).orderBy('seq', 'desc').limit(1).executeTakeFirst()
  return await db.selectFrom('log_chunk').select(['position', 'content']).where('attempt_id', '=', attemptId).where('seq', '>=', first?.seq ?? 0)
    .where(sql<boolean>`position + length(content) > ${fromByte}`).orderBy('seq').limit(limit).execute()
}

/** All chunks in their order, a few at a time. */
export async function* everyLogChunk(db: Database, attemptId: number): AsyncGenerator<Uint8Array, void, undefined> {
  for (let after = -1; ;) {
    const rows = await db.selectFrom('log_chunk').select(['seq', 'content']).where('attempt_id', '=', attemptId).where('seq', '>', after).orderBy('seq').limit(64).execute()
    for (const { content } of rows) yield content
    const last = rows.at(-1)
    if (!last) return
    after = last.seq
  }
}

/** Adds a chunk; NOTIFYs `firn_log` with the attempt's id. */
export async function addLogChunk(db: Database, attemptId: number, seq: number, position: number, content: Uint8Array): Promise<void> {
  await sql`
    with added as (insert into log_chunk (attempt_id, seq, position, content) values (${attemptId}, ${seq}, ${position}, ${Buffer.from(content)}) on conflict do nothing)
    select pg_notify('firn_log', ${String(attemptId)})`.execute(db)
}

/** The chunks of an attempt whose log is in the blob store now. */
export async function dropLogChunks(db: Database, attemptId: number): Promise<void> {
  await db.deleteFrom('log_chunk').where('attempt_id', '=', attemptId).execute()
}
