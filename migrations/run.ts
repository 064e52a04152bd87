/**
 * Brings a database to the newest schema. Safe to call from several processes at once: kysely's migrator takes an advisory
 * lock, and who comes second finds nothing left to do. Run directly: `node migrations/run.ts postgres://…`.
 */
import { Kysely, Migrator, PostgresDialect, type Migration } from 'kysely'
import pg from 'pg'

import * as store from './0001_store.ts'
import * as farm from './0002_farm.ts'
import * as api from './0003_api.ts'
import * as traces from './0004_traces.ts'
import * as jobsets from './0005_jobsets.ts'
import * as access from './0006_access.ts'

/** Every migration by name; listed rather than found in the folder, so that a bundle holds them too. */
const MIGRATIONS: Record<string, Migration> = {
  '0001_store': store,
  '0002_farm': farm,
  '0003_api': api,
  '0004_traces': traces,
  '0005_jobsets': jobsets,
  '0006_access': access,
}

/** Applies what is missing; returns the names of the migrations applied. Throws the database's own error if one fails (nothing of it stays). */
export async function migrateDatabase(db: Kysely<unknown>): Promise<string[]> {
  const migrator = new Migrator({ db, provider: { getMigrations: () => Promise.resolve(MIGRATIONS) } })
  const { error, results } = await migrator.migrateToLatest()
  if (error !== undefined) {
    const failed = results?.find((result) => result.status === 'Error')
    throw new Error(`migration ${failed?.migrationName ?? ''} failed: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  }
  return (results ?? []).map((result) => result.migrationName)
}

/** As `migrateDatabase`, over a connection of its own. */
export async function migrate(databaseUrl: string): Promise<string[]> {
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 2 })
  // A server that stops while a connection is idle is no error of ours.
  pool.on('error', () => undefined)
  const db = new Kysely<unknown>({ dialect: new PostgresDialect({ pool }) })
  try {
    return await migrateDatabase(db)
  } finally {
    await db.destroy()
  }
}

if (import.meta.main) {
  const [databaseUrl] = process.argv.slice(2)
  if (databaseUrl === undefined) {
    console.error('usage: node migrations/run.ts postgres://user:password@host/database')
    process.exitCode = 2
  } else {
    const applied = await migrate(databaseUrl)
    console.log(applied.length === 0 ? 'up to date' : `applied ${applied.join(', ')}`)
  }
}
