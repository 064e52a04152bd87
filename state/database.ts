/**
 * Ring: state. What the farm remembers, as kysely sees it: the tables of migrations/0002_farm.ts and 0005_jobsets.ts, the connection pool, and
 * notifications. Upstream counterpart: Hydra's schema (hydra.sql), of which this keeps nodes where Hydra keeps build steps.
 *
 * Two rules hold everywhere in state/: a statement that locks several rows takes them in the order of their keys, so that no
 * two of them wait for each other; and everything may be done twice, because activities are.
 */
import { readFileSync } from 'node:fs'
import { type ColumnType, type Generated, Kysely, PostgresDialect } from 'kysely'
import pg from 'pg'
import type { EvaluationRequest, SourcePosition } from '../contract/evaluations.ts'
import type { FetchRequest } from '../contract/fetch.ts'
import type { ResolvedInput, TriggerCause } from '../contract/jobsets.ts'
import type { FailureCause, NodeKey, NodeOutcome } from '../contract/nodes.ts'
import type { JobCounts } from './job-states.ts'
import type { JobsetTables } from './jobset-tables.ts'

/** A JSON column: written as text, read as a value. */
type Json<T> = ColumnType<T, string, string>
type Stamp = ColumnType<Date, Date | string | undefined, Date | string>
type OptionalStamp = ColumnType<Date | null, Date | string | null | undefined, Date | string | null>

export type NodeState = 'waiting' | 'queued' | 'running' | 'succeeded' | 'failed'
export type EvaluationState = 'queued' | 'evaluating' | 'waiting' | 'building' | 'succeeded' | 'failed' | 'cancelled'
export type AttemptStep = 'preparing' | 'substituting' | 'fetching' | 'building' | 'uploading' | 'ended'
/** Output name → store path's base name; null where it isn't known before the inputs are. */
export type OutputPaths = Readonly<Record<string, string | null>>

export interface NodeTable {
  id: Generated<number>
  key: NodeKey
  kind: 'derivation' | 'fetch'
  name: string
  system: string
  features: string[]
  drv_path: string | null
  outputs: Json<OutputPaths>
  fetch: Json<FetchRequest> | null
  fixed: Generated<boolean>
  inputs_known: Generated<boolean>
  substitutable: Generated<boolean>
  substitution_failed: Generated<boolean>
  priority: Generated<number>
  state: Generated<NodeState>
  outcome: Json<NodeOutcome> | null
  run: Generated<number>
  planned_run: Generated<number>
  trace_parent: string | null
  touched_at: Stamp
  created_at: Stamp
  queued_at: OptionalStamp
  started_at: OptionalStamp
  ended_at: OptionalStamp
}

export interface AttemptTable {
  id: Generated<number>
  node_id: number
  number: number
  run: number
  worker: string
  step: Generated<AttemptStep>
  started_at: Stamp
  ended_at: OptionalStamp
  outcome: Json<NodeOutcome | { readonly status: 'fault'; readonly kind: string; readonly message: string }> | null
  figures: Json<Readonly<Record<string, unknown>>>
  log_blob: string | null
  log_bytes: Generated<number>
}

export interface EvaluationTable {
  id: Generated<number>
  request: Json<EvaluationRequest>
  state: Generated<EvaluationState>
  error: string | null
  progress: Json<Readonly<Record<string, unknown>>>
  idempotency_key: string | null
  created_at: Stamp
  started_at: OptionalStamp
  evaluated_at: OptionalStamp
  ended_at: OptionalStamp
  jobset_id: number | null
  variant: Generated<string>
  inputs: ColumnType<Readonly<Record<string, ResolvedInput>>, string | undefined, string>
  inputs_digest: string | null
  cause: Json<TriggerCause> | null
  previous_id: number | null
  jobs_digest: string | null
  same_as: number | null
  keep: Generated<boolean>
  job_counts: Json<JobCounts> | null
  principal: string | null
}

export interface JobTable {
  evaluation_id: number
  attr: string
  attr_path: string[]
  name: string | null
  system: string | null
  drv_path: string | null
  node_key: NodeKey | null
  outputs: Json<OutputPaths> | null
  meta: Json<unknown> | null
  error: string | null
  position: Json<SourcePosition> | null
  through_import: Generated<boolean>
  constituents: string[] | null
}

export interface FarmTables extends JobsetTables {
  node: NodeTable
  derivation: { drv_path: string; node_key: NodeKey; failure: Json<FailureCause> | null }
  realisation: { drv_path: string; output: string; base_name: string }
  known_fetch: { base_name: string; request: Json<FetchRequest> }
  node_input: { node_key: NodeKey; input_key: NodeKey }
  attempt: AttemptTable
  log_chunk: { attempt_id: number; seq: number; position: number; content: Buffer }
  evaluation: EvaluationTable
  job: JobTable
  demand: {
    node_key: NodeKey
    evaluation_id: number
    reason: 'job' | 'import'
    outputs: string[]
    priority: Generated<number>
    created_at: Stamp
    met_at: OptionalStamp
  }
  evaluation_node: { evaluation_id: number; node_key: NodeKey }
  waiter: { id: Generated<number>; workflow_id: string; mode: 'all' | 'any'; nodes: number; created_at: Stamp }
  waiter_node: { node_key: NodeKey; waiter_id: number }
  evaluation_journal: { evaluation_id: number; key: string; value: Json<unknown> }
  worker: { id: string; host: string; systems: string[]; features: string[]; slots: number; started_at: Stamp; seen_at: Stamp }
  event: { id: Generated<number>; evaluation_id: number | null; node_id: number | null; kind: string; data: Json<Readonly<Record<string, unknown>>>; at: Stamp }
}

export type Database = Kysely<FarmTables>

export interface DatabaseSettings {
  /** `postgres://…` */
  readonly url: string
  /** Most connections of the pool; 16 unless given. One more is opened for notifications. */
  readonly connections?: number
  readonly tls?: boolean
  /** PEM files. */
  readonly authority?: string
  readonly certificate?: string
  readonly key?: string
}

export interface FarmDatabase {
  readonly db: Database
  /**
   * Calls back with the payload of each notification on the channel, from now on; after the connection broke and was made
   * again, once with '' (something may have been missed). Ends when the channel is being listened to; gives back what stops it.
   */
  listen(channel: string, onPayload: (payload: string) => void): Promise<() => Promise<void>>
  close(): Promise<void>
}

/** A farm pauses for seconds between bursts; a connection costs the server a process and both sides an exchange of hashed passwords. */
const IDLE_MILLISECONDS = 300_000

/** Opens a pool; nothing is connected before the first query. */
export function openFarmDatabase(settings: DatabaseSettings): FarmDatabase {
  const connection = connectionConfig(settings)
  const pool = new pg.Pool({ ...connection, max: settings.connections ?? 16, idleTimeoutMillis: IDLE_MILLISECONDS })
  // an idle connection that breaks (the server restarts) is replaced by the pool; the next query sees the real trouble, if any
  pool.on('error', () => undefined)
  const db = new Kysely<FarmTables>({ dialect: new PostgresDialect({ pool }) })
  const listener = new Listener(connection)
  return {
    db,
    listen: (channel, onPayload) => listener.listen(channel, onPayload),
    close: async () => {
      await listener.close()
      await db.destroy()
    },
  }
}

const INT8 = 20
const INT8_ARRAY = 1016
const parseArray = (pg.types.getTypeParser as (oid: number, format: 'text') => unknown)(INT8_ARRAY, 'text') as (text: string) => string[]

function connectionConfig(settings: DatabaseSettings): pg.ClientConfig {
  const read = (path: string | undefined): string | undefined => (path === undefined ? undefined : readFileSync(path, 'utf8'))
  const tls = settings.tls || settings.authority !== undefined || settings.certificate !== undefined
  return {
    connectionString: settings.url,
    ...(tls ? { ssl: { ca: read(settings.authority), cert: read(settings.certificate), key: read(settings.key), rejectUnauthorized: true } } : {}),
    application_name: 'firn',
    // ids and sizes are far below 2^53
    types: { getTypeParser: ((oid: number, format?: 'text' | 'binary') => (oid === INT8 ? Number : oid === INT8_ARRAY ? (text: string) => parseArray(text).map(Number) : pg.types.getTypeParser(oid, format))) as typeof pg.types.getTypeParser },
  }
}

/** One connection for all channels, made again when it breaks. */
class Listener {
  readonly #config: pg.ClientConfig
  readonly #channels = new Map<string, Set<(payload: string) => void>>()
  #client: Promise<pg.Client> | undefined
  #closed = false

  constructor(config: pg.ClientConfig) {
    this.#config = config
  }

  async listen(channel: string, onPayload: (payload: string) => void): Promise<() => Promise<void>> {
    const listeners = this.#channels.get(channel) ?? new Set()
    const first = listeners.size === 0
    listeners.add(onPayload)
    this.#channels.set(channel, listeners)
    const client = await (this.#client ??= this.#connect())
    if (first) await client.query(`listen ${pg.escapeIdentifier(channel)}`)
    return async () => {
      listeners.delete(onPayload)
      if (listeners.size > 0 || this.#closed) return
      this.#channels.delete(channel)
      await (await this.#client)?.query(`unlisten ${pg.escapeIdentifier(channel)}`).catch(() => undefined)
    }
  }

  async #connect(): Promise<pg.Client> {
    for (let wait = 100; ; wait = Math.min(2 * wait, 5000)) {
      const client = new pg.Client({ ...this.#config, keepAlive: true })
      client.on('error', () => this.#reconnect(client))
      client.on('end', () => this.#reconnect(client))
      client.on('notification', ({ channel, payload }) => {
        for (const listener of this.#channels.get(channel) ?? []) listener(payload ?? '')
      })
      try {
        await client.connect()
        for (const channel of this.#channels.keys()) await client.query(`listen ${pg.escapeIdentifier(channel)}`)
        return client
      } catch (error) {
        await client.end().catch(() => undefined)
        if (this.#closed) throw error
        await new Promise((end) => setTimeout(end, wait))
      }
    }
  }

  #reconnect(broken: pg.Client): void {
    if (this.#closed) return
    const before = this.#client
    void (async () => {
      if (!before || await before.catch(() => undefined) !== broken || this.#client !== before) return
      this.#client = this.#connect()
      await this.#client
      for (const listeners of this.#channels.values()) for (const listener of listeners) listener('')
    })().catch(() => undefined)
  }

  async close(): Promise<void> {
    this.#closed = true
    const client = await this.#client?.catch(() => undefined)
    await client?.end().catch(() => undefined)
  }
}
