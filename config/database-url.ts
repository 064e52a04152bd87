/** Ring: config. What Postgres' clients want to be told, from the settings. */
import { FirnError } from '../contract/errors.ts'
import type { Settings } from './settings.ts'

/**
 * The database's address with what TLS needs as its parameters (`sslmode`, `sslrootcert`, `sslcert`, `sslkey`), as both
 * node-postgres and libpq read them. Errors: 'missing-requirement' where no database is set and no farm of this folder runs.
 */
export function databaseUrl(settings: Settings): string {
  const { url, tls, authority, certificate, key } = settings.database
  if (url === undefined) throw new FirnError('missing-requirement', 'no database: set database.url (FIRN_DATABASE_URL), or start a farm on this machine with \'firn up\'')
  if (!tls && authority === undefined && certificate === undefined) return url
  const address = new URL(url)
  if (!address.searchParams.has('sslmode')) address.searchParams.set('sslmode', 'verify-full')
  for (const [name, file] of [['sslrootcert', authority], ['sslcert', certificate], ['sslkey', key]] as const) {
    if (file !== undefined) address.searchParams.set(name, file)
  }
  return address.href
}
