/** Ring: cli. For commands that work on the farm's database rather than over its API. Apart from context.ts, so that other commands load no driver. */
import type { LoadedSettings } from '../config/load.ts'
import { FirnError } from '../contract/errors.ts'
import { type Database, openFarmDatabase } from '../state/database.ts'
import { type GlobalOptions, loadForCommand, withFarmServices } from './context.ts'

export async function withDatabase<T>(options: GlobalOptions, use: (db: Database) => Promise<T>): Promise<T> {
  const { settings }: LoadedSettings = withFarmServices(loadForCommand(options))
  const { url, ...rest } = settings.database
  if (url === undefined) throw new FirnError('unavailable', 'no database: start the farm with \'firn up\', or set database.url')
  const database = openFarmDatabase({ ...rest, url, connections: 1 })
  try {
    return await use(database.db)
  } finally {
    await database.close()
  }
}
