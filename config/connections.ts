/** Ring: config. What Postgres' and Temporal's clients want to be told, from the settings. */
import { readFileSync } from 'node:fs'
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

/** For `NativeConnection.connect` and `Connection.connect` of Temporal's SDK. */
export interface TemporalConnectionOptions {
  readonly address: string
  readonly tls?: boolean | {
    readonly serverNameOverride?: string
    readonly serverRootCACertificate?: Buffer
    readonly clientCertPair?: { readonly crt: Buffer, readonly key: Buffer }
  }
  readonly apiKey?: string
}

/** Errors: 'missing-requirement' without an address, 'invalid-input' where a file can't be read or half of a pair is missing. */
export function temporalConnection(settings: Settings): TemporalConnectionOptions {
  const { address, tls, certificate, key, authority, serverName, apiKey } = settings.temporal
  if (address === undefined) throw new FirnError('missing-requirement', 'no Temporal server: set temporal.address (FIRN_TEMPORAL_ADDRESS), or start a farm on this machine with \'firn up\'')
  if ((certificate === undefined) !== (key === undefined)) throw new FirnError('invalid-input', 'temporal.certificate and temporal.key belong together: one of them is not set')
  const secure = tls || certificate !== undefined || authority !== undefined || apiKey !== undefined || serverName !== undefined
  return {
    address,
    ...(secure
      ? {
          tls: {
            ...(serverName === undefined ? {} : { serverNameOverride: serverName }),
            ...(authority === undefined ? {} : { serverRootCACertificate: pem(authority, 'temporal.authority') }),
            ...(certificate === undefined || key === undefined ? {} : { clientCertPair: { crt: pem(certificate, 'temporal.certificate'), key: pem(key, 'temporal.key') } }),
          },
        }
      : {}),
    ...(apiKey === undefined ? {} : { apiKey }),
  }
}

function pem(file: string, setting: string): Buffer {
  try {
    return readFileSync(file)
  } catch (error) {
    throw new FirnError('invalid-input', `${setting}: cannot read ${file}: ${(error as Error).message}`, { cause: error })
  }
}
