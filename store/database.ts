/**
 * Ring: store. The store's tables as kysely sees them (made by migrations/0001_store.ts), and connections to them.
 */
import { type ColumnType, type Generated, Kysely, PostgresDialect } from 'kysely'
import pg from 'pg'

import { errorCode, FirnError } from '../contract/errors.ts'

/** 64-bit numbers come as text from the driver unless the pool parses them; either way `Number(…)` them. */
type Int8 = ColumnType<string | number, number, number>

export interface StoreTables {
  pack: {
    id: ColumnType<string | number, never, never>
    key: string | null
    content: Buffer | null
    size: Int8
    created_at: Generated<Date>
  }
  blob_piece: {
    digest: Buffer
    pack_id: Int8
    position: Int8
    length: number
  }
  blob_manifest: {
    digest: Buffer
    size: Int8
    pieces: Buffer
  }
  path_info: {
    hash: string
    name: string
    root: Buffer
    nar_hash: Buffer
    nar_size: Int8
    references_to: string[]
    deriver: string | null
    content_address: string | null
    signatures: string[]
    ultimate: boolean
    registered_at: Generated<Date>
  }
  substituter_miss: {
    cache: string
    hash: string
    expires_at: Date
  }
}

export type StoreDatabase = Kysely<StoreTables>

/** Connections are made when first needed; a server that goes away fails queries, never the process. */
export function openDatabase(databaseUrl: string, connections = 8): StoreDatabase {
  const pool = new pg.Pool({ connectionString: databaseUrl, max: connections, connectionTimeoutMillis: 20_000, idleTimeoutMillis: 300_000, keepAlive: true })
  pool.on('error', () => undefined)
  return new Kysely<StoreTables>({ dialect: new PostgresDialect({ pool }) })
}

/** Runs a query; a server that doesn't answer becomes 'unavailable', a full one 'exhausted'. */
export async function query<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    throw databaseError(error)
  }
}

/** What an error of a database means for whoever asked; undefined where the question was at fault. */
export function kindOfDatabaseError(error: Error): 'unavailable' | 'exhausted' | undefined {
  const code = errorCode(error) ?? ''
  // Classes of SQLSTATE: 08 connection, 57 operator intervention (shutdown), 53 resources, 40 rolled back for others' sake.
  if (/^(08|57P|25006|40)/.test(code) || /Connection terminated|timeout exceeded when trying to connect/.test(error.message)) return 'unavailable'
  return /^53/.test(code) ? 'exhausted' : undefined
}

export function databaseError(error: unknown): unknown {
  if (error instanceof FirnError || !(error instanceof Error)) return error
  const disconnected = /^E[A-Z]+$/.test(errorCode(error) ?? '') || error.message.includes('Client has encountered a connection error')
  const kind = disconnected ? 'unavailable' : kindOfDatabaseError(error)
  return kind ? new FirnError(kind, `database: ${error.message}`, { cause: error }) : error
}
