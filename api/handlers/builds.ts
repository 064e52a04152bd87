/** Ring: api. Builds: what they are, what they need, who needs them, and running them again. */
import type { BuildDetail } from '../../contract/api.ts'
import { FirnError } from '../../contract/errors.ts'
import type { Database } from '../../state/database.ts'
import { retryBuild } from '../../state/retry.ts'
import type { ApiDependencies } from '../dependencies.ts'
import { type Handlers, Reply } from '../http/router.ts'
import { type BuildRow, dependentCount, evaluationsWanting, faultsOf, getBuild, inputCounts, listAttempts, listBuilds, listNeighbours, presentBuild } from '../queries/builds.ts'
import { buildsOfPath } from '../queries/paths.ts'
import type { ChangeHub } from '../streams/hub.ts'

type Names = 'listBuilds' | 'getBuild' | 'listBuildInputs' | 'listBuildDependents' | 'waitForBuild' | 'retryBuild'

export async function buildOrNotFound(db: Database, id: number): Promise<BuildRow> {
  const row = await getBuild(db, id)
  if (!row) throw new FirnError('not-found', `there is no build ${id}`)
  return row
}

export function buildHandlers(dependencies: ApiDependencies, hub: ChangeHub): Pick<Handlers, Names> {
  const { database: { db }, motion } = dependencies

  async function detail(row: BuildRow): Promise<BuildDetail> {
    const [attemptList, inputs, dependents, evaluations, faults] = await Promise.all([
      listAttempts(db, row.id), inputCounts(db, row.key), dependentCount(db, row.key), evaluationsWanting(db, row.key),
      faultsOf(db, row.state === 'failed' ? [row] : []),
    ])
    return { ...presentBuild(row), attemptList, inputs, dependents, evaluations, fault: faults.get(row.id) ?? null }
  }

  return {
    async listBuilds({ query: { limit, cursor, path, state, system, name, evaluation } }) {
      const filter = { state, system, name, evaluationId: evaluation }
      if (path !== undefined) return buildsOfPath(dependencies, path.slice(path.lastIndexOf('/') + 1), limit, filter, cursor)
      return listBuilds(db, filter, { limit, cursor })
    },

    async getBuild({ params: { id } }) {
      return detail(await buildOrNotFound(db, id))
    },

    async listBuildInputs({ params: { id }, query }) {
      return listNeighbours(db, (await buildOrNotFound(db, id)).key, 'inputs', query)
    },

    async listBuildDependents({ params: { id }, query }) {
      return listNeighbours(db, (await buildOrNotFound(db, id)).key, 'dependents', query)
    },

    async waitForBuild({ params: { id }, query }, { signal }) {
      await hub.until(async () => {
        const row = await buildOrNotFound(db, id)
        return row.state === 'succeeded' || row.state === 'failed' ? row : undefined
      }, { seconds: query.timeout, signal })
      return detail(await buildOrNotFound(db, id))
    },

    async retryBuild({ params: { id } }) {
      const { builds, evaluationRestarted } = await retryBuild(db, motion, id)
      return new Reply(202, { builds: [...builds], evaluationRestarted })
    },
  }
}
