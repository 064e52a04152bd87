/**
 * Who may call what: every principal against every route, of the tables that the server is made from. What is expected is written here anew, from
 * docs/design/jobsets.md; requests that are let in stop before the handler, so that nothing is changed.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import express from 'express'
import { sql } from 'kysely'
import { type RouteDefinition, ROUTES, type Scope } from '../../contract/api-routes.ts'
import { putRole, putUser, beginSession } from '../../state/users.ts'
import { authorisation, type Authorise } from '../http/authorise.ts'
import { answerErrors, exchangeOf, observe } from '../http/observe.ts'
import { HttpError } from '../http/problem.ts'
import { type Handlers, routerOf } from '../http/router.ts'
import { listen } from '../http/server.ts'
import { hydraRoutes, hydraRouteTable } from '../hydra/routes.ts'
import { addEvaluation, addJob, addNode } from '../testing/farm-rows.ts'
import { startTestApi, stopTemporal, type TestApi } from '../testing/api.ts'
import { createToken, TOKEN_SCOPES } from '../tokens.ts'
import { FORGES } from '../webhooks/forges.ts'
import { OpenIdSignIn } from './openid.ts'
import { SESSION_COOKIE } from './cookies.ts'
import { SignIn } from './sign-in.ts'

/** Answer of a route that was let in. */
const ADMITTED = 418
/** What needs nobody's leave. A route that is added here says so to who reviews it. */
const OPEN = ['getSession', 'healthz', 'metrics', 'openIdCallback', 'openIdSignIn', 'openapi', 'readyz', 'signIn', 'signOut', 'hydra get /prometheus', 'hydra post /login', 'hydra post /logout']
/** By role: what it may do in its project. */
const IN_PROJECT: Readonly<Record<string, readonly Scope[]>> = {
  restarter: ['read', 'restart'],
  submitter: ['read', 'restart', 'submit'],
  maintainer: ['read', 'restart', 'submit', 'configure'],
  owner: ['read', 'restart', 'submit', 'configure', 'administer', 'upload'],
}

interface Route {
  readonly name: string
  readonly method: string
  readonly path: string
  readonly scope: Scope
  readonly project: RouteDefinition['project']
}
interface Caller {
  readonly name: string
  readonly headers: Readonly<Record<string, string>>
  /** 401 without leave, rather than 403. */
  readonly unknown?: boolean
  may(route: Route): boolean
}

let farm: TestApi
let admitting: { readonly url: string; close(): Promise<void> }
const routes: Route[] = []
const callers: Caller[] = []

before(async () => {
  farm = await startTestApi({ settings: { api: { access: 'token' } } })
  const { dependencies: { database: { db }, settings } } = farm
  const projects = new Map<string, number>()
  for (const project of ['mine', 'other']) {
    const { rows } = await sql<{ project: number; jobset: number }>`
      with p as (insert into project (name, display_name) values (${project}, ${project}) returning id)
      insert into jobset (project_id, name, source) select id, 'trunk', '{"kind": "expression", "input": "src", "file": ""}' from p returning project_id as project, id as jobset`.execute(db)
    projects.set(project, rows[0]!.project)
    // evaluation and build 1 are of the project 'mine', 2 of the other
    const evaluation = await addEvaluation(db)
    await sql`update evaluation set jobset_id = ${rows[0]!.jobset} where id = ${evaluation}`.execute(db)
    await addJob(db, evaluation, 'hello', await addNode(db, { name: `hello-${project}`, state: 'queued' }))
  }

  // routes, with what is in the project 'mine' in the place of parameters
  const filled: Readonly<Record<string, string>> = { project: 'mine', jobset: 'trunk', id: '1', number: '1', user: 'ada', credential: 'forge', job: 'hello', metric: 'size', path: `${'0'.repeat(32)}-x`, system: 'x86_64-linux', keep: '1', step: '1', output: 'out', type: 'file', subtype: 'iso' }
  const fill = (path: string): string => path.replace(/\{\/\*rest\}/, '').replace(/\{(\w+)\}|:(\w+)/g, (_match, one: string | undefined, two: string | undefined) => {
    const value = filled[(one ?? two)!]
    assert.ok(value !== undefined, `no value for a parameter of ${path}`)
    return value
  })
  for (const [name, route] of Object.entries<RouteDefinition>(ROUTES)) routes.push({ name, method: route.method, path: fill(route.path), scope: route.scope, project: route.project })
  const signIn = new SignIn(farm.dependencies, new OpenIdSignIn(settings.signIn), () => undefined)
  for (const route of hydraRouteTable(farm.dependencies, signIn)) {
    const path = fill(route.path) + (route.project === 'named' ? '?jobsets=mine:trunk' : '')
    for (const method of route.method === 'post' ? ['post', 'put'] : [route.method]) if (path !== '/') routes.push({ name: `hydra ${method} ${route.path}`, method, path, scope: route.scope, project: route.project })
  }

  // callers
  const all = (): boolean => true
  callers.push({ name: 'nobody', headers: {}, unknown: true, may: ({ scope }) => scope === 'open' })
  callers.push({ name: 'a token that was made up', headers: { authorization: 'Bearer firn_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA' }, unknown: true, may: ({ scope }) => scope === 'open' })
  for (const scope of TOKEN_SCOPES) {
    const { text } = await createToken(db, { name: `${scope} everywhere`, scopes: [scope] })
    callers.push({ name: `token ${scope}`, headers: { authorization: `Bearer ${text}` }, may: (route) => route.scope === 'open' || scope === 'administer' || route.scope === 'read' || route.scope === scope })
    for (const [project, id] of projects) {
      const limited = await createToken(db, { name: `${scope} in ${project}`, scopes: [scope], projectId: id })
      callers.push({
        name: `token ${scope} in ${project}`, headers: { authorization: `Bearer ${limited.text}` },
        may: (route) => ['open', 'read'].includes(route.scope) || (project === 'mine' && route.project !== undefined && (scope === 'administer' || route.scope === scope)),
      })
    }
  }
  const asUser = async (name: string, administrator: boolean): Promise<{ readonly id: number; readonly headers: Record<string, string> }> => {
    const { user } = await putUser(db, name, { displayName: '', email: null, administrator, disabled: false })
    return { id: user.id, headers: { cookie: `${SESSION_COOKIE}=${(await beginSession(db, user.id, 1)).text}` } }
  }
  callers.push({ name: 'administrator', headers: (await asUser('administrator', true)).headers, may: all })
  callers.push({ name: 'user without a role', headers: (await asUser('reader', false)).headers, may: ({ scope }) => ['open', 'read'].includes(scope) })
  for (const role of ['restarter', 'submitter', 'maintainer', 'owner'] as const) {
    for (const [project, id] of projects) {
      const user = await asUser(`${role}-of-${project}`, false)
      await putRole(db, id, user.id, role)
      callers.push({ name: `${role} of ${project}`, headers: user.headers, may: (route) => ['open', 'read'].includes(route.scope) || (project === 'mine' && route.project !== undefined && IN_PROJECT[role]!.includes(route.scope)) })
    }
  }
  // a token of a user: the lesser of both
  const restarter = await asUser('restarter', false)
  await putRole(db, projects.get('mine')!, restarter.id, 'restarter')
  const owned = await createToken(db, { name: 'of a restarter', scopes: ['restart', 'configure', 'submit'], userId: restarter.id })
  callers.push({ name: 'token of a restarter', headers: { authorization: `Bearer ${owned.text}` }, may: ({ scope, project }) => ['open', 'read'].includes(scope) || (project !== undefined && scope === 'restart') })
  const gone = await asUser('gone', true)
  await putUser(db, 'gone', { displayName: '', email: null, administrator: true, disabled: true })
  callers.push({ name: 'user who was disabled', headers: gone.headers, unknown: true, may: ({ scope }) => scope === 'open' })

  // the server's own routers, whose admission is the real one and then stops
  const { authorise } = authorisation(farm.dependencies)
  const stopping: Authorise = async (request, route) => {
    await authorise(request, route)
    throw new HttpError(ADMITTED, 'conflict', 'let in')
  }
  const reached = (): Promise<never> => Promise.reject(new Error('a handler was reached'))
  const app = express()
  app.set('query parser', 'simple')
  app.use(observe(farm.dependencies.logger, farm.dependencies.metrics, new AbortController().signal))
  app.use(routerOf(Object.fromEntries(Object.keys(ROUTES).map((name) => [name, reached])) as unknown as Handlers, { authorise: stopping, audit: reached, checkResponses: true, exchangeOf }))
  app.use(hydraRoutes(farm.dependencies, { authorise: stopping, audit: reached, signIn }))
  app.use(answerErrors(farm.dependencies.logger))
  const listener = await listen(app, { address: '127.0.0.1', port: 0, preferredPorts: [], certificate: undefined, key: undefined })
  admitting = { url: listener.url, close: () => listener.close(1000) }
})
after(async () => {
  await admitting.close()
  await farm.close()
  await stopTemporal()
})

async function ask(base: string, { method, path }: Route, headers: Readonly<Record<string, string>>): Promise<number> {
  const response = await fetch(base + path, { method: method.toUpperCase(), headers: { accept: 'application/json', ...headers }, redirect: 'manual' })
  await response.arrayBuffer()
  return response.status
}

describe('every caller against every route', () => {
  test('is let in or refused as its scopes and roles say', async (context) => {
    const wrong: string[] = []
    let asked = 0
    for (const caller of callers) {
      await Promise.all(routes.map(async (route) => {
        const status = await ask(admitting.url, route, caller.headers)
        const expected = caller.may(route) ? ADMITTED : caller.unknown ? 401 : 403
        asked++
        if (status !== expected) wrong.push(`${caller.name}: ${route.name} (${route.scope}${route.project === undefined ? '' : ` in its project`}): ${status}, not ${expected}`)
      }))
    }
    context.diagnostic(`${callers.length} callers, ${routes.length} routes, ${asked} requests`)
    assert.deepEqual(wrong, [])
  })

  test('who is refused is refused by the running server, before anything else of the request is looked at', async () => {
    const wrong: string[] = []
    for (const caller of callers.filter(({ name }) => ['nobody', 'token read', 'user without a role', 'owner of other', 'user who was disabled'].includes(name))) {
      await Promise.all(routes.filter((route) => !caller.may(route)).map(async (route) => {
        const status = await ask(farm.api.url, route, caller.headers)
        if (status !== (caller.unknown ? 401 : 403)) wrong.push(`${caller.name}: ${route.name}: ${status}`)
      }))
    }
    assert.deepEqual(wrong, [])
  })
})

test('what is open to nobody in particular is known', () => {
  assert.deepEqual(routes.filter((route) => route.scope === 'open').map((route) => route.name).filter((name) => !name.startsWith('hydra put')).sort(), [...OPEN].sort())
})

test('forges\' messages need a signature, whoever sends them', async () => {
  for (const forge of FORGES) {
    for (const caller of callers) {
      const response = await fetch(`${farm.api.url}/api/push-${forge}`, { method: 'POST', headers: { 'content-type': 'application/json', ...caller.headers }, body: '{}' })
      assert.equal(response.status, 401, `${forge}, ${caller.name}`)
    }
  }
})

test('jobsets of several projects that are named in one request need leave in each', async () => {
  const owner = callers.find((caller) => caller.name === 'owner of mine')!
  const push = async (query: string): Promise<number> => await ask(admitting.url, { name: '', method: 'put', path: `/api/push?${query}`, scope: 'submit', project: 'named' }, owner.headers)
  assert.deepEqual(await Promise.all(['jobsets=mine:trunk', 'jobsets=mine:trunk,other:trunk', 'jobsets=other:trunk', 'jobsets=mine:trunk&repos=x', 'repos=x', ''].map(push)), [ADMITTED, 403, 403, 403, 403, 403])
})

describe('a cache that is not open', () => {
  test('is read by who may read', async () => {
    const closed = await startTestApi({ settings: { api: { access: 'token' }, cache: { open: false } }, motion: farm.dependencies.motion })
    try {
      const { text } = await createToken(closed.dependencies.database.db, { name: 'x', scopes: ['restart'] })
      assert.equal((await closed.get('/nix-cache-info')).status, 401)
      assert.equal((await closed.get('/nix-cache-info', { authorization: `Basic ${Buffer.from(`x:${text}`).toString('base64')}` })).status, 200)
    } finally {
      await closed.close()
    }
  })
})
