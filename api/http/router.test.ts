import assert from 'node:assert/strict'
import { after, before, mock, test } from 'node:test'
import { startTestApi, stopTemporal, type TestApi } from '../testing/api.ts'
import { createToken } from '../tokens.ts'

const PASSWORD = 'correct horse battery staple'
let farm: TestApi
before(async () => { farm = await startTestApi({ settings: { api: { access: 'token' } } }) })
after(async () => {
  mock.timers.reset()
  await farm.close()
  await stopTemporal()
})

test('a stream ends when its reader may no longer read it, and not before', async () => {
  const root = { authorization: `Bearer ${(await createToken(farm.dependencies.database.db, { name: 'root', scopes: ['administer'] })).text}` }
  assert.equal((await farm.send('PUT', '/api/v1/users/ada', { password: PASSWORD }, root)).status, 201)
  const { headers } = await farm.send('POST', '/api/v1/session', { name: 'ada', password: PASSWORD })
  const cookie = headers.get('set-cookie')!.split('; ')[0]!

  mock.timers.enable({ apis: ['setInterval'] })
  const { status, body } = await fetch(`${farm.api.url}/api/v1/events`, { headers: { cookie } })
  assert.equal(status, 200)
  const reader = body!.getReader()
  await reader.read()
  let ended = false
  const end = (async () => { while (!(await reader.read()).done); })().finally(() => { ended = true })
  end.catch(() => undefined)

  mock.timers.tick(10_000)
  // an answer to another request comes later than one to the stream's would
  assert.equal((await farm.get('/api/v1/status', { cookie })).status, 200)
  assert.equal(ended, false)

  assert.equal((await farm.send('DELETE', '/api/v1/session', undefined, { cookie })).status, 200)
  mock.timers.tick(10_000)
  await assert.rejects(end, /terminated/)
})
