/** Ring: api. The farm: status, queue, workers, health, metrics, and the description of this API. */
import { sql } from 'kysely'
import { STORE_DIRECTORY } from '../../nix/store-path.ts'
import type { ApiDependencies } from '../dependencies.ts'
import { type Handlers, Reply } from '../http/router.ts'
import { openApiDocument } from '../openapi.ts'
import { listQueue, listWorkers, stateCounts } from '../queries/farm.ts'

type Names = 'getStatus' | 'listQueue' | 'listWorkers' | 'openapi' | 'healthz' | 'readyz' | 'metrics'

/** A check that does not answer by then counts as failing. */
const CHECK_MILLISECONDS = 3000

export function farmHandlers(dependencies: ApiDependencies): Pick<Handlers, Names> {
  const { database: { db }, store, motion, metrics, version, settings } = dependencies
  const startedAt = new Date().toISOString()
  let document: Record<string, unknown> | undefined

  return {
    async getStatus() {
      const [counts, workers, paths] = await Promise.all([stateCounts(db), listWorkers(db), store.pathInfos.count()])
      const live = workers.filter((worker) => worker.live)
      return {
        version,
        storeDir: STORE_DIRECTORY,
        publicKey: store.publicKey ?? '',
        startedAt,
        ...counts,
        store: { paths: paths.paths, narBytes: paths.narBytes },
        workers: { live: live.length, slots: live.reduce((sum, worker) => sum + worker.slots, 0), systems: [...new Set(live.flatMap((worker) => worker.systems))].sort() },
      }
    },

    async listQueue({ query }) {
      return listQueue(db, await listWorkers(db), query)
    },

    async listWorkers() {
      return { items: await listWorkers(db) }
    },

    openapi() {
      document ??= openApiDocument(version, settings.api.publicUrl ?? '/')
      return Promise.resolve(document)
    },

    healthz() {
      return Promise.resolve({ status: 'ok' as const, checks: {} })
    },

    async readyz() {
      const checks: Record<string, string> = Object.fromEntries(await Promise.all([
        check('database', sql`select 1`.execute(db)),
        check('temporal', motion.check()),
      ]))
      const ok = Object.values(checks).every((answer) => answer === 'ok')
      return new Reply(ok ? 200 : 503, { status: ok ? 'ok' as const : 'failing' as const, checks })
    },

    async metrics(_request, { response }) {
      response.set('Content-Type', metrics.registry.contentType)
      response.send(await metrics.registry.metrics())
    },
  }
}

async function check(name: string, answer: Promise<unknown>): Promise<[string, string]> {
  const late = new Promise<never>((_resolve, reject) => { setTimeout(() => reject(new Error('does not answer')), CHECK_MILLISECONDS).unref() })
  try {
    await Promise.race([answer, late])
    return [name, 'ok']
  } catch (error) {
    return [name, error instanceof Error ? error.message : String(error)]
  }
}
