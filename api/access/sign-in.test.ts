import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { sql } from 'kysely'
import type { AuditEntry, Session, User } from '../../contract/access.ts'
import { readCredential } from '../../state/credentials.ts'
import { startTestApi, stopTemporal, type TestApi } from '../testing/api.ts'
import { createToken } from '../tokens.ts'
import { Attempts } from './attempts.ts'
import { hashPassword, verifyPassword } from './passwords.ts'

const PASSWORD = 'correct horse battery staple'
let farm: TestApi
let root: Record<string, string>

before(async () => {
  farm = await startTestApi({ settings: { api: { access: 'token' } } })
  root = { authorization: `Bearer ${(await createToken(farm.dependencies.database.db, { name: 'root', scopes: ['administer'] })).text}` }
  for (const project of ['tools', 'other']) assert.equal((await farm.send('PUT', `/api/v1/projects/${project}`, {}, root)).status, 201)
})
after(async () => {
  await farm.close()
  await stopTemporal()
})

const put = async (name: string, fields: object = {}) => await farm.send('PUT', `/api/v1/users/${name}`, { password: PASSWORD, ...fields }, root)
async function signIn(name: string, password = PASSWORD): Promise<{ status: number; cookie: string; attributes: string; body: Session }> {
  const { status, headers, body } = await farm.send('POST', '/api/v1/session', { name, password })
  const [pair = '', ...attributes] = (headers.get('set-cookie') ?? '').split('; ')
  return { status, cookie: pair, attributes: attributes.join('; '), body: body as Session }
}

describe('a password', () => {
  test('signs in; the session is a cookie that scripts can\'t read', async () => {
    assert.equal((await put('ada', { displayName: 'Ada' })).status, 201)
    const { status, cookie, attributes, body } = await signIn('ada')
    assert.equal(status, 201)
    assert.match(cookie, /^firn_session=[\w-]{43}$/)
    assert.match(attributes, /^Path=\/; Max-Age=1209600; HttpOnly; SameSite=Lax$/)
    assert.deepEqual([body.kind, body.name, body.displayName, body.scopes, body.signIn], ['user', 'ada', 'Ada', ['read'], { password: true, openId: null }])
    assert.equal((await farm.get('/api/v1/builds', { cookie })).status, 200)
    assert.equal(((await farm.get('/api/v1/session', { cookie })).body as Session).name, 'ada')
    assert.equal(((await farm.get('/api/v1/session')).body as Session).kind, 'nobody')
  })

  test('that is wrong, and a name that nobody has, are answered alike', async () => {
    const [wrong, unknown] = [await farm.send('POST', '/api/v1/session', { name: 'ada', password: 'guess' }), await farm.send('POST', '/api/v1/session', { name: 'nobody', password: PASSWORD })]
    const words = ({ body }: { body: unknown }) => ({ ...(body as Record<string, unknown>), requestId: '' })
    assert.equal(wrong.status, 401)
    assert.deepEqual(words(wrong), words(unknown))
    assert.equal(wrong.headers.get('set-cookie'), null)
  })

  test('can be guessed five times, then the name has to wait, whatever the password', async () => {
    await put('eve')
    for (let guess = 0; guess < 5; guess++) assert.equal((await signIn('eve', 'guess')).status, 401)
    const { status, headers } = await farm.send('POST', '/api/v1/session', { name: 'eve', password: PASSWORD })
    assert.deepEqual([status, headers.get('retry-after')], [429, '1'])
    assert.equal((await signIn('ada')).status, 201, 'others need not wait')
    let now = 0
    const attempts = new Attempts(() => now)
    for (let guess = 0; guess < 10; guess++) attempts.failed('x')
    assert.throws(() => attempts.admit('x'), /try again in 32 seconds/)
    now = 32_001
    attempts.admit('x')
    for (let guess = 0; guess < 50; guess++) attempts.failed('x')
    assert.throws(() => attempts.admit('x'), /try again in 900 seconds/)
    attempts.succeeded('x')
    attempts.admit('x')
  })

  test('is kept as scrypt with a salt of its own', async () => {
    const [one, two] = [await hashPassword(PASSWORD), await hashPassword(PASSWORD)]
    assert.notEqual(one, two)
    assert.match(one, /^scrypt\$32768\$8\$1\$/)
    assert.deepEqual([await verifyPassword(PASSWORD, one), await verifyPassword('guess', one), await verifyPassword(PASSWORD, undefined), await verifyPassword('', '')], [true, false, false, false])
    const { rows } = await sql<{ all: string }>`select string_agg(u::text, '') || (select string_agg(s::text, '') from user_session s) as all from farm_user u`.execute(farm.dependencies.database.db)
    assert.ok(!rows[0]!.all.includes(PASSWORD))
    assert.ok(!rows[0]!.all.includes((await signIn('ada')).cookie.split('=')[1]!), 'nor a session\'s cookie')
  })

  test('is changed by its user, which ends the other sessions', async () => {
    await put('bob')
    const [one, two] = [await signIn('bob'), await signIn('bob')]
    const change = async (old: string, password: string, cookie: string) => await farm.send('PUT', '/api/v1/session/password', { old, new: password }, { cookie })
    assert.equal((await change('guess', 'another long password', one.cookie)).status, 401)
    assert.equal((await change(PASSWORD, 'short', one.cookie)).status, 400)
    const changed = await change(PASSWORD, 'another long password', one.cookie)
    assert.equal(changed.status, 200)
    assert.equal((await farm.get('/api/v1/builds', { cookie: changed.headers.get('set-cookie')!.split(';')[0]! })).status, 200)
    assert.equal((await farm.get('/api/v1/builds', { cookie: one.cookie })).status, 401)
    const { rows } = await sql<{ count: number }>`select count(*) as count from user_session s join farm_user u on u.id = s.user_id where u.name = 'bob'`.execute(farm.dependencies.database.db)
    assert.equal(rows[0]!.count, 1, two.cookie)
    assert.equal((await signIn('bob')).status, 401)
    assert.equal((await farm.send('PUT', '/api/v1/session/password', { old: 'x', new: 'another long password' }, root)).status, 409)
  })
})

describe('a session', () => {
  test('ends when one signs out, at once', async () => {
    const { cookie } = await signIn('ada')
    assert.equal((await farm.get('/api/v1/builds', { cookie })).status, 200)
    const out = await farm.send('DELETE', '/api/v1/session', undefined, { cookie })
    assert.deepEqual([out.status, (out.body as Session).kind], [200, 'nobody'])
    assert.match(out.headers.get('set-cookie')!, /^firn_session=; Path=\/; Max-Age=0/)
    assert.equal((await farm.get('/api/v1/builds', { cookie })).status, 401)
    assert.equal((await farm.send('DELETE', '/api/v1/session')).status, 200)
  })

  test('that has expired, or whose user is disabled, is none', async () => {
    const { db } = farm.dependencies.database
    await put('cas')
    const [expired, disabled] = [await signIn('cas'), await signIn('cas')]
    await sql`update user_session set expires_at = now() - interval '1 second' where hash = sha256(${expired.cookie.split('=')[1]!}::bytea)`.execute(db)
    assert.equal((await farm.get('/api/v1/builds', { cookie: expired.cookie })).status, 401)
    assert.equal((await farm.send('PUT', '/api/v1/users/cas', { disabled: true }, root)).status, 200)
    assert.equal((await farm.get('/api/v1/builds', { cookie: disabled.cookie })).status, 401)
    assert.equal((await signIn('cas')).status, 401)
  })

  test('is not used by pages of other sites', async () => {
    await put('dan', { administrator: true })
    const { cookie } = await signIn('dan')
    const make = async (origin: string) => (await farm.send('PUT', '/api/v1/projects/made', {}, { cookie, origin })).status
    assert.deepEqual([await make('https://evil.example.org'), await make('null'), await make(farm.api.url)], [403, 403, 201])
    assert.equal((await farm.send('POST', '/api/v1/session', { name: 'ada', password: PASSWORD }, { origin: 'https://evil.example.org' })).status, 403, 'nor begun by them')
  })
})

describe('roles', () => {
  test('allow in their project what they say, and nothing elsewhere', async () => {
    await put('fay')
    const { cookie } = await signIn('fay')
    const jobset = { source: { kind: 'expression', input: 'src', file: '' }, inputs: { src: { kind: 'git', url: 'https://git.example.org/x.git' } }, state: 'disabled' }
    const make = async (project: string) => (await farm.send('PUT', `/api/v1/projects/${project}/jobsets/trunk`, jobset, { cookie })).status
    assert.equal(await make('tools'), 403)
    const given = await farm.send('PUT', '/api/v1/projects/tools/roles/fay', { role: 'maintainer' }, root)
    assert.deepEqual([given.status, given.body], [200, { user: 'fay', displayName: '', role: 'maintainer' }])
    const { cookie: again, body } = await signIn('fay')
    assert.deepEqual(body.roles, [{ project: 'tools', scopes: ['read', 'restart', 'submit', 'configure'] }])
    assert.equal((await farm.send('PUT', '/api/v1/projects/tools/jobsets/trunk', jobset, { cookie: again })).status, 201)
    assert.equal((await farm.send('PUT', '/api/v1/projects/other/jobsets/trunk', jobset, { cookie: again })).status, 403)
    assert.equal((await farm.send('PUT', '/api/v1/projects/tools/roles/fay', { role: 'owner' }, { cookie: again })).status, 403, 'nobody raises themselves')
    assert.deepEqual((await farm.get('/api/v1/projects/tools/roles', { cookie })).body, { items: [{ user: 'fay', displayName: '', role: 'maintainer' }] })
    assert.equal((await farm.send('DELETE', '/api/v1/projects/tools/roles/fay', undefined, root)).status, 200)
    assert.equal((await farm.send('DELETE', '/api/v1/projects/tools/roles/fay', undefined, root)).status, 404)
  })

  test('an owner gives roles and sets credentials, whose secrets nobody sees', async () => {
    await put('gil')
    await farm.send('PUT', '/api/v1/projects/tools/roles/gil', { role: 'owner' }, root)
    const { cookie } = await signIn('gil')
    assert.equal((await farm.send('PUT', '/api/v1/projects/tools/roles/ada', { role: 'restarter' }, { cookie })).status, 200)
    const set = await farm.send('PUT', '/api/v1/projects/tools/credentials/forge', { username: 'robot', secret: 'hush' }, { cookie })
    assert.deepEqual([set.status, (set.body as { name: string }).name, JSON.stringify(set.body).includes('hush')], [200, 'forge', false])
    assert.doesNotMatch(JSON.stringify((await farm.get('/api/v1/projects/tools/credentials', { cookie })).body), /hush/)
    const { rows } = await sql<{ id: number }>`select id from project where name = 'tools'`.execute(farm.dependencies.database.db)
    assert.deepEqual(await readCredential(farm.dependencies, rows[0]!.id, 'forge'), { username: 'robot', secret: 'hush' })
    assert.equal((await farm.send('DELETE', '/api/v1/projects/tools/credentials/forge', undefined, { cookie })).status, 200)
    const audit = ((await farm.get('/api/v1/projects/tools/audit', { cookie })).body as { items: AuditEntry[] }).items
    assert.deepEqual(audit.slice(0, 3).map((one) => [one.principal, one.action, one.detail['credential'] ?? one.detail['user']]), [
      ['user gil', 'deleteCredential', 'forge'], ['user gil', 'putCredential', 'forge'], ['user gil', 'putRole', 'ada'],
    ])
    assert.equal((await farm.get('/api/v1/audit', { cookie })).status, 403)
  })
})

describe('the audit log', () => {
  test('has every change with who made it, and no secret; what was refused changed nothing', async () => {
    await put('hal')
    await farm.send('PUT', '/api/v1/projects/refused', {}, { cookie: (await signIn('hal')).cookie })
    await farm.send('PUT', '/api/v1/projects/wrong', { homepage: 3 }, root)
    const entries = ((await farm.get('/api/v1/audit?limit=1000', root)).body as { items: AuditEntry[] }).items
    assert.deepEqual(entries.map((one) => one.id), entries.map((one) => one.id).sort((a, b) => b - a))
    const made = entries.find((one) => one.action === 'putUser' && one.detail['user'] === 'hal')!
    assert.deepEqual([made.principal, made.project, (made.detail['body'] as Record<string, unknown>)['password']], ['token root', null, '(not written)'])
    assert.deepEqual(entries.filter((one) => ['refused', 'wrong'].includes(String(one.detail['project']))), [])
    assert.ok(!JSON.stringify(entries).includes(PASSWORD))
    const page = (await farm.get('/api/v1/audit?limit=2', root)).body as { items: AuditEntry[]; next: string }
    assert.deepEqual(((await farm.get(`/api/v1/audit?limit=1&cursor=${page.next}`, root)).body as { items: AuditEntry[] }).items[0]!.id < page.items[1]!.id, true)
  })
})

test('users are listed, replaced and deleted; their name goes with them', async () => {
  await put('ina', { email: 'ina@example.org' })
  const replaced = await farm.send('PUT', '/api/v1/users/ina', { displayName: 'Ina', administrator: true }, root)
  assert.deepEqual([replaced.status, (replaced.body as User).hasPassword, (replaced.body as User).email, (replaced.body as User).administrator], [200, true, null, true])
  assert.ok(((await farm.get('/api/v1/users', root)).body as { items: User[] }).items.some((one) => one.name === 'ina'))
  const { cookie } = await signIn('ina')
  assert.equal((await farm.send('DELETE', '/api/v1/users/ina', undefined, root)).status, 200)
  assert.equal((await farm.get('/api/v1/users', { cookie })).status, 401)
  assert.equal((await farm.get('/api/v1/users/ina', root)).status, 404)
})
