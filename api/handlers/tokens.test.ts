import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { sql } from 'kysely'
import type { ApiToken } from '../../contract/token-routes.ts'
import { startTestApi, stopTemporal, type TestApi } from '../testing/api.ts'
import { createToken } from '../tokens.ts'

describe('tokens over the API', () => {
  let farm: TestApi
  let administrator: Record<string, string>
  before(async () => {
    farm = await startTestApi({ settings: { api: { access: 'token' } } })
    administrator = { authorization: `Bearer ${(await createToken(farm.dependencies.database.db, { name: 'first', scopes: ['administer'] })).text}` }
  })
  after(async () => {
    await farm.close()
    await stopTemporal()
  })

  it('are made, used, listed and revoked', async () => {
    const made = await farm.send('POST', '/api/v1/tokens', { name: ' ci ', scopes: ['submit', 'submit', 'restart'], days: 30 }, administrator)
    assert.equal(made.status, 201, JSON.stringify(made.body))
    assert.equal(made.headers.get('cache-control'), 'no-store')
    const { token, text } = made.body as { token: ApiToken; text: string }
    assert.deepEqual([token.name, token.scopes, Math.round((Date.parse(token.expiresAt!) - Date.now()) / 86_400_000)], ['ci', ['submit', 'restart'], 30])
    const { rows } = await sql<{ hash: Buffer }>`select hash from api_token where id = ${token.id}`.execute(farm.dependencies.database.db)
    assert.deepEqual(rows[0]!.hash, createHash('sha256').update(text).digest(), 'only a hash is kept')

    assert.equal((await farm.get('/api/v1/status', { authorization: `Bearer ${text}` })).status, 200)
    const listed = ((await farm.get('/api/v1/tokens', administrator)).body as { items: ApiToken[] }).items
    assert.deepEqual(listed.map((one) => [one.name, one.usedAt !== null, one.revokedAt]), [['ci', true, null], ['first', true, null]])
    assert.ok(!JSON.stringify(listed).includes(text.slice(5)))

    const revoked = await farm.send('DELETE', `/api/v1/tokens/${token.id}`, undefined, administrator)
    assert.deepEqual([revoked.status, (revoked.body as ApiToken).revokedAt !== null], [200, true])
    assert.equal((await farm.send('DELETE', `/api/v1/tokens/${token.id}`, undefined, administrator)).status, 409)
    assert.equal((await farm.send('DELETE', '/api/v1/tokens/99999', undefined, administrator)).status, 404)
  })

  it('are nothing for who may not administer', async () => {
    const { text } = await createToken(farm.dependencies.database.db, { name: 'all but', scopes: ['read', 'submit', 'restart', 'upload', 'configure'] })
    for (const [method, path, body] of [['GET', '/api/v1/tokens'], ['POST', '/api/v1/tokens', { name: 'x', scopes: ['administer'] }], ['DELETE', '/api/v1/tokens/1']] as const) {
      const { status, body: problem } = await farm.send(method, path, body, { authorization: `Bearer ${text}` })
      assert.equal(status, 403)
      assert.match((problem as { detail: string }).detail, /lacks the scope 'administer'/)
      assert.equal((await farm.send(method, path, body)).status, 401)
    }
    for (const body of [{ name: '', scopes: ['read'] }, { name: 'x', scopes: [] }, { name: 'x', scopes: ['everything'] }, { name: 'x', scopes: ['read'], days: 0 }]) {
      assert.equal((await farm.send('POST', '/api/v1/tokens', body, administrator)).status, 400, JSON.stringify(body))
    }
  })
})
