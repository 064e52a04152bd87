/** Where a node's run was begun, for span links of evaluations that share it. */
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table node add column trace_parent text`.execute(db)
}
