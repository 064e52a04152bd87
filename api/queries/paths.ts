/** Ring: api. Which builds make a store path: by derivation, by the node's key, or by what the store says made it. */
import type { Build } from '../../contract/api.ts'
import { STORE_DIRECTORY } from '../../nix/store-path.ts'
import type { ApiDependencies } from '../dependencies.ts'
import { type BuildFilter, listBuilds } from './builds.ts'
import type { Page } from './page.ts'

/** Base name of a derivation or of an output. A second output of a build that never succeeded isn't found: nothing remembers it by name. */
export async function buildsOfPath({ database, store }: ApiDependencies, baseName: string, limit: number, filter: BuildFilter = {}, cursor?: string): Promise<Page<Build>> {
  if (baseName.endsWith('.drv')) return listBuilds(database.db, { ...filter, drvPath: `${STORE_DIRECTORY}/${baseName}` }, { limit, cursor })
  const hashPart = baseName.slice(0, 32)
  const deriver = (await store.pathInfos.get([hashPart])).get(hashPart)?.deriver
  return listBuilds(database.db, { ...filter, key: baseName, ...(deriver && { drvPath: deriver.toString() }) }, { limit, cursor })
}
