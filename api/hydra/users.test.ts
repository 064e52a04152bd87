import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { putUser } from '../../state/users.ts'
import { hashPassword } from '../access/passwords.ts'
import { startTestApi, stopTemporal, type TestApi } from '../testing/api.ts'

const PASSWORD = 'correct horse battery staple'
let farm: TestApi
before(async () => {
  farm = await startTestApi({ settings: { api: { access: 'token' } } })
  await putUser(farm.dependencies.database.db, 'joe', { displayName: 'Joe', email: null, administrator: true, disabled: false, password: await hashPassword(PASSWORD) })
})
after(async () => {
  await farm.close()
  await stopTemporal()
})

test('hydra-cli signs in under Hydra\'s address, and keeps the cookie', async () => {
  const login = async (password: string) => await fetch(`${farm.api.url}/login`, { method: 'POST', headers: { 'content-type': 'application/json', 'referer': farm.api.url }, body: JSON.stringify({ username: 'joe', password }), redirect: 'manual' })
  assert.equal((await login('guess')).status, 401)
  const response = await login(PASSWORD)
  assert.deepEqual([response.status, response.headers.get('location'), await response.json()], [302, '/current-user', { username: 'joe', fullname: 'Joe', emailaddress: '', userroles: ['admin'] }])
  const cookie = response.headers.get('set-cookie')!.split(';')[0]!
  assert.equal((await farm.get('/current-user', { cookie, 'content-type': 'application/json' })).status, 200)
  assert.equal((await farm.send('PUT', '/project/from-hydra-cli', { displayname: 'x', enabled: true, visible: true }, { cookie })).status, 201)
  assert.equal((await fetch(`${farm.api.url}/logout`, { method: 'POST', headers: { cookie } })).status, 204)
  assert.equal((await farm.get('/current-user', { cookie })).status, 401)
})
