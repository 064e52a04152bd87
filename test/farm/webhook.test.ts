/**
 * A release team's day: commits are pushed to a git server, its webhook tells the farm, jobs are built while the evaluation goes on, a commit that
 * breaks a package shows what newly fails and names it, another mends it; each time the team's own webhook and the commit's status are told.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import { type RunningApi, startApi } from '../../api/server.ts'
import type { Evaluation } from '../../contract/api.ts'
import type { Comparison, JobChange } from '../../contract/comparison.ts'
import { createLogger } from '../../infra/observability/logging.ts'
import { createMetrics } from '../../infra/observability/metrics.ts'
import { startTestFarm, type TestFarm } from '../support/farm.ts'
import { type GitServer, type PushedRepository, startGitServer } from '../support/git-server.ts'
import { tellOfPush } from '../support/github-push.ts'

const SECRET = 'what the forge signs with'
let farm: TestFarm
let api: RunningApi
let git: GitServer
let repository: PushedRepository
let listener: Server
let folder: string
/** What the team's webhook and the forge's API were told. */
const told: { readonly path: string; readonly body: Record<string, unknown> }[] = []

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'firn-webhook-'))
  git = await startGitServer(folder)
  repository = git.repository('team/set')
  listener = createServer((request, response) => {
    let text = ''
    request.setEncoding('utf8').on('data', (chunk: string) => { text += chunk }).on('end', () => {
      if (request.method === 'POST') told.push({ path: request.url!, body: JSON.parse(text) as Record<string, unknown> })
      response.end(request.method === 'GET' ? '[]' : '{}')
    })
  })
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  farm = await startTestFarm({ settings: { 'evaluator.mode': 'restricted', 'evaluator.allowedUris': 'http://127.0.0.1' } })
  api = await startApi({ settings: farm.settings, version: '0', database: farm.database, store: farm.store, motion: farm.motion, logger: createLogger({ name: 'api', level: 'silent' }), metrics: createMetrics({ processMetrics: false }) }, { checkResponses: true })
})
after(async () => {
  await api.close()
  await farm.stop()
  await git.close()
  listener.closeAllConnections()
  listener.close()
  await rm(folder, { recursive: true, force: true })
})

async function call<T>(method: string, path: string, body?: object): Promise<T> {
  const response = await fetch(`${api.url}/api/v1${path}`, { method, ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }) })
  const answer = await response.json() as T
  assert.ok(response.ok, `${method} ${path}: ${JSON.stringify(answer)}`)
  return answer
}

/** A library, three programs that need it, one that does not, and one that is known only when an import has been built. */
const set = (library: string): Record<string, string> => ({
  'release.nix': `{ src, ... }:
let
  run = name: script: derivation { inherit name; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" script ]; };
  library = run "library" (builtins.readFile ./library.sh);
  program = name: run name "read x < \${library}; echo $x \${name} > $out";
in {
  apart = run "apart" "echo apart > $out";
  inherit library;
  one = program "one";
  two = program "two";
  three = program "three";
  late = run (import (run "name" "# \${builtins.hashString "sha256" (builtins.readFile ./library.sh)}
    sleep 3; echo '\\"late\\"' > $out")) "echo late > $out";
}
`,
  'library.sh': library,
})

/** As the forge does after a push. */
async function pushed(revision: string, delivery: string): Promise<{ jobsetsTriggered: string[] }> {
  return await tellOfPush({ url: api.url, secret: SECRET, repository: repository.url, name: 'team/set', revision, delivery })
}

/** The evaluation of a commit, once it has ended. */
async function evaluationOf(revision: string): Promise<Evaluation> {
  for (const end = Date.now() + 60_000; Date.now() < end; await sleep(50)) {
    const { items } = await call<{ items: Evaluation[] }>('GET', '/projects/team/jobsets/trunk/evaluations')
    const found = items.find((one) => one.jobset!.inputs['src']?.revision === revision)
    if (found?.endedAt) return found
  }
  assert.fail(`no evaluation of ${revision} ended within a minute`)
}

async function statusOf(revision: string, state: string): Promise<Record<string, unknown>> {
  for (const end = Date.now() + 20_000; Date.now() < end; await sleep(50)) {
    const found = told.findLast((one) => one.path.endsWith(`/statuses/${revision}`) && one.body['context'] === 'firn/team/trunk')
    if (found?.body['state'] === state) return found.body
  }
  assert.fail(`the status of ${revision} did not become ${state}: ${JSON.stringify(told)}`)
}

test('a commit is pushed: its jobs are built while the evaluation goes on', async (context) => {
  await call('PUT', '/projects/team', {})
  await call('PUT', '/projects/team/credentials/webhook', { secret: SECRET })
  await call('PUT', '/projects/team/credentials/forge', { secret: 'token' })
  const { port } = listener.address() as AddressInfo
  const first = repository.push(set('echo library > $out'))
  await call('PUT', '/projects/team/jobsets/trunk', {
    source: { kind: 'expression', input: 'src', file: 'release.nix' }, inputs: { src: { kind: 'git', url: repository.url, ref: 'main' } },
    notifications: [{ kind: 'webhook', url: `http://127.0.0.1:${port}/team`, events: ['evaluation.started', 'evaluation.ended'] }, { kind: 'github', input: 'src', credential: 'forge', api: `http://127.0.0.1:${port}/forge` }],
  })
  assert.equal((await evaluationOf(first)).state, 'succeeded', 'a new jobset is evaluated at once')

  const second = repository.push(set('echo better library > $out'))
  assert.deepEqual(await pushed(second, 'd-1'), { jobsetsTriggered: ['team:trunk'] })
  const evaluation = await evaluationOf(second)
  assert.deepEqual([evaluation.state, evaluation.jobset!.cause], ['succeeded', { kind: 'webhook', by: 'github', delivery: 'd-1' }])
  // the order of the event log is the order of the commits
  const { rows } = await sql<{ kind: string; name: string | null }>`
    select e.kind, n.name from event e left join node n on n.id = e.node_id where e.evaluation_id = ${evaluation.id} or exists (
      select from evaluation_node w where w.node_key = n.key and w.evaluation_id = ${evaluation.id}) order by e.xid, e.id`.execute(farm.database.db)
  const evaluated = rows.findLastIndex((row) => row.kind === 'evaluation.evaluated')
  const started = rows.findIndex((row) => row.kind === 'build.started' && row.name === 'library')
  context.diagnostic(`${rows.slice(0, evaluated).filter((row) => row.kind === 'build.ended').length} builds had ended when the evaluation had found its last job`)
  assert.ok(started >= 0 && started < evaluated, 'the library\'s build began before the evaluation had ended')
  assert.ok(rows.slice(started, evaluated).some((row) => row.kind === 'build.ended' && row.name === 'one'), 'and a program on top of it was done by then')
  assert.deepEqual(await pushed(second, 'd-1'), { jobsetsTriggered: ['team:trunk'] })
  await sleep(1000)
  assert.equal((await call<{ items: Evaluation[] }>('GET', '/projects/team/jobsets/trunk/evaluations')).items.length, 2, 'a message that comes twice is one')
  assert.match(String((await statusOf(second, 'success'))['description']), /^6 jobs succeeded/)
})

test('a commit that breaks a package shows its dependents as newly failing and names it; the next one mends it', async () => {
  const broken = repository.push(set('echo no; exit 3'))
  await pushed(broken, 'd-2')
  const bad = await evaluationOf(broken)
  assert.equal(bad.state, 'failed')
  const { items } = await call<{ items: JobChange[] }>('GET', `/evaluations/${bad.id}/changes?change=newly-failing`)
  const library = items.find((one) => one.attr === 'library')!
  assert.deepEqual(items.map((one) => [one.attr, one.faultBuildId]), ['library', 'one', 'three', 'two'].map((attr) => [attr, library.now!.buildId]))
  const comparison = await call<Comparison>('GET', `/evaluations/${bad.id}/comparison`)
  assert.deepEqual(comparison.faults, [{ buildId: library.now!.buildId, name: 'library', description: 'builder failed with exit code 3', jobs: 4 }])
  assert.match(String((await statusOf(broken, 'failure'))['description']), /^4 of 6 jobs failed \(4 newly\): library, builder failed with exit code 3$/)

  const mended = repository.push(set('echo mended > $out'))
  await pushed(mended, 'd-3')
  const good = await evaluationOf(mended)
  assert.deepEqual([good.state, (await call<Comparison>('GET', `/evaluations/${good.id}/comparison`)).counts.fixed], ['succeeded', 4])
  assert.match(String((await statusOf(mended, 'success'))['description']), /^6 jobs succeeded, 4 of them failed before$/)

  const events = told.filter((one) => one.path === '/team').map(({ body }) => [body['event'], (body['evaluation'] as { id: number }).id])
  for (const id of [bad.id, good.id]) assert.deepEqual(events.filter((one) => one[1] === id).map((one) => one[0]), ['evaluation.started', 'evaluation.ended'])
})
