/** Notifications against servers that speak the forges' APIs, SMTP and plain HTTP, started here. Rows are the farm's. */
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'
import type { ApplicationFailure } from '@temporalio/common'
import { sql } from 'kysely'
import { SMTPServer } from 'smtp-server'
import { settingsSchema } from '../../config/settings.ts'
import type { NodeOutcome } from '../../contract/nodes.ts'
import { type Notification, notification as notificationSchema } from '../../contract/jobsets.ts'
import { isAtAllowedHost } from '../../contract/hosts.ts'
import type { News } from '../../contract/notifications.ts'
import { addEvaluation, addJob, addNode } from '../../api/testing/farm-rows.ts'
import { createLogger } from '../../infra/observability/logging.ts'
import { putCredential } from '../../state/credentials.ts'
import { type FarmDatabase, openFarmDatabase } from '../../state/database.ts'
import { testDatabase } from '../../test/support/database.ts'
import { type NotifyParts, notificationActivities } from './notify.ts'

const [FIRST, SECOND] = ['a'.repeat(40), 'b'.repeat(40)]
const TOKEN = 'a token of the forge'

interface Asked {
  readonly method: string
  readonly path: string
  readonly headers: IncomingMessage['headers']
  readonly text: string
  readonly json: Record<string, unknown>
}

/** A server that keeps what it was asked, and answers as the test wants. */
class Recorder {
  readonly asked: Asked[] = []
  answer: (asked: Asked, response: ServerResponse) => void = (_asked, response) => response.end('{}')
  readonly #server: Server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk)).on('end', () => {
      const text = Buffer.concat(chunks).toString()
      const asked = { method: request.method!, path: request.url!, headers: request.headers, text, json: text === '' ? {} : JSON.parse(text) as Record<string, unknown> }
      this.asked.push(asked)
      this.answer(asked, response)
    })
  })

  async start(): Promise<string> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }
}

/** As each forge keeps statuses: the newest of a context counts, all are listed, the newest first. */
class Forge extends Recorder {
  readonly statuses: { sha: string; context: string; state: string; description: string }[] = []
  constructor() {
    super()
    this.answer = ({ method, path, json, headers }, response) => {
      if (path === '/hook') return response.end()
      if (headers.authorization !== `Bearer ${TOKEN}` && headers.authorization !== `token ${TOKEN}` && headers['private-token'] !== TOKEN) return response.writeHead(401).end('{"message": "Bad credentials"}')
      const sha = /[0-9a-f]{40}/.exec(path)![0]
      if (method === 'GET') {
        const page = Number(new URL(path, 'http://x').searchParams.get('page'))
        const all = this.statuses.filter((one) => one.sha === sha).reverse()
        const shown = all.slice((page - 1) * 100, page * 100)
        return response.end(JSON.stringify(shown.map(({ context, state }) => (path.startsWith('/gitlab') ? { name: context, status: state } : path.startsWith('/gitea') ? { context, status: state } : { context, state }))))
      }
      const context = String(json['context'] ?? json['name'])
      if (path.startsWith('/gitlab') && this.statuses.findLast((one) => one.sha === sha && one.context === context)?.state === json['state']) return response.writeHead(400).end('{"message": "Cannot transition status via :run from :running"}')
      this.statuses.push({ sha, context, state: String(json['state']), description: String(json['description']) })
      response.writeHead(201).end('{}')
    }
  }

  shown(sha: string): Record<string, string> {
    return Object.fromEntries(this.statuses.filter((one) => one.sha === sha).map((one) => [one.context, one.state]))
  }
}

let database: FarmDatabase
let parts: NotifyParts
let forge: Forge
let forgeUrl: string
let folder: string
let projectId: number
let jobsetId: number
const mails: { from: string; to: string[]; text: string }[] = []
let mailAnswer: Error | undefined
const mailServer = new SMTPServer({
  authOptional: true, disabledCommands: ['STARTTLS'], logger: false,
  onData(stream, session, done) {
    const chunks: Buffer[] = []
    stream.on('data', (chunk: Buffer) => chunks.push(chunk)).on('end', () => {
      if (mailAnswer) return done(mailAnswer)
      const { mailFrom, rcptTo } = session.envelope
      mails.push({ from: mailFrom === false ? '' : mailFrom.address, to: rcptTo.map((one) => one.address), text: Buffer.concat(chunks).toString().replace(/=\r\n/g, '') })
      done()
    })
  },
})

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'firn-notify-'))
  const { url } = await testDatabase()
  database = openFarmDatabase({ url, connections: 2 })
  mailServer.listen(0, '127.0.0.1')
  await once(mailServer.server, 'listening')
  const settings = settingsSchema({ home: folder, cores: 2, memoryBytes: 2 ** 32, system: 'x86_64-linux', hostName: 'test' }).parse({
    api: { publicUrl: 'https://farm.example.org/' }, cache: { keyFile: join(folder, 'key') }, mail: { server: `smtp://127.0.0.1:${(mailServer.server.address() as AddressInfo).port}`, from: 'Firn <firn@example.org>' },
  })
  await writeFile(settings.cache.keyFile, 'farm:c2VjcmV0')
  parts = { database, settings, logger: createLogger({ name: 'test', level: 'silent' }) }
  const { rows } = await sql<{ project: number; jobset: number }>`
    with p as (insert into project (name, display_name) values ('tools', 'Tools') returning id)
    insert into jobset (project_id, name, source, inputs) select id, 'trunk', '{"kind": "expression", "input": "src", "file": ""}', '{"src": {"kind": "git", "url": "https://forge.example.org/team/set.git"}}' from p
    returning project_id as project, id as jobset`.execute(database.db)
  ;({ project: projectId, jobset: jobsetId } = rows[0]!)
  await putCredential(parts, projectId, 'forge', { username: '', secret: TOKEN })
  await putCredential(parts, projectId, 'hook', { username: '', secret: 'shared' })
})
after(async () => {
  await new Promise<void>((resolve) => { mailServer.close(() => resolve()) })
  await database.close()
  await rm(folder, { recursive: true, force: true })
})
beforeEach(async () => {
  forge = new Forge()
  forgeUrl = await forge.start()
  mails.length = 0
  mailAnswer = undefined
})
afterEach(() => forge.close())

const failure: NodeOutcome = { status: 'failed', cause: { kind: 'builder-failed', exitCode: 3 }, cached: true }
const success: NodeOutcome = { status: 'succeeded', how: 'built' }

/** An evaluation with these jobs: whether each is good; undefined for one that runs. */
async function evaluation(jobs: Readonly<Record<string, boolean | undefined>>, fields: { state?: string; revision?: string; previous?: number; error?: string } = {}): Promise<number> {
  const { db } = database
  const running = Object.values(jobs).includes(undefined)
  const id = await addEvaluation(db)
  for (const [attr, good] of Object.entries(jobs)) {
    const outcome = good === undefined ? undefined : good ? success : failure
    await addJob(db, id, attr, await addNode(db, { name: attr, state: outcome?.status ?? 'queued', ...(outcome && { outcome }) }))
  }
  const state = fields.state ?? (running ? 'building' : Object.values(jobs).includes(false) ? 'failed' : 'succeeded')
  const inputs = { src: { kind: 'git', url: 'https://forge.example.org/team/set.git', ref: 'main', revision: fields.revision ?? FIRST } }
  await sql`update evaluation set jobset_id = ${jobsetId}, state = ${state}, inputs = ${JSON.stringify(inputs)}, previous_id = ${fields.previous ?? null}, error = ${fields.error ?? (state === 'failed' ? 'some jobs failed' : null)},
    evaluated_at = ${fields.error === undefined ? new Date() : null}, ended_at = ${state === 'building' ? null : new Date()} where id = ${id}`.execute(db)
  return id
}

async function notify(evaluationId: number, target: object, news: News = { kind: 'evaluation', phase: 'ended' }): Promise<void> {
  const notification: Notification = notificationSchema.parse(target)
  await notificationActivities(parts).notify({ target: { evaluationId, notification }, news, delivery: 'run-0' })
}
const statuses = (kind: 'github' | 'gitea' | 'gitlab', more: object = {}): object => ({ kind, input: 'src', credential: 'forge', api: `${forgeUrl}/${kind}`, ...more })

describe('hosts that the farm sends to', () => {
  /** Settings with these hosts for the time of some work. */
  async function withHosts(hosts: string[], work: () => Promise<void>): Promise<void> {
    const before = parts
    parts = { ...parts, settings: { ...parts.settings, notifications: { hosts } } }
    try {
      await work()
    } finally {
      parts = before
    }
  }

  for (const [what, target] of [['a webhook', () => ({ kind: 'webhook', url: `${forgeUrl}/hook` })], ['a commit status', () => statuses('github')]] as const) {
    test(`${what} goes to those only`, async () => {
      const id = await evaluation({ one: true })
      const { host } = new URL(forgeUrl)
      await withHosts(['hooks.example.org', '127.0.0.1'], async () => {
        await assert.rejects(notify(id, target()), (error: ApplicationFailure) => error.type === 'invalid-input' && error.message.includes(`${host} is not among the hosts that this farm sends to`))
      })
      assert.equal(forge.asked.length, 0)
      await withHosts(['hooks.example.org', host], async () => { await notify(id, target()) })
      assert.equal(forge.asked.length > 0, true)
    })
  }

  test('are compared by name and port', () => {
    const hosts = ['example.org', '*.example.net', 'Example.com:8443']
    const allowed = (address: string): boolean => isAtAllowedHost(address, hosts)
    assert.deepEqual(['https://example.org/x', 'http://EXAMPLE.org', 'https://a.b.example.net/', 'https://example.com:8443/hook'].map(allowed), [true, true, true, true])
    assert.deepEqual(['https://example.org:444/', 'https://sub.example.org/', 'https://example.net/', 'https://notexample.net/', 'https://example.com/', 'https://user@evil.example/example.org'].map(allowed), [false, false, false, false, false, false])
    assert.equal(isAtAllowedHost('https://anything.example/', []), true)
  })
})

describe('commit statuses', () => {
  for (const [kind, path, words] of [
    ['github', '/github/repos/team/set/statuses/', { pending: 'pending', failure: 'failure', success: 'success' }],
    ['gitea', '/gitea/repos/team/set/statuses/', { pending: 'pending', failure: 'failure', success: 'success' }],
    ['gitlab', '/gitlab/projects/team%2Fset/statuses/', { pending: 'running', failure: 'failed', success: 'success' }],
  ] as const) {
    test(`of ${kind}: pending, then the failures by name, then mended`, async () => {
      const runs = await evaluation({ one: true, two: undefined }, { revision: FIRST })
      await notify(runs, statuses(kind), { kind: 'evaluation', phase: 'started' })
      assert.deepEqual(forge.shown(FIRST), { 'firn/tools/trunk': words.pending })
      assert.deepEqual([forge.asked[0]!.path, forge.asked[0]!.json['target_url']], [path + FIRST, `https://farm.example.org/ui/evaluations/${runs}`])

      const good = await evaluation({ one: true, two: true, three: true })
      const bad = await evaluation({ one: true, two: false, three: false }, { previous: good, revision: SECOND })
      await notify(bad, statuses(kind))
      assert.deepEqual(forge.shown(SECOND), { 'firn/tools/trunk': words.failure, 'firn/tools/trunk: two': words.failure, 'firn/tools/trunk: three': words.failure })
      assert.match(forge.statuses.find((one) => one.sha === SECOND)!.description, /^2 of 3 jobs failed \(2 newly\): \w+, builder failed with exit code 3$/)

      // a retry mends one of them
      await sql`update node n set state = 'succeeded', outcome = ${JSON.stringify(success)} from job j where j.node_key = n.key and j.evaluation_id = ${bad} and j.attr = 'three'`.execute(database.db)
      await notify(bad, statuses(kind))
      assert.deepEqual(forge.shown(SECOND), { 'firn/tools/trunk': words.failure, 'firn/tools/trunk: two': words.failure, 'firn/tools/trunk: three': words.success })
      await sql`update node n set state = 'succeeded', outcome = ${JSON.stringify(success)} from job j where j.node_key = n.key and j.evaluation_id = ${bad} and j.attr = 'two'`.execute(database.db)
      await sql`update evaluation set state = 'succeeded' where id = ${bad}`.execute(database.db)
      await notify(bad, statuses(kind))
      assert.deepEqual(Object.values(forge.shown(SECOND)), [words.success, words.success, words.success])
    })
  }

  test('name no more failures than the jobset wants, what is new first', async () => {
    const names = Array.from({ length: 30 }, (_, index) => `job${String(index).padStart(2, '0')}`)
    const before = await evaluation(Object.fromEntries(names.map((name, index) => [name, index >= 20])))
    const now = await evaluation(Object.fromEntries(names.map((name, index) => [name, index >= 20 && index < 25])), { previous: before, revision: SECOND })
    await notify(now, statuses('github', { failures: 7, context: 'ci' }))
    assert.deepEqual(Object.keys(forge.shown(SECOND)).sort(), ['ci', ...['job00', 'job01', 'job25', 'job26', 'job27', 'job28', 'job29'].map((name) => `ci: ${name}`)])
    assert.ok(forge.asked.length <= 9, `${forge.asked.length} requests`)
  })

  test('are errors where it can\'t be evaluated or was cancelled, and right where nothing changed', async () => {
    await notify(await evaluation({}, { state: 'failed', error: 'syntax error, unexpected end of file\nat release.nix:3' }), statuses('github'))
    assert.deepEqual(forge.statuses.at(-1), { sha: FIRST, context: 'firn/tools/trunk', state: 'error', description: 'can\'t be evaluated: syntax error, unexpected end of file' })
    await notify(await evaluation({ one: true }, { state: 'cancelled' }), statuses('github'))
    assert.equal(forge.statuses.at(-1)!.state, 'error')
    const before = await evaluation({ one: true })
    const same = await evaluation({ one: true }, { previous: before, revision: SECOND })
    await sql`update evaluation set same_as = ${before} where id = ${same}`.execute(database.db)
    await notify(same, statuses('github'))
    assert.deepEqual(forge.shown(SECOND), { 'firn/tools/trunk': 'success' })
  })

  test('an old message never overwrites what is known by now', async () => {
    const id = await evaluation({ one: true })
    await notify(id, statuses('github'))
    await notify(id, statuses('github'), { kind: 'evaluation', phase: 'started' })
    assert.deepEqual(forge.shown(FIRST), { 'firn/tools/trunk': 'success' })
  })

  test('wait as long as the forge says, and give up on what it refuses', async () => {
    const id = await evaluation({ one: true })
    const rejection = async (status: number, headers: Record<string, string>): Promise<ApplicationFailure> => {
      forge.answer = (_asked, response) => response.writeHead(status, headers).end('{"message": "no"}')
      return await notify(id, statuses('github')).then(() => assert.fail('it was taken'), (error: unknown) => error as ApplicationFailure)
    }
    const limited = await rejection(403, { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': String(Math.floor(Date.now() / 1000) + 100) })
    assert.ok(!limited.nonRetryable && Number(limited.nextRetryDelay) > 95_000 && Number(limited.nextRetryDelay) <= 101_000, String(limited.nextRetryDelay))
    assert.equal((await rejection(429, { 'retry-after': '7' })).nextRetryDelay, 7000)
    assert.deepEqual([(await rejection(502, {})).nonRetryable, (await rejection(502, {})).type], [false, 'unavailable'])
    assert.deepEqual([(await rejection(401, {})).nonRetryable, (await rejection(422, {})).nonRetryable, (await rejection(302, { location: 'https://evil.example.org/' })).nonRetryable], [true, true, true])
    await assert.rejects(notify(id, statuses('github', { credential: 'nothing' })), /no credential 'nothing'/)
  })
})

describe('webhooks', () => {
  test('say how an evaluation ended, signed over the bytes', async () => {
    const before = await evaluation({ one: true, two: true })
    const id = await evaluation({ one: true, two: false }, { previous: before })
    await notify(id, { kind: 'webhook', url: `${forgeUrl}/hook`, secret: 'hook' })
    const [asked] = forge.asked
    assert.equal(asked!.headers['x-firn-signature-256'], `sha256=${createHmac('sha256', 'shared').update(asked!.text).digest('hex')}`)
    assert.deepEqual([asked!.headers['x-firn-event'], asked!.headers['x-firn-delivery']], ['evaluation.ended', 'run-0'])
    const { evaluation: told } = asked!.json as { evaluation: Record<string, unknown> }
    assert.deepEqual([told['id'], told['project'], told['jobset'], told['state'], (told['changes'] as Record<string, number>)['newly-failing']], [id, 'tools', 'trunk', 'failed', 1])
    assert.deepEqual((told['failures'] as { attr: string; change: string; reason: string }[]).map(({ attr, change, reason }) => [attr, change, reason]), [['two', 'newly-failing', 'builder failed with exit code 3']])
    assert.deepEqual(told['inputs'], { src: { url: 'https://forge.example.org/team/set.git', ref: 'main', revision: FIRST } })
  })

  test('tell of builds, without a signature where no secret is named', async () => {
    const id = await evaluation({ one: false, two: undefined })
    const { rows } = await sql<{ id: number }>`select n.id from job j join node n on n.key = j.node_key where j.evaluation_id = ${id} and j.attr = 'one'`.execute(database.db)
    await notify(id, { kind: 'webhook', url: `${forgeUrl}/hook`, events: ['build.ended'] }, { kind: 'build', buildId: rows[0]!.id, attr: 'one' })
    assert.equal(forge.asked[0]!.headers['x-firn-signature-256'], undefined)
    assert.deepEqual(forge.asked[0]!.json['build'], { id: rows[0]!.id, attr: 'one', name: 'one', system: 'x86_64-linux', state: 'failed', reason: 'builder failed with exit code 3' })
  })
})

describe('mail', () => {
  const to = ['team@example.org', 'ada@example.org']
  test('is sent when something newly fails or is fixed, to everybody, with what is at fault', async () => {
    const before = await evaluation({ one: true, two: true })
    const bad = await evaluation({ one: true, two: false }, { previous: before, revision: SECOND })
    await notify(bad, { kind: 'email', to })
    assert.equal(mails.length, 1)
    assert.deepEqual([mails[0]!.from, mails[0]!.to], ['firn@example.org', to])
    assert.match(mails[0]!.text, /^Subject: tools\/trunk: 1 of 2 jobs failed/m)
    assert.match(mails[0]!.text, /^Message-ID: <run-0@firn>\r$/m)
    assert.match(mails[0]!.text, /two: builder failed with exit code 3/)
    assert.match(mails[0]!.text, /https:\/\/farm\.example\.org\/ui\/evaluations\/\d+/)
    const as = await evaluation({ one: true, two: false }, { previous: bad })
    await notify(as, { kind: 'email', to })
    assert.equal(mails.length, 1, 'it fails as before')
    await notify(as, { kind: 'email', to, when: 'failed' })
    assert.equal(mails.length, 2)
    await notify(await evaluation({ one: true, two: true }, { previous: as }), { kind: 'email', to })
    assert.match(mails[2]!.text, /2 jobs succeeded, 1 of them failed before/)
    await notify(await evaluation({ one: true }, { state: 'cancelled' }), { kind: 'email', to, when: 'always' })
    assert.equal(mails.length, 3)
  })

  test('that the server can\'t take now is tried again, what it refuses is not', async () => {
    const id = await evaluation({ one: false })
    const rejection = async (code: number): Promise<ApplicationFailure> => {
      mailAnswer = Object.assign(new Error('no'), { responseCode: code })
      return await notify(id, { kind: 'email', to, when: 'always' }).then(() => assert.fail('it was taken'), (error: unknown) => error as ApplicationFailure)
    }
    assert.deepEqual([(await rejection(451)).nonRetryable, (await rejection(550)).nonRetryable], [false, true])
  })
})

test('what could not be delivered stands among the evaluation\'s events', async () => {
  const id = await evaluation({ one: true })
  await notificationActivities(parts).recordUndelivered({ target: { evaluationId: id, notification: notificationSchema.parse({ kind: 'webhook', url: 'https://x.example.org/' }) }, news: { kind: 'evaluation', phase: 'ended' }, delivery: 'x' }, 'webhook: x answered 410')
  const { rows } = await sql<{ data: unknown }>`select data from event where evaluation_id = ${id} and kind = 'notification.failed'`.execute(database.db)
  assert.deepEqual(rows, [{ data: { to: 'webhook', news: 'evaluation.ended', message: 'webhook: x answered 410' } }])
})
