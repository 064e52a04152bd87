/**
 * Ring: store. What upstream caches didn't have, remembered for a time so that they aren't asked again for each evaluation;
 * shared by all workers where it lies in Postgres. Upstream counterpart: libstore/nar-info-disk-cache.cc.
 */
import { sql } from 'kysely'

import type { StoreDatabase } from '../database.ts'

export interface Misses {
  /** Which of these hash parts this cache said it doesn't have, not long ago. */
  known(cache: string, hashParts: readonly string[]): Promise<Set<string>>
  record(cache: string, hashParts: readonly string[]): Promise<void>
}

export function memoryMisses(seconds: number, now: () => number = Date.now): Misses {
  const expiry = new Map<string, number>()
  return {
    known: (cache, hashParts) => Promise.resolve(new Set(hashParts.filter((part) => (expiry.get(`${cache} ${part}`) ?? 0) > now()))),
    record: (cache, hashParts) => {
      for (const part of hashParts) expiry.set(`${cache} ${part}`, now() + seconds * 1000)
      return Promise.resolve()
    },
  }
}

export function postgresMisses(db: StoreDatabase, seconds: number): Misses {
  return {
    async known(cache, hashParts) {
      const rows = await db.selectFrom('substituter_miss').select('hash')
        .where('cache', '=', cache).where('expires_at', '>', sql<Date>`now()`)
        .where('hash', '=', sql<string>`any(${hashParts as string[]}::text[])`).execute()
      return new Set(rows.map((row) => row.hash))
    },
    async record(cache, hashParts) {
      if (hashParts.length === 0) return
      // Sorted, so that two workers with the same misses take the rows' locks in one order.
      await sql`insert into substituter_miss (cache, hash, expires_at)
        select ${cache}, hash, now() + make_interval(secs => ${seconds}) from unnest(${[...hashParts].sort()}::text[]) as hash
        on conflict (cache, hash) do update set expires_at = excluded.expires_at`.execute(db)
      await sql`delete from substituter_miss where ctid in (select ctid from substituter_miss where expires_at < now() - interval '1 day' limit 1000)`.execute(db)
    },
  }
}
