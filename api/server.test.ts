import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { after, before, describe, test } from 'node:test'
import { sql } from 'kysely'
import { request as undici } from 'undici'
import type { Build, BuildDetail, Evaluation, FarmStatus, Job, Problem, QueueEntry, Worker } from '../contract/api.ts'
import { ROUTES } from '../contract/api-routes.ts'
import { addLogChunk } from '../state/logs.ts'
import { registerWorker } from '../state/workers.ts'
import { startTestApi, stopTemporal, type TestApi } from './testing/api.ts'
import { addAttempt, addEvaluation, addInput, addJob, addNode } from './testing/farm-rows.ts'
import { createToken, revokeToken, TOKEN_SCOPES } from './tokens.ts'

let farm: TestApi
before(async () => { farm = await startTestApi() })
after(async () => {
  await farm.close()
  await stopTemporal()
})
const SUBMISSION = { source: { kind: 'expression', text: '{ a = 1; }', basePath: '/tmp' } }
const dbOf = () => farm.dependencies.database.db

describe('submissions', () => {
  test('an evaluation is recorded with defaults filled in, started, listed and shown', async () => {
    const { status, body, headers } = await farm.send('POST', '/api/v1/evaluations', SUBMISSION)
    const evaluation = body as Evaluation
    assert.equal(status, 201)
    assert.equal(headers.get('location'), `/api/v1/evaluations/${evaluation.id}`)
    assert.equal(evaluation.request.priority, 3)
    assert.equal(evaluation.request.settings.mode, 'restricted')
    assert.ok((await farm.dependencies.motion.running()).has(`evaluation:${evaluation.id}`), 'its workflow runs')
    const { nodes, ...shown } = (await farm.get(`/api/v1/evaluations/${evaluation.id}`)).body as Evaluation
    assert.deepEqual(shown, evaluation)
    assert.deepEqual(nodes, { waiting: 0, queued: 0, running: 0, succeeded: 0, failed: 0 })
    const list = (await farm.get('/api/v1/evaluations?limit=1')).body as { items: Evaluation[] }
    assert.equal(list.items[0]!.id, evaluation.id)
  })

  test('an idempotency key gives the same evaluation again, and refuses another request', async () => {
    const first = await farm.send('POST', '/api/v1/evaluations', SUBMISSION, { 'idempotency-key': 'release-1' })
    const again = await farm.send('POST', '/api/v1/evaluations', SUBMISSION, { 'idempotency-key': 'release-1' })
    assert.deepEqual([first.status, again.status], [201, 200])
    assert.equal((again.body as Evaluation).id, (first.body as Evaluation).id)
    const other = await farm.send('POST', '/api/v1/evaluations', { ...SUBMISSION, dryRun: true }, { 'idempotency-key': 'release-1' })
    assert.equal(other.status, 409)
    assert.equal((other.body as Problem).kind, 'conflict')
  })

  test('what does not fit is told field by field', async () => {
    const { status, body, headers } = await farm.send('POST', '/api/v1/evaluations', { source: { kind: 'expression', text: 5 }, priority: 9 })
    assert.equal(status, 400)
    assert.match(headers.get('content-type')!, /^application\/problem\+json/)
    const paths = (body as Problem).issues!.map(({ path }) => path).sort()
    assert.deepEqual(paths, ['body.priority', 'body.source.basePath', 'body.source.text'])
  })

  test('malformed JSON, other types, and too much are refused with their own status', async () => {
    const send = (body: string, type: string) => fetch(`${farm.api.url}/api/v1/evaluations`, { method: 'POST', headers: { 'content-type': type }, body })
    assert.equal((await send('{', 'application/json')).status, 400)
    assert.equal((await send('{}', 'text/plain')).status, 415)
    assert.equal((await send(JSON.stringify({ text: 'x'.repeat(9_000_000) }), 'application/json')).status, 413)
    assert.equal((await farm.send('DELETE', '/api/v1/evaluations')).status, 405)
    assert.equal((await farm.send('DELETE', '/api/v1/evaluations')).headers.get('allow'), 'GET, HEAD, OPTIONS, POST')
    assert.equal((await farm.get('/api/v1/nothing')).status, 404)
    assert.equal((await farm.get('/api/v1/evaluations?colour=red')).status, 400)
    assert.equal((await farm.get('/api/v1/evaluations/seven')).status, 404)
    assert.equal((await farm.get('/api/v1/evaluations?cursor=!!!')).status, 400)
  })

  test('paths that were not uploaded, and files of the machine, are refused', async () => {
    const derivations = await farm.send('POST', '/api/v1/evaluations', { source: { kind: 'derivations', drvPaths: ['/nix/store/00000000000000000000000000000000-x.drv'] } })
    assert.equal(derivations.status, 422)
    assert.match((derivations.body as Problem).detail, /upload them first/)
    assert.equal((await farm.send('POST', '/api/v1/evaluations', { source: { kind: 'file', path: '/etc/passwd' } })).status, 403)
  })

  test('an evaluation can be waited for, and cancelled; what has ended cannot be cancelled again', async () => {
    const { id } = (await farm.send('POST', '/api/v1/evaluations', SUBMISSION)).body as Evaluation
    const waiting = farm.get(`/api/v1/evaluations/${id}/wait?timeout=20`)
    await sleep(100)
    const cancelled = await farm.send('POST', `/api/v1/evaluations/${id}/cancel`)
    assert.equal(cancelled.status, 202)
    assert.equal(((await waiting).body as Evaluation).state, 'cancelled')
    assert.equal((await farm.send('POST', `/api/v1/evaluations/${id}/cancel`)).status, 409)
    assert.ok(!(await farm.dependencies.motion.running()).has(`evaluation:${id}`), 'its workflow is gone')
    const retried = await farm.send('POST', `/api/v1/evaluations/${id}/retry`)
    assert.equal(retried.status, 202)
    await farm.send('POST', `/api/v1/evaluations/${id}/cancel`)
  })

  test('waiting ends with the time, in whatever state', async () => {
    const id = await addEvaluation(dbOf(), 'building')
    const started = performance.now()
    assert.equal(((await farm.get(`/api/v1/evaluations/${id}/wait?timeout=1`)).body as Evaluation).state, 'building')
    assert.ok(performance.now() - started >= 990)
  })
})

describe('jobs and builds', () => {
  const ids: { evaluation: number; leaf: number; middle: number } = { evaluation: 0, leaf: 0, middle: 0 }

  before(async () => {
    const db = dbOf()
    const cause = { kind: 'builder-failed', exitCode: 2 } as const
    const leaf = await addNode(db, { name: 'zlib', state: 'failed', outcome: { status: 'failed', cause, cached: true, logTail: ['cc: error', 'make: *** [all] Error 1'] } })
    const middle = await addNode(db, { name: 'curl', state: 'failed', outcome: { status: 'failed', cached: false, cause: { kind: 'dependency-failed', node: leaf.key, buildId: leaf.id, name: 'zlib', cause } } })
    const done = await addNode(db, { name: 'hello', state: 'succeeded', outcome: { status: 'succeeded', how: 'built' } })
    await addInput(db, middle.key, leaf.key)
    await addInput(db, middle.key, done.key)
    ids.evaluation = await addEvaluation(db, 'failed')
    await addJob(db, ids.evaluation, 'curl', middle)
    await addJob(db, ids.evaluation, 'hello', done)
    await addJob(db, ids.evaluation, 'broken', { error: 'undefined variable \'foo\'' })
    ids.leaf = leaf.id
    ids.middle = middle.id
    await addAttempt(db, leaf.id, { number: 1, ended: true, outcome: { status: 'fault', kind: 'killed', message: 'its worker did not report back' } })
    await addAttempt(db, leaf.id, { number: 2, worker: 'w2', ended: true, outcome: { status: 'failed', cause, cached: true } })
  })

  test('an evaluation counts its jobs by state', async () => {
    const { jobs } = (await farm.get(`/api/v1/evaluations/${ids.evaluation}`)).body as Evaluation
    assert.deepEqual(jobs, { total: 3, errors: 1, found: 0, waiting: 0, queued: 0, running: 0, succeeded: 1, failed: 1 })
  })

  test('jobs are paged by attribute, filtered by state and prefix, and name the build at fault with its last lines', async () => {
    const first = (await farm.get(`/api/v1/evaluations/${ids.evaluation}/jobs?limit=2`)).body as { items: Job[]; next: string }
    assert.deepEqual(first.items.map(({ attr, state }) => [attr, state]), [['broken', 'error'], ['curl', 'failed']])
    assert.deepEqual(first.items[0]!.position, { file: '/x.nix', line: 3, column: 5 })
    assert.equal(first.items[1]!.fault!.buildId, ids.leaf)
    assert.equal(first.items[1]!.fault!.description, 'builder failed with exit code 2')
    assert.deepEqual(first.items[1]!.fault!.logTail, ['cc: error', 'make: *** [all] Error 1'])
    const second = (await farm.get(`/api/v1/evaluations/${ids.evaluation}/jobs?limit=2&cursor=${first.next}`)).body as { items: Job[]; next: null }
    assert.deepEqual([second.items.map(({ attr }) => attr), second.next], [['hello'], null])
    const failed = (await farm.get(`/api/v1/evaluations/${ids.evaluation}/jobs?state=failed`)).body as { items: Job[] }
    assert.deepEqual(failed.items.map(({ attr }) => attr), ['curl'])
    const prefixed = (await farm.get(`/api/v1/evaluations/${ids.evaluation}/jobs?prefix=h%25`)).body as { items: Job[] }
    assert.deepEqual(prefixed.items, [])
  })

  test('a build tells its attempts, its neighbours, and the build at fault', async () => {
    const leaf = (await farm.get(`/api/v1/builds/${ids.leaf}`)).body as BuildDetail
    assert.deepEqual(leaf.attemptList.map(({ number, worker, cause }) => [number, worker, cause?.kind]), [[2, 'w2', 'builder-failed'], [1, 'w1', 'fault']])
    assert.deepEqual([leaf.cachedFailure, leaf.dependents, leaf.fault!.buildId], [true, 1, ids.leaf])
    const middle = (await farm.get(`/api/v1/builds/${ids.middle}`)).body as BuildDetail
    assert.deepEqual(middle.inputs, { total: 2, waiting: 0, queued: 0, running: 0, succeeded: 1, failed: 1 })
    assert.deepEqual([middle.fault!.name, middle.cachedFailure, middle.evaluations], ['zlib', false, [ids.evaluation]])
    const inputs = (await farm.get(`/api/v1/builds/${ids.middle}/inputs?limit=1`)).body as { items: Build[]; next: string }
    assert.deepEqual([inputs.items.map(({ name }) => name), inputs.next !== null], [['zlib'], true])
    const dependents = (await farm.get(`/api/v1/builds/${ids.leaf}/dependents`)).body as { items: Build[] }
    assert.deepEqual(dependents.items.map(({ name }) => name), ['curl'])
  })

  test('builds are found by state, name, evaluation and path', async () => {
    const names = async (query: string): Promise<string[]> => ((await farm.get(`/api/v1/builds?${query}`)).body as { items: Build[] }).items.map(({ name }) => name)
    const leaf = (await farm.get(`/api/v1/builds/${ids.leaf}`)).body as BuildDetail
    assert.deepEqual(await names(`path=${leaf.drvPath}`), ['zlib'])
    assert.deepEqual(await names(`path=${leaf.outputs['out']}`), ['zlib'])
    assert.deepEqual(await names(`evaluation=${ids.evaluation}`), ['hello', 'curl'])
    assert.deepEqual(await names(`evaluation=${ids.evaluation}&state=succeeded`), ['hello'])
    assert.deepEqual(await names('name=zlib'), ['zlib'])
    assert.deepEqual(await names('system=riscv64-linux'), [])
  })

  test('a retry of a failed dependency runs the build at fault, and revives what failed because of it', async () => {
    const { status, body } = await farm.send('POST', `/api/v1/builds/${ids.middle}/retry`)
    assert.equal(status, 202)
    assert.deepEqual((body as { builds: number[] }).builds.sort(), [ids.leaf, ids.middle].sort())
    assert.equal((await farm.send('POST', '/api/v1/builds/999999/retry')).status, 404)
  })
})

describe('logs', () => {
  const text = Array.from({ length: 300 }, (_, line) => `line ${line} – é\n`).join('')

  async function buildWithLog(ended: boolean): Promise<{ id: number; attempt: number }> {
    const node = await addNode(dbOf(), { name: 'logged', state: ended ? 'succeeded' : 'running', ...(ended && { outcome: { status: 'succeeded', how: 'built' } as const }) })
    const attempt = await addAttempt(dbOf(), node.id, { ended })
    const bytes = Buffer.from(text)
    for (let start = 0, seq = 0; start < bytes.length; start += 999, seq++) await addLogChunk(dbOf(), attempt, seq, start, bytes.subarray(start, start + 999))
    return { id: node.id, attempt }
  }

  test('a log is served whole, by range, by tail, and not again when the client has it', async () => {
    const { id } = await buildWithLog(true)
    const whole = await farm.get(`/api/v1/builds/${id}/log`)
    assert.equal(whole.body, text)
    assert.equal(whole.headers.get('content-length'), String(Buffer.byteLength(text)))
    const range = await farm.get(`/api/v1/builds/${id}/log`, { range: 'bytes=1000-1009' })
    assert.deepEqual([range.status, range.headers.get('content-range')], [206, `bytes 1000-1009/${Buffer.byteLength(text)}`])
    assert.equal(range.body, Buffer.from(text).subarray(1000, 1010).toString())
    assert.equal((await farm.get(`/api/v1/builds/${id}/log`, { range: 'bytes=999999-' })).status, 416)
    assert.equal((await farm.get(`/api/v1/builds/${id}/log?tail=2`)).body, 'line 298 – é\nline 299 – é\n')
    assert.equal((await farm.get(`/api/v1/builds/${id}/log`, { 'if-none-match': whole.headers.get('etag')! })).status, 304)
    assert.equal((await farm.get(`/api/v1/builds/${id}/log?attempt=7`)).status, 404)
  })

  test('a log that grows is followed to its end, as text and as events that can be resumed', async () => {
    const { id, attempt } = await buildWithLog(false)
    const followed = farm.get(`/api/v1/builds/${id}/log?follow=true&tail=1`)
    const events = await fetch(`${farm.api.url}/api/v1/builds/${id}/log?follow=true`, { headers: { accept: 'text/event-stream' } })
    const position = Buffer.byteLength(text)
    await sleep(250)
    const late = Buffer.from('late ü')
    // a character in two chunks
    await addLogChunk(dbOf(), attempt, 1000, position, late.subarray(0, 6))
    await sleep(250)
    await addLogChunk(dbOf(), attempt, 1001, position + 6, late.subarray(6))
    await sql`update attempt set ended_at = now() where id = ${attempt}`.execute(dbOf())
    await sql`update node set state = 'succeeded', outcome = '{"status": "succeeded", "how": "built"}' where id = ${id}`.execute(dbOf())
    assert.equal((await followed).body, 'line 299 – é\nlate ü')
    const stream = await events.text()
    const parsed = [...stream.matchAll(/id: (\d+)\nevent: (\w+)\ndata: (.*)/g)].map(([, eventId, event, data]) => ({ eventId: eventId!, event, text: (JSON.parse(data!) as { text?: string }).text }))
    assert.equal(parsed.map((one) => one.text ?? '').join(''), `${text}late ü`)
    assert.equal(parsed.at(-1)!.event, 'end')
    const resumed = await fetch(`${farm.api.url}/api/v1/builds/${id}/log`, { headers: { 'accept': 'text/event-stream', 'last-event-id': parsed.at(-3)!.eventId } })
    const rest = [...(await resumed.text()).matchAll(/event: log\ndata: (.*)/g)].map(([, data]) => (JSON.parse(data!) as { text: string }).text).join('')
    assert.equal(rest, `${text}late ü`.slice(parsed.slice(0, -2).map((one) => one.text ?? '').join('').length))
  })

  test('a build that nothing has set out to realise has no log', async () => {
    const node = await addNode(dbOf(), { name: 'unbuilt' })
    const { status, body } = await farm.get(`/api/v1/builds/${node.id}/log`)
    assert.deepEqual([status, (body as Problem).kind], [404, 'not-found'])
  })
})

describe('events', () => {
  const insert = (evaluationId: number, text: string) => sql`insert into event (evaluation_id, kind, data) values (${evaluationId}, 'test', ${JSON.stringify({ text })})`

  async function texts(response: Response, count: number): Promise<{ texts: string[]; last: string }> {
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
    let buffer = ''
    const found: { id: string; text: string }[] = []
    while (found.length < count) {
      const { value, done } = await reader.read()
      if (done) break
      buffer += value
      found.length = 0
      for (const [, id, data] of buffer.matchAll(/id: (\S+)\nevent: test\ndata: (.*)\n\n/g)) found.push({ id: id!, text: (JSON.parse(data!) as { data: { text: string } }).data.text })
    }
    await reader.cancel()
    return { texts: found.slice(0, count).map(({ text }) => text), last: found[count - 1]?.id ?? '' }
  }

  test('a transaction that commits late loses nothing, and who resumes gets each event once', async () => {
    const id = await addEvaluation(dbOf())
    const url = `${farm.api.url}/api/v1/evaluations/${id}/events`
    const stream = await fetch(url)
    // the first to write is the last to commit
    const slow = await dbOf().startTransaction().execute()
    await insert(id, 'slow').execute(slow)
    await insert(id, 'fast').execute(dbOf())
    await sleep(300)
    await slow.commit().execute()
    await insert(id, 'after').execute(dbOf())
    const first = await texts(stream, 2)
    assert.deepEqual(first.texts, ['slow', 'fast'])
    const resumed = await fetch(url, { headers: { 'last-event-id': first.last } })
    assert.deepEqual((await texts(resumed, 1)).texts, ['after'])
  })

  test('the stream of an evaluation begins with its first event and ends after its last', async () => {
    const { id } = (await farm.send('POST', '/api/v1/evaluations', SUBMISSION)).body as Evaluation
    await farm.send('POST', `/api/v1/evaluations/${id}/cancel`)
    const text = await (await fetch(`${farm.api.url}/api/v1/evaluations/${id}/events`)).text()
    const states = [...text.matchAll(/event: evaluation\.state\ndata: (.*)/g)].map(([, data]) => (JSON.parse(data!) as { data: { state: string } }).data.state)
    assert.deepEqual([states[0], states.at(-1)], ['queued', 'cancelled'])
    assert.match(text, /event: end\ndata: \{\}\n\n$/)
  })

  test('a malformed event id is refused', async () => {
    assert.equal((await farm.get('/api/v1/events', { 'last-event-id': 'yesterday' })).status, 400)
  })
})

describe('the farm', () => {
  test('the queue says why: inputs, no worker, all slots taken', async () => {
    const db = dbOf()
    await registerWorker(db, { id: 'w1', host: 'one', systems: ['x86_64-linux'], features: ['kvm'], slots: 1 })
    const evaluation = await addEvaluation(db)
    const input = await addNode(db, { name: 'input', state: 'running' })
    await addAttempt(db, input.id, { worker: 'w1' })
    const waiting = await addNode(db, { name: 'waiting-one' })
    await addInput(db, waiting.key, input.key)
    const busy = await addNode(db, { name: 'busy-one', state: 'queued', features: ['kvm'] })
    const foreign = await addNode(db, { name: 'foreign-one', state: 'queued', system: 'aarch64-darwin' })
    const featured = await addNode(db, { name: 'featured-one', state: 'queued', features: ['big-parallel'] })
    for (const node of [input, waiting, busy, foreign, featured]) await addJob(db, evaluation, node.key, node)
    const { items } = (await farm.get('/api/v1/queue?limit=1000')).body as { items: QueueEntry[] }
    const reasons = Object.fromEntries(items.map((entry) => [entry.build.name, entry]))
    assert.deepEqual(reasons['waiting-one']!.reason, { kind: 'inputs', total: 1, inputs: [{ buildId: input.id, name: 'input', state: 'running' }] })
    assert.deepEqual(reasons['busy-one']!.reason, { kind: 'busy', queue: 'firn-build:x86_64-linux+kvm', slots: 1, running: 1 })
    assert.equal(reasons['foreign-one']!.text, 'no live worker serves aarch64-darwin')
    assert.equal(reasons['featured-one']!.reason.kind, 'no-worker')
    const { items: workers } = (await farm.get('/api/v1/workers')).body as { items: Worker[] }
    assert.deepEqual(workers.map(({ id, live, running }) => [id, live, running.map(({ name }) => name)]), [['w1', true, ['input']]])
  })

  test('status, health and metrics answer', async () => {
    const status = (await farm.get('/api/v1/status')).body as FarmStatus
    assert.ok(status.builds.failed >= 1)
    assert.deepEqual([status.workers.live, status.workers.systems], [1, ['x86_64-linux']])
    assert.equal((await farm.get('/healthz')).status, 200)
    assert.deepEqual((await farm.get('/readyz')).body, { status: 'ok', checks: { database: 'ok', temporal: 'ok' } })
    const metrics = String((await farm.get('/metrics')).body)
    assert.match(metrics, /^firn_builds\{state="running"\} \d+$/m)
    assert.match(metrics, /firn_http_request_seconds_count\{route="listQueue"/)
  })

  test('answers carry a request id, and one that is not known the caller\'s own', async () => {
    assert.match((await farm.get('/healthz')).headers.get('x-request-id')!, /^[\w-]{36}$/)
    assert.equal((await farm.get('/healthz', { 'x-request-id': 'mine-1' })).headers.get('x-request-id'), 'mine-1')
    const { body } = await farm.get('/api/v1/builds/424242', { 'x-request-id': 'mine-2' })
    assert.equal((body as Problem).requestId, 'mine-2')
  })

  test('an unchanged answer is 304 for who has it', async () => {
    const etag = (await farm.get('/api/v1/openapi.json')).headers.get('etag')!
    // not fetch(), which asks caches to look again
    const { statusCode, body } = await undici(`${farm.api.url}/api/v1/openapi.json`, { headers: { 'if-none-match': etag } })
    await body.dump()
    assert.equal(statusCode, 304)
  })
})

describe('who may do what', () => {
  let guarded: TestApi
  before(async () => { guarded = await startTestApi({ settings: { api: { access: 'token' }, cache: { open: false } }, motion: farm.dependencies.motion }) })
  after(() => guarded.close())

  test('every route asks for its scope, and no other', async () => {
    const tokens = new Map<string, string>()
    for (const scope of TOKEN_SCOPES) tokens.set(scope, (await createToken(guarded.dependencies.database.db, { name: scope, scopes: [scope] })).text)
    for (const [name, route] of Object.entries(ROUTES)) {
      const path = route.path.replace('{id}', '424242').replace('{path}', '00000000000000000000000000000000-x').replace('{number}', '1').replace(/\{\w+\}/g, 'nothing')
      const ask = async (token?: string): Promise<number> => {
        const gone = new AbortController()
        const response = await fetch(guarded.api.url + path, { method: route.method.toUpperCase(), signal: gone.signal, headers: token === undefined ? {} : { authorization: `Bearer ${token}` }, ...(route.method !== 'get' && { body: '' }) })
        gone.abort()
        return response.status
      }
      const anonymous = await ask()
      if (route.scope === 'open') {
        assert.notEqual(anonymous, 401, name)
        continue
      }
      assert.equal(anonymous, 401, `${name} without a token`)
      for (const [scope, token] of tokens) {
        const may = scope === 'administer' || scope === route.scope || route.scope === 'read'
        const status = await ask(token)
        if (may) assert.ok(status !== 401 && status !== 403, `${name} with ${scope}: ${status}`)
        else assert.equal(status, 403, `${name} with ${scope}`)
      }
    }
  })

  test('expired, revoked and invented tokens are no good; Nix\'s netrc is', async () => {
    const db = guarded.dependencies.database.db
    const ask = async (authorization: string): Promise<number> => (await guarded.get('/api/v1/status', { authorization })).status
    const expired = await createToken(db, { name: 'old', scopes: ['read'], expiresAt: new Date(Date.now() - 1000) })
    const revoked = await createToken(db, { name: 'lost', scopes: ['read'] })
    assert.equal(await revokeToken(db, revoked.id), true)
    const good = await createToken(db, { name: 'good', scopes: ['read'], expiresAt: new Date(Date.now() + 60_000) })
    assert.deepEqual([await ask(`Bearer ${expired.text}`), await ask(`Bearer ${revoked.text}`), await ask('Bearer firn_guess'), await ask('Digest x'), await ask(`Bearer ${good.text}`)], [401, 401, 401, 401, 200])
    const basic = `Basic ${Buffer.from(`firn:${good.text}`).toString('base64')}`
    assert.equal((await guarded.get('/nix-cache-info', { authorization: basic })).status, 200)
    assert.equal((await guarded.get('/nix-cache-info')).status, 401)
    const { rows } = await sql<{ text: string }>`select encode(hash, 'escape') as text from api_token`.execute(db)
    assert.ok(rows.every(({ text }) => !text.includes(good.text)), 'tokens are not kept as they are')
  })

  test('pages of other origins can\'t make a browser submit, nor reach the farm under a name of their own', async () => {
    assert.equal((await farm.send('POST', '/api/v1/evaluations', SUBMISSION, { origin: 'https://evil.example' })).status, 403)
    const { statusCode, body } = await undici(`${farm.api.url}/api/v1/status`, { headers: { host: 'evil.example' } })
    await body.dump()
    assert.equal(statusCode, 403)
  })
})

test('a server that closes ends streams and lets nobody wait', async () => {
  const closing = await startTestApi({ motion: farm.dependencies.motion })
  const events = await fetch(`${closing.api.url}/api/v1/events`)
  const reading = events.text()
  const started = performance.now()
  await closing.close()
  await reading.catch(() => undefined)
  assert.ok(performance.now() - started < 3000)
})
