/** Ring: api. What builds of jobs say about themselves, why they were built, and what one does about a build in the queue. */
import { sql } from 'kysely'
import { FirnError } from '../../contract/errors.ts'
import { parseBaseName, STORE_DIRECTORY } from '../../nix/store-path.ts'
import { bumpBuild } from '../../state/bump.ts'
import { cancelBuild } from '../../state/cancel.ts'
import { getResult, keepBuild } from '../../state/results.ts'
import type { ApiDependencies } from '../dependencies.ts'
import { writeBody } from '../http/body.ts'
import { announce, notModified, requestedRange } from '../http/range.ts'
import { type Handlers, Reply } from '../http/router.ts'
import { presentBuild } from '../queries/builds.ts'
import { compareDerivations } from '../queries/derivation-difference.ts'
import { nodeAt } from '../queries/tree.ts'
import { buildOrNotFound } from './builds.ts'

type Names = 'bumpBuild' | 'cancelBuild' | 'keepBuild' | 'buildResult' | 'buildProduct' | 'buildReason'

export function resultHandlers({ database: { db }, motion, store }: ApiDependencies): Pick<Handlers, Names> {
  return {
    async bumpBuild({ params: { id } }) {
      return new Reply(202, { builds: await bumpBuild(db, motion, id) })
    },

    async cancelBuild({ params: { id } }) {
      await cancelBuild(db, motion, id)
      return new Reply(202, presentBuild(await buildOrNotFound(db, id)))
    },

    async keepBuild({ params: { id }, body: { keep } }) {
      await buildOrNotFound(db, id)
      await keepBuild(db, id, keep)
      return await getResult(db, id)
    },

    async buildResult({ params: { id } }) {
      await buildOrNotFound(db, id)
      return await getResult(db, id)
    },

    async buildProduct({ params: { id, number } }, { request, response, signal }) {
      const product = (await getResult(db, id)).products.find((one) => one.number === number)
      if (!product) throw new FirnError('not-found', `build ${id} has no product ${number}`)
      const [baseName, ...rest] = product.path.slice(STORE_DIRECTORY.length + 1).split('/')
      const { hash } = parseBaseName(baseName!)
      const info = (await store.pathInfos.get([hash])).get(hash)
      if (!info) throw new FirnError('not-found', `'${product.path}' is not in the store any more`)
      const node = await nodeAt(info.root, rest.join('/'), store.blobs)
      if (node.kind !== 'file') throw new FirnError('conflict', `product ${number} of build ${id} is a ${node.kind}; list it under /api/v1/store/${baseName}/ls`)
      // what a build made must not become a page of this origin
      response.set({ 'Content-Type': 'application/octet-stream', 'Content-Disposition': `attachment; filename*=UTF-8''${encodeURIComponent(product.name)}` })
      const etag = `"${node.digest}"`
      if (notModified(request, response, etag)) return
      const range = requestedRange(request, node.size, etag)
      announce(response, node.size, range)
      if (request.method === 'HEAD') response.end()
      else await writeBody(response, store.blobs.open(node.digest, range), signal)
    },

    async buildReason({ params: { id }, query: { against } }) {
      const build = await buildOrNotFound(db, id)
      const before = against === undefined ? await buildBefore(id) : await buildOrNotFound(db, against)
      const differences = before?.drvPath && build.drvPath ? await compareDerivations(store, before.drvPath, build.drvPath) : []
      return { buildId: id, before: before?.id ?? null, drvPath: build.drvPath, drvPathBefore: before?.drvPath ?? null, differences }
    },
  }

  /** The build of the same job in the last evaluation before that had another. */
  async function buildBefore(id: number): Promise<{ id: number; drvPath: string | null } | undefined> {
    const { rows } = await sql<{ id: number; drvPath: string | null }>`
      with own as (
        select j.attr, e.jobset_id, e.variant, min(e.id) as first from node n join job j on j.node_key = n.key join evaluation e on e.id = j.evaluation_id
        where n.id = ${id} and e.jobset_id is not null group by 1, 2, 3 order by min(e.id) limit 1
      )
      select b.id, coalesce(p.drv_path, b.drv_path) as "drvPath" from own join evaluation e on e.jobset_id = own.jobset_id and e.variant in (own.variant, '') and e.id < own.first
        join job p on p.evaluation_id = e.id and p.attr = own.attr join node b on b.key = p.node_key and b.id <> ${id}
      order by e.id desc limit 1`.execute(db)
    return rows[0]
  }
}
