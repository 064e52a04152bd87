/** Signing in at a real OpenID Connect provider, by the steps of a browser. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { after, before, describe, test } from 'node:test'
import Provider from 'oidc-provider'
import type { Session, User } from '../../contract/access.ts'
import { freePort } from '../../infra/embedded/ports.ts'
import { startTestApi, stopTemporal, type TestApi } from '../testing/api.ts'
import { createToken } from '../tokens.ts'

let farm: TestApi
let server: Server
let issuer: string
let root: Record<string, string>

before(async () => {
  const [providerPort, farmPort] = [await freePort(), await freePort()]
  issuer = `http://127.0.0.1:${providerPort}`
  farm = await startTestApi({ settings: { api: { access: 'token', port: farmPort }, signIn: { issuer, clientId: 'firn', clientSecret: 'known to both', title: 'Team account' } } })
  const provider = new Provider(issuer, {
    clients: [{ client_id: 'firn', client_secret: 'known to both', redirect_uris: [`${farm.api.url}/api/v1/session/openid/callback`] }],
    claims: { openid: ['sub'], profile: ['name', 'preferred_username'], email: ['email'] },
    findAccount: (_context, id) => ({ accountId: id, claims: () => ({ sub: id, name: `${id} of the team`, preferred_username: id, email: `${id}@example.org` }) }),
    cookies: { keys: ['of the test'] },
  })
  server = createServer(provider.callback())
  server.listen(providerPort, '127.0.0.1')
  await once(server, 'listening')
  root = { authorization: `Bearer ${(await createToken(farm.dependencies.database.db, { name: 'root', scopes: ['administer'] })).text}` }
})
after(async () => {
  server.closeAllConnections()
  server.close()
  await farm.close()
  await stopTemporal()
})

/** A browser: follows redirections, keeps cookies, and fills in the provider's forms. */
class Browser {
  readonly #cookies = new Map<string, Map<string, string>>()
  readonly visited: string[] = []

  cookie(url: string): string {
    return [...this.#cookies.get(new URL(url).host) ?? []].map(([name, value]) => `${name}=${value}`).join('; ')
  }

  async go(url: string, form?: Readonly<Record<string, string>>): Promise<Response> {
    this.visited.push(new URL(url).pathname)
    const { host } = new URL(url)
    const response = await fetch(url, { redirect: 'manual', headers: { cookie: this.cookie(url) }, ...(form === undefined ? {} : { method: 'POST', body: new URLSearchParams(form) }) })
    const jar = this.#cookies.get(host) ?? new Map<string, string>()
    this.#cookies.set(host, jar)
    for (const line of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line)!
      if (/max-age=0|expires=Thu, 01 Jan 1970/i.test(line)) jar.delete(name!)
      else jar.set(name!, value!)
    }
    const to = response.headers.get('location')
    return to === null || (host === new URL(farm.api.url).host && to.startsWith('/ui/')) ? response : await this.go(new URL(to, url).href)
  }

  /** To the page after signing in, or the answer that it ended with. */
  async signIn(name: string, to = '/ui/queue'): Promise<Response> {
    let response = await this.go(`${farm.api.url}/api/v1/session/openid?to=${encodeURIComponent(to)}`)
    for (let forms = 0; forms < 4 && response.url.startsWith(issuer); forms++) {
      const page = await response.text()
      const action = /<form[^>]*action="([^"]+)"/.exec(page)?.[1]
      assert.ok(action, page)
      response = await this.go(new URL(action, issuer).href, /name="login"/.test(page) ? { prompt: 'login', login: name, password: 'any' } : { prompt: 'consent' })
    }
    return response
  }
}

const sessionOf = async (browser: Browser): Promise<Session> => (await farm.get('/api/v1/session', { cookie: browser.cookie(farm.api.url) })).body as Session

describe('who the provider vouches for', () => {
  test('is a user without a role, and comes back to the page they left', async () => {
    assert.deepEqual(((await farm.get('/api/v1/session')).body as Session).signIn, { password: false, openId: { title: 'Team account' } })
    const browser = new Browser()
    const response = await browser.signIn('ada')
    assert.deepEqual([response.status, response.headers.get('location')], [302, '/ui/queue'])
    const session = await sessionOf(browser)
    assert.deepEqual([session.kind, session.name, session.displayName, session.scopes], ['user', 'ada', 'ada of the team', ['read']])
    const user = (await farm.get('/api/v1/users/ada', root)).body as User
    assert.deepEqual([user.subject, user.email, user.hasPassword, user.administrator], [`${issuer} ada`, 'ada@example.org', false, false])
    assert.doesNotMatch(browser.cookie(farm.api.url), /firn_openid/, 'what was remembered on the way is gone')
  })

  test('is the same user the next time, with the roles they were given', async () => {
    await farm.send('PUT', '/api/v1/projects/tools', {}, root)
    await farm.send('PUT', '/api/v1/projects/tools/roles/ada', { role: 'submitter' }, root)
    const browser = new Browser()
    await browser.signIn('ada')
    assert.deepEqual((await sessionOf(browser)).roles, [{ project: 'tools', scopes: ['read', 'restart', 'submit'] }])
  })

  test('does not become a user of the same name who was there before, until an administrator says so', async () => {
    await farm.send('PUT', '/api/v1/users/bob', { password: 'correct horse battery' }, root)
    const browser = new Browser()
    const refused = await browser.signIn('bob')
    assert.equal(refused.status, 403)
    assert.match(await refused.text(), /there is a user 'bob' already/)
    assert.equal((await sessionOf(browser)).kind, 'nobody')
    assert.equal((await farm.send('PUT', '/api/v1/users/bob', { subject: `${issuer} bob` }, root)).status, 200)
    const again = new Browser()
    assert.equal((await again.signIn('bob')).status, 302)
    assert.equal((await sessionOf(again)).name, 'bob')
  })

  test('is refused when disabled', async () => {
    await farm.send('PUT', '/api/v1/users/ada', { disabled: true }, root)
    assert.equal((await new Browser().signIn('ada')).status, 403)
  })
})

describe('an answer', () => {
  test('that another browser began, or that nobody asked for, is refused', async () => {
    const callback = `${farm.api.url}/api/v1/session/openid/callback`
    assert.equal((await fetch(`${callback}?code=x&state=y`, { redirect: 'manual' })).status, 401)
    const began = new Browser()
    await began.go(`${farm.api.url}/api/v1/session/openid`)
    assert.equal((await fetch(`${callback}?code=x&state=guess`, { redirect: 'manual', headers: { cookie: began.cookie(farm.api.url) } })).status, 401)
  })

  test('leads nowhere but to the farm\'s own pages', async () => {
    for (const to of ['https://evil.example.org/', '//evil.example.org', '/ui/\\evil', '/api/v1/session']) assert.equal((await farm.get(`/api/v1/session/openid?to=${encodeURIComponent(to)}`)).status, 400, to)
  })
})

test('without a provider there is none', async () => {
  const plain = await startTestApi({ motion: farm.dependencies.motion })
  try {
    assert.equal((await plain.get('/api/v1/session/openid')).status, 404)
  } finally {
    await plain.close()
  }
})
