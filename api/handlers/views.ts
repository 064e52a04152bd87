/** Ring: api. What pages for people need: search, graphs, lines of logs, referrers. */
import { FirnError } from '../../contract/errors.ts'
import { parseBaseName, STORE_DIRECTORY } from '../../nix/store-path.ts'
import { findLog, type FoundLog } from '../../state/logs.ts'
import type { ApiDependencies } from '../dependencies.ts'
import type { Handlers } from '../http/router.ts'
import { buildGraph, evaluationGraph } from '../queries/graph.ts'
import { search } from '../queries/search.ts'
import { LogLines } from '../streams/log-lines.ts'
import { buildOrNotFound } from './builds.ts'
import { evaluationOrNotFound } from './evaluations.ts'

type Names = 'search' | 'evaluationGraph' | 'buildGraph' | 'buildLogIndex' | 'searchBuildLog' | 'listReferrers'

const REFERRERS = 1000

export function viewHandlers(dependencies: ApiDependencies): Pick<Handlers, Names> {
  const { database: { db }, store } = dependencies
  const lines = new LogLines(dependencies)

  async function logOf(id: number, attempt: number | undefined): Promise<FoundLog> {
    await buildOrNotFound(db, id)
    const place = await findLog(db, id, attempt)
    if (!place) throw new FirnError('not-found', attempt === undefined ? `build ${id} has no log: nothing has set out to realise it` : `build ${id} has no attempt ${attempt}`)
    return place
  }

  return {
    async search({ query: { query, limit } }) {
      return search(db, query.trim(), limit)
    },
    async evaluationGraph({ params: { id }, query: { limit } }) {
      await evaluationOrNotFound(db, id)
      return evaluationGraph(db, id, limit)
    },
    async buildGraph({ params: { id }, query: { limit } }) {
      return buildGraph(db, (await buildOrNotFound(db, id)).key, limit)
    },
    async buildLogIndex({ params: { id }, query: { attempt } }) {
      return lines.index(id, await logOf(id, attempt))
    },
    async searchBuildLog({ params: { id }, query: { attempt, query, from, limit } }) {
      return lines.search(id, await logOf(id, attempt), query, from, limit)
    },
    async listReferrers({ params: { path } }) {
      const { hash, baseName } = parseBaseName(path)
      if ((await store.pathInfos.get([hash])).get(hash)?.storePath.baseName !== baseName) throw new FirnError('not-found', `path '${path}' is not valid`)
      const found = (await store.pathInfos.referrers(hash)).filter((one) => one !== baseName)
      return { total: found.length, paths: found.sort((a, b) => a.slice(33).localeCompare(b.slice(33))).slice(0, REFERRERS).map((one) => `${STORE_DIRECTORY}/${one}`) }
    },
  }
}
