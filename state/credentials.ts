/**
 * Ring: state. Names and secrets of projects, sealed with a key that is not in the database: AES-256-GCM, the project and the name bound to it, so that
 * a row that somebody moves does not open. Nobody is shown a secret again.
 */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { sql } from 'kysely'
import type { Settings } from '../config/settings.ts'
import { FirnError } from '../contract/errors.ts'
import type { Database } from './database.ts'

const IV_BYTES = 12
const TAG_BYTES = 16

interface Parts {
  readonly database: { readonly db: Database }
  readonly settings: Pick<Settings, 'cache'>
}

export interface Credential {
  readonly username: string
  readonly secret: string
}

/** Made from the farm's signing key, which API and workers have: what sealed a secret opens it in every process of the farm. */
async function sealingKey(settings: Pick<Settings, 'cache'>): Promise<Buffer> {
  const text = await readFile(settings.cache.keyFile).catch((error: unknown) => {
    throw new FirnError('missing-requirement', `credentials are sealed with a key made from ${settings.cache.keyFile}, which can't be read`, { cause: error })
  })
  return Buffer.from(hkdfSync('sha256', text.toString('utf8').trim(), '', 'firn credentials', 32))
}

export async function putCredential(parts: Parts, projectId: number, name: string, { username, secret }: Credential): Promise<void> {
  const iv = randomBytes(IV_BYTES)
  const cipher = createCipheriv('aes-256-gcm', await sealingKey(parts.settings), iv).setAAD(Buffer.from(`${projectId}/${name}`))
  const sealed = Buffer.concat([iv, cipher.update(secret, 'utf8'), cipher.final(), cipher.getAuthTag()])
  await sql`insert into credential (project_id, name, username, sealed) values (${projectId}, ${name}, ${username}, ${sealed})
    on conflict (project_id, name) do update set username = excluded.username, sealed = excluded.sealed, created_at = now()`.execute(parts.database.db)
}

/** Errors: 'not-found'. */
export async function readCredential(parts: Parts, projectId: number, name: string): Promise<Credential> {
  const { rows } = await sql<{ username: string; sealed: Buffer }>`select username, sealed from credential where project_id = ${projectId} and name = ${name}`.execute(parts.database.db)
  const row = rows[0]
  if (!row) throw new FirnError('not-found', `the project has no credential '${name}'`)
  const { sealed } = row
  const decipher = createDecipheriv('aes-256-gcm', await sealingKey(parts.settings), sealed.subarray(0, IV_BYTES)).setAAD(Buffer.from(`${projectId}/${name}`)).setAuthTag(sealed.subarray(-TAG_BYTES))
  try {
    return { username: row.username, secret: Buffer.concat([decipher.update(sealed.subarray(IV_BYTES, -TAG_BYTES)), decipher.final()]).toString('utf8') }
  } catch (error) {
    throw new FirnError('corrupt', `credential '${name}' was sealed with another key (${parts.settings.cache.keyFile}); set it again`, { cause: error })
  }
}

/** Names and users; never secrets. */
export async function listCredentials(db: Database, projectId: number): Promise<{ readonly name: string; readonly username: string; readonly createdAt: Date }[]> {
  return (await sql<{ name: string; username: string; createdAt: Date }>`select name, username, created_at as "createdAt" from credential where project_id = ${projectId} order by name`.execute(db)).rows
}

/** False where there is none. */
export async function deleteCredential(db: Database, projectId: number, name: string): Promise<boolean> {
  const { numAffectedRows } = await sql`delete from credential where project_id = ${projectId} and name = ${name}`.execute(db)
  return (numAffectedRows ?? 0n) > 0n
}
