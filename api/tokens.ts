/**
 * Ring: api. Bearer tokens: 32 random bytes, of which the database keeps a SHA-256; shown once, when they are made. Each has
 * scopes, and may expire or be revoked.
 */
import { createHash, randomBytes } from 'node:crypto'
import { sql, type Kysely } from 'kysely'
import type { Scope } from '../contract/api-routes.ts'
import { type TokenScope, tokenScope } from '../contract/token-routes.ts'

export type { TokenScope }
export const TOKEN_SCOPES: readonly TokenScope[] = tokenScope.options

export interface TokenRow {
  readonly id: number
  readonly name: string
  readonly scopes: readonly TokenScope[]
  readonly created_at: Date
  readonly expires_at: Date | null
  readonly revoked_at: Date | null
  readonly used_at: Date | null
  /** Whose it is; null for those that are the farm's. */
  readonly user_id: number | null
  /** Its scopes hold there only. */
  readonly project_id: number | null
  readonly project: string | null
}

const PREFIX = 'firn_'
const COLUMNS = sql.raw('id, name, scopes, created_at, expires_at, revoked_at, used_at, user_id, project_id, (select p.name from project p where p.id = project_id) as project')

/** Makes a token; its text can't be had again. */
export async function createToken<T>(db: Kysely<T>, token: { readonly name: string; readonly scopes: readonly TokenScope[]; readonly expiresAt?: Date; readonly userId?: number; readonly projectId?: number }): Promise<{ readonly id: number; readonly text: string }> {
  const text = PREFIX + randomBytes(32).toString('base64url')
  const { rows } = await sql<{ id: number }>`
    insert into api_token (name, hash, scopes, expires_at, user_id, project_id)
    values (${token.name}, ${hashOf(text)}, ${[...token.scopes]}, ${token.expiresAt ?? null}, ${token.userId ?? null}, ${token.projectId ?? null}) returning id`.execute(db)
  return { id: rows[0]!.id, text }
}

/** The token, if it is one of this farm's, not expired and not revoked. */
export async function findToken<T>(db: Kysely<T>, text: string): Promise<TokenRow | undefined> {
  if (!text.startsWith(PREFIX) || text.length > 100) return undefined
  const { rows } = await sql<TokenRow>`
    select ${COLUMNS} from api_token
    where hash = ${hashOf(text)} and revoked_at is null and (expires_at is null or expires_at > now())`.execute(db)
  const token = rows[0]
  // good enough to see what is in use, and no write for every request
  if (token) await sql`update api_token set used_at = now() where id = ${token.id} and (used_at is null or used_at < now() - interval '1 minute')`.execute(db)
  return token
}

export async function listTokens<T>(db: Kysely<T>): Promise<TokenRow[]> {
  return (await sql<TokenRow>`select ${COLUMNS} from api_token order by id`.execute(db)).rows
}

/** False where there is no such token that was still good. */
export async function revokeToken<T>(db: Kysely<T>, id: number): Promise<boolean> {
  const { numAffectedRows } = await sql`update api_token set revoked_at = now() where id = ${id} and revoked_at is null`.execute(db)
  return (numAffectedRows ?? 0n) > 0n
}

/** Whether who has these scopes may do what needs `scope`. */
export function allows(scopes: readonly TokenScope[], scope: Scope): boolean {
  if (scope === 'open' || scopes.includes('administer')) return true
  return scope === 'read' ? scopes.length > 0 : scopes.includes(scope)
}

function hashOf(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
