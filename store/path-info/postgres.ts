/**
 * Ring: store. PathInfo in Postgres, each operation one statement whatever the number of paths: keys go as an array, rows as one JSON
 * value. Statements are plain SQL rather than built ones, so that they run within anybody's transaction.
 */
import { type QueryExecutorProvider, sql } from 'kysely'

import { query, type StoreDatabase } from '../database.ts'
import type { Closure, PathInfo, PathInfoStore, PutOptions } from './interface.ts'
import { infoOf, missingReferences, type PathInfoRow, recordOf } from './rows.ts'

/** A kysely transaction over any set of tables. */
export type OuterTransaction = QueryExecutorProvider

const LIST_PAGE = 5000

export class PostgresPathInfoStore implements PathInfoStore {
  readonly #database: StoreDatabase

  constructor(database: StoreDatabase) {
    this.#database = database
  }

  async get(hashParts: readonly string[]): Promise<Map<string, PathInfo>> {
    if (hashParts.length === 0) return new Map()
    const { rows } = await query(() => sql<PathInfoRow>`select * from path_info where hash = any(${[...new Set(hashParts)]}::text[])`.execute(this.#database))
    return new Map(rows.map((row) => [row.hash, infoOf(row)]))
  }

  async has(hashParts: readonly string[]): Promise<Set<string>> {
    if (hashParts.length === 0) return new Set()
    const { rows } = await query(() => sql<{ hash: string }>`select hash from path_info where hash = any(${[...new Set(hashParts)]}::text[])`.execute(this.#database))
    return new Set(rows.map(({ hash }) => hash))
  }

  async put(infos: readonly PathInfo[], options: PutOptions = {}): Promise<string[]> {
    if (infos.length === 0) return []
    // without a look at references it is one statement, and so a transaction
    return await query(() => (options.allowMissingReferences === true ? this.putWithin(this.#database, infos, options) : this.#database.transaction().execute((transaction) => this.putWithin(transaction, infos, options))))
  }

  /** As `put`, within a transaction that is already open: what else it does becomes visible together with the paths. */
  async putWithin(transaction: OuterTransaction, infos: readonly PathInfo[], options: PutOptions = {}): Promise<string[]> {
    if (infos.length === 0) return []
    // In one order everywhere, so that two transactions never wait for each other in a circle.
    const records = infos.map(recordOf).sort((left, right) => left.hash < right.hash ? -1 : 1)
    const { rows } = await sql<{ base_name: string; references_to: string[] }>`
      insert into path_info (hash, name, root, nar_hash, nar_size, references_to, deriver, content_address, signatures, ultimate, registered_at)
      select hash, name, decode(root, 'hex'), decode(nar_hash, 'hex'), nar_size,
        array(select jsonb_array_elements_text(references_to)), deriver, content_address, array(select jsonb_array_elements_text(signatures)), ultimate, registered_at
      from jsonb_to_recordset(${JSON.stringify(records)}::jsonb) as record (
        hash text, name text, root text, nar_hash text, nar_size bigint, references_to jsonb, deriver text, content_address text, signatures jsonb, ultimate boolean, registered_at timestamptz)
      on conflict (hash) do nothing
      returning hash || '-' || name as base_name, references_to
    `.execute(transaction)
    if (options.allowMissingReferences !== true) {
      const references = [...new Set(rows.flatMap(({ references_to }) => references_to))]
      const missing = await this.#missing(transaction, references)
      if (missing.length > 0) throw missingReferences(missing)
    }
    return rows.map(({ base_name }) => base_name)
  }

  async #missing(transaction: OuterTransaction, baseNames: readonly string[]): Promise<string[]> {
    if (baseNames.length === 0) return []
    const { rows } = await sql<{ base_name: string }>`
      select base_name from unnest(${baseNames}::text[]) as wanted (base_name)
      where not exists (select from path_info where hash = left(base_name, 32) and hash || '-' || name = base_name) order by base_name
    `.execute(transaction)
    return rows.map(({ base_name }) => base_name)
  }

  async closure(baseNames: readonly string[]): Promise<Closure> {
    if (baseNames.length === 0) return { paths: [], missing: [] }
    const { rows } = await query(() => sql<{ base_name: string; valid: boolean }>`
      with recursive reachable (base_name) as (
        select unnest(${[...new Set(baseNames)]}::text[])
        union
        select unnest(path_info.references_to) from reachable join path_info on path_info.hash = left(reachable.base_name, 32)
      )
      select reachable.base_name, path_info.hash is not null as valid
      from reachable left join path_info on path_info.hash = left(reachable.base_name, 32) and path_info.hash || '-' || path_info.name = reachable.base_name
    `.execute(this.#database))
    return {
      paths: rows.filter(({ valid }) => valid).map(({ base_name }) => base_name),
      missing: rows.filter(({ valid }) => !valid).map(({ base_name }) => base_name),
    }
  }

  async referrers(hashPart: string): Promise<string[]> {
    const { rows } = await query(() => sql<{ base_name: string }>`
      select referrer.hash || '-' || referrer.name as base_name
      from path_info as target join path_info as referrer on referrer.references_to @> array[target.hash || '-' || target.name]
      where target.hash = ${hashPart} and referrer.hash <> target.hash order by 1
    `.execute(this.#database))
    return rows.map(({ base_name }) => base_name)
  }

  async outputsOf(deriver: string): Promise<PathInfo[]> {
    const { rows } = await query(() => sql<PathInfoRow>`select * from path_info where deriver = ${deriver} order by name`.execute(this.#database))
    return rows.map(infoOf)
  }

  async addSignatures(signatures: ReadonlyMap<string, readonly string[]>): Promise<void> {
    if (signatures.size === 0) return
    const added = [...signatures].map(([hash, texts]) => ({ hash, texts })).sort((left, right) => left.hash < right.hash ? -1 : 1)
    await query(() => sql`
      update path_info set signatures = array(select distinct text from unnest(path_info.signatures || array(select jsonb_array_elements_text(added.texts))) as text order by text)
      from jsonb_to_recordset(${JSON.stringify(added)}::jsonb) as added (hash text, texts jsonb)
      where path_info.hash = added.hash
    `.execute(this.#database))
  }

  async* list(): AsyncGenerator<string> {
    let last = ''
    for (;;) {
      const after = last
      const { rows } = await query(() => sql<{ hash: string; name: string }>`select hash, name from path_info where hash > ${after} order by hash limit ${LIST_PAGE}`.execute(this.#database))
      for (const { hash, name } of rows) yield `${hash}-${name}`
      if (rows.length < LIST_PAGE) return
      last = rows.at(-1)!.hash
    }
  }

  async count(): Promise<{ readonly paths: number; readonly narBytes: number }> {
    const { rows } = await query(() => sql<{ paths: string | number; nar_bytes: string | number }>`select count(*) as paths, coalesce(sum(nar_size), 0) as nar_bytes from path_info`.execute(this.#database))
    return { paths: Number(rows[0]?.paths ?? 0), narBytes: Number(rows[0]?.nar_bytes ?? 0) }
  }
}
