/** Ring: api. Tokens: making, listing and revoking them, by who may administer the farm. */
import type { ApiToken } from '../../contract/token-routes.ts'
import { FirnError } from '../../contract/errors.ts'
import type { ApiDependencies } from '../dependencies.ts'
import { type Handlers, Reply } from '../http/router.ts'
import { createToken, listTokens, revokeToken, type TokenRow } from '../tokens.ts'

type Names = 'listTokens' | 'createToken' | 'revokeToken'

const DAY_MILLISECONDS = 86_400_000

export function tokenHandlers({ database: { db } }: ApiDependencies): Pick<Handlers, Names> {
  async function tokenOrNotFound(id: number): Promise<TokenRow> {
    const token = (await listTokens(db)).find((one) => one.id === id)
    if (!token) throw new FirnError('not-found', `there is no token ${id}`)
    return token
  }

  return {
    async listTokens() {
      return { items: (await listTokens(db)).reverse().map(shown) }
    },
    async createToken({ body: { name, scopes, days } }) {
      const { id, text } = await createToken(db, { name, scopes: [...new Set(scopes)], ...(days !== undefined && { expiresAt: new Date(Date.now() + days * DAY_MILLISECONDS) }) })
      // a secret must not stay in anybody's cache
      return new Reply(201, { token: shown(await tokenOrNotFound(id)), text }, { 'Cache-Control': 'no-store' })
    },
    async revokeToken({ params: { id } }) {
      const token = await tokenOrNotFound(id)
      if (!(await revokeToken(db, id))) throw new FirnError('conflict', `token '${token.name}' was revoked before`)
      return shown(await tokenOrNotFound(id))
    },
  }
}

function shown({ id, name, scopes, created_at, expires_at, revoked_at, used_at }: TokenRow): ApiToken {
  return { id: Number(id), name, scopes: [...scopes], createdAt: created_at.toISOString(), expiresAt: expires_at?.toISOString() ?? null, revokedAt: revoked_at?.toISOString() ?? null, usedAt: used_at?.toISOString() ?? null }
}
