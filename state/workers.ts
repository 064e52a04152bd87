/** Ring: state. Workers that are alive, and what they serve. A worker that hasn't been seen for a while is taken for dead. */
import { sql } from 'kysely'
import type { Database } from './database.ts'

/** A worker writes its row this often; it counts as live for three times as long. */
export const WORKER_SEEN_SECONDS = 5
const LIVE = sql.raw(`interval '${3 * WORKER_SEEN_SECONDS} seconds'`)

export interface WorkerRecord {
  readonly id: string
  readonly host: string
  readonly systems: readonly string[]
  readonly features: readonly string[]
  readonly slots: number
}

export async function registerWorker(db: Database, worker: WorkerRecord): Promise<void> {
  await sql`insert into worker (id, host, systems, features, slots) values (${worker.id}, ${worker.host}, ${[...worker.systems]}, ${[...worker.features]}, ${worker.slots})
    on conflict (id) do update set host = excluded.host, systems = excluded.systems, features = excluded.features, slots = excluded.slots, started_at = now(), seen_at = now()`.execute(db)
}

export async function seeWorker(db: Database, id: string): Promise<void> {
  await sql`update worker set seen_at = now() where id = ${id}`.execute(db)
}

/** A worker that stops is gone at once. */
export async function forgetWorker(db: Database, id: string): Promise<void> {
  await sql`update worker set seen_at = now() - interval '1 hour' where id = ${id}`.execute(db)
}

export interface Service {
  /** A live worker builds for this system with these features. */
  readonly live: boolean
  /** One has said so at any time. */
  readonly known: boolean
}

/** Whether somebody builds for a system with all of these features. */
export async function serviceOf(db: Database, system: string, features: readonly string[]): Promise<Service> {
  const { rows } = await sql<Service>`
    select coalesce(bool_or(seen_at > now() - ${LIVE}), false) as live, count(*) > 0 as known
    from worker where ${system} = any(systems) and features @> ${[...features]}::text[]`.execute(db)
  return rows[0]!
}
