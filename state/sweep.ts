/**
 * Ring: state. What should be in motion, for the sweep and for start-up: Postgres is the truth, and what it says is unfinished
 * is started again where Temporal has nothing of it.
 */
import { sql } from 'kysely'
import type { NodeInput } from '../contract/workflows.ts'
import type { Database } from './database.ts'

/** Evaluations that have not ended. */
export async function unfinishedEvaluations(db: Database, quietSeconds: number): Promise<number[]> {
  const { rows } = await sql<{ id: number }>`
    select id from evaluation where state not in ('succeeded', 'failed', 'cancelled') and created_at < now() - make_interval(secs => ${quietSeconds}) order by id`.execute(db)
  return rows.map((row) => row.id)
}

/** Runs that have not ended, unchanged for some seconds. */
export async function unfinishedRuns(db: Database, quietSeconds: number): Promise<(NodeInput & { readonly priority: number; readonly planned: boolean })[]> {
  const { rows } = await sql<NodeInput & { priority: number; planned: boolean }>`
    select key as "nodeKey", id as "buildId", run, priority, planned_run = run as planned from node
    where state in ('waiting', 'queued', 'running') and run > 0 and touched_at < now() - make_interval(secs => ${quietSeconds}) order by id`.execute(db)
  return rows
}

/** Runs `work` if nobody else in the farm does so now; false where somebody does. The lock goes with the connection. */
export async function exclusively(db: Database, name: string, work: () => Promise<void>): Promise<boolean> {
  return await db.connection().execute(async (connection) => {
    const { rows } = await sql<{ got: boolean }>`select pg_try_advisory_lock(hashtext(${name})) as got`.execute(connection)
    if (!rows[0]!.got) return false
    try {
      await work()
    } finally {
      await sql`select pg_advisory_unlock(hashtext(${name}))`.execute(connection)
    }
    return true
  })
}
