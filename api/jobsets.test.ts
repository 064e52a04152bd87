import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { sql } from 'kysely'
import type { Evaluation, Job, Problem } from '../contract/api.ts'
import type { Comparison, JobChange, JobRun, JobsetJob } from '../contract/comparison.ts'
import type { Jobset, Project } from '../contract/jobsets.ts'
import type { NodeOutcome } from '../contract/nodes.ts'
import { recordResults } from '../state/results.ts'
import { startTestApi, stopTemporal, type TestApi } from './testing/api.ts'
import { addEvaluation, addInput, addJob, addNode } from './testing/farm-rows.ts'

let farm: TestApi
before(async () => { farm = await startTestApi({ settings: { notifications: { hosts: ['*.example.org'] } } }) })
after(async () => {
  await farm.close()
  await stopTemporal()
})
const dbOf = () => farm.dependencies.database.db
const JOBSET = { source: { kind: 'expression', input: 'src', file: 'release.nix' }, inputs: { src: { kind: 'git', url: 'https://git.example.org/set.git', ref: 'main' }, officialRelease: { kind: 'boolean', value: false } } }

describe('projects and jobsets', () => {
  test('are made, shown, replaced by version, listed and deleted', async () => {
    const made = await farm.send('PUT', '/api/v1/projects/tools', { displayName: 'The tools' })
    assert.equal(made.status, 201)
    assert.equal((made.body as Project).enabled, true)
    const jobset = await farm.send('PUT', '/api/v1/projects/tools/jobsets/trunk', { ...JOBSET, pollSeconds: 300, state: 'disabled' })
    assert.equal(jobset.status, 201)
    assert.equal(jobset.headers.get('etag'), '"1"')
    const shown = (await farm.get('/api/v1/projects/tools/jobsets/trunk')).body as Jobset
    assert.deepEqual([shown.project, shown.name, shown.inputs['src'], shown.whenRunning, shown.latest, shown.pending], ['tools', 'trunk', { ...JOBSET.inputs.src, submodules: false }, 'overlap', null, 0])
    const replaced = await farm.send('PUT', '/api/v1/projects/tools/jobsets/trunk', { ...JOBSET, shares: 300, state: 'disabled' }, { 'if-match': '"1"' })
    assert.deepEqual([replaced.status, (replaced.body as Jobset).shares, (replaced.body as Jobset).version], [200, 300, 2])
    assert.equal((await farm.send('PUT', '/api/v1/projects/tools/jobsets/trunk', JOBSET, { 'if-match': '"1"' })).status, 412)
    assert.equal((await farm.send('PUT', '/api/v1/projects/tools/jobsets/trunk', JOBSET, { 'if-none-match': '*' })).status, 412)
    const list = (await farm.get('/api/v1/projects/tools/jobsets')).body as { items: Jobset[] }
    assert.deepEqual(list.items.map((one) => one.name), ['trunk'])
    assert.equal(((await farm.get('/api/v1/projects')).body as { items: Project[] }).items.find((one) => one.name === 'tools')!.jobsets, 1)
    assert.equal((await farm.send('DELETE', '/api/v1/projects/tools')).status, 200)
    assert.equal((await farm.get('/api/v1/projects/tools/jobsets/trunk')).status, 404)
  })

  test('what can\'t be evaluated is refused when it is said', async () => {
    await farm.send('PUT', '/api/v1/projects/refused', {})
    const put = async (change: object): Promise<string> => {
      const { status, body } = await farm.send('PUT', '/api/v1/projects/refused/jobsets/x', { ...JOBSET, ...change })
      return `${status} ${(body as Problem).detail}`
    }
    assert.match(await put({ source: { kind: 'expression', input: 'other', file: '' } }), /^422 .*'other' is not among the inputs/)
    assert.match(await put({ source: { kind: 'expression', input: 'officialRelease', file: '' } }), /^422 .*is a boolean, which has no files/)
    assert.match(await put({ inputs: { src: { kind: 'path', path: '/etc' } } }), /^403 /)
    assert.match(await put({ inputs: { src: { kind: 'git', url: 'file:///etc/repository' } } }), /^403 /)
    assert.match(await put({ inputs: { src: { kind: 'git', url: '--upload-pack=evil' } } }), /^400 /)
    assert.match(await put({ schedule: ['whenever you like'] }), /^422 .*no cron expression/)
    assert.match(await put({ settings: { mode: 'impure' } }), /^403 /)
    assert.match(await put({ notifications: [{ kind: 'webhook', url: 'http://127.0.0.1:8080/' }] }), /^422 127\.0\.0\.1:8080 is not among the hosts that this farm sends to: \*\.example\.org/)
    assert.match(await put({ notifications: [{ kind: 'gitea', input: 'src', credential: 'forge', api: 'https://forge.example.com/api/v1' }] }), /^422 forge\.example\.com is not among/)
    assert.equal((await farm.send('PUT', '/api/v1/projects/..%2Fx', {})).status, 404)
  })

  test('a trigger is a row, and a repeated one is the same; an enabled jobset begins with one', async () => {
    await farm.send('PUT', '/api/v1/projects/triggered', {})
    const made = await farm.send('PUT', '/api/v1/projects/triggered/jobsets/trunk', JOBSET)
    assert.equal((made.body as Jobset).pending, 1)
    const evaluate = (body: object, key?: string) => farm.send('POST', '/api/v1/projects/triggered/jobsets/trunk/evaluate', body, key === undefined ? {} : { 'idempotency-key': key })
    const first = await evaluate({ force: true }, 'release-1')
    const again = await evaluate({ force: true }, 'release-1')
    assert.deepEqual([first.status, again.status, again.body], [202, 202, first.body])
    assert.equal(((await farm.get('/api/v1/projects/triggered/jobsets/trunk')).body as Jobset).pending, 2)
    assert.equal((await evaluate({ overrides: { nothing: { ref: 'x' } } })).status, 422)
    const running = await farm.dependencies.motion.running()
    const id = (made.body as Jobset).id
    assert.ok(running.has(`jobset:${id}`), 'its workflow is there')
  })
})

const failedWith = (cause: Extract<NodeOutcome, { status: 'failed' }>['cause']): NodeOutcome => ({ status: 'failed', cause, cached: true })
const ok: NodeOutcome = { status: 'succeeded', how: 'built' }

describe('comparison and history', () => {
  let first = 0
  let second = 0
  let libraryId = 0
  before(async () => {
    const db = dbOf()
    await farm.send('PUT', '/api/v1/projects/compared', {})
    const { id: jobsetId } = (await farm.send('PUT', '/api/v1/projects/compared/jobsets/trunk', { ...JOBSET, state: 'disabled' })).body as Jobset
    const evaluation = async (previous: number | null, revision: string): Promise<number> => {
      const id = await addEvaluation(db, 'failed')
      await sql`update evaluation set jobset_id = ${jobsetId}, previous_id = ${previous}, evaluated_at = now(), ended_at = now(), inputs = ${JSON.stringify({ src: { kind: 'git', revision } })} where id = ${id}`.execute(db)
      return id
    }
    first = await evaluation(null, 'a'.repeat(40))
    second = await evaluation(first, 'b'.repeat(40))
    const broken = await addNode(db, { name: 'library', state: 'failed', outcome: failedWith({ kind: 'builder-failed', exitCode: 2 }) })
    libraryId = broken.id
    const through = failedWith({ kind: 'dependency-failed', node: broken.key, buildId: broken.id, name: 'library', cause: { kind: 'builder-failed', exitCode: 2 } })
    const good = async (name: string) => await addNode(db, { name, state: 'succeeded', outcome: ok })
    const same = await good('same')
    const put = async (attr: string, before: { key: string; drvPath: string } | { error: string } | undefined, now: { key: string; drvPath: string } | { error: string } | undefined) => {
      if (before) await addJob(db, first, attr, before)
      if (now) await addJob(db, second, attr, now)
    }
    const dependent = await addNode(db, { name: 'program', state: 'failed', outcome: through })
    await addInput(db, dependent.key, broken.key)
    const [oldProgram, grown] = [await good('program'), await good('grown')]
    await recordResults(db, [
      { nodeId: oldProgram.id, releaseName: null, outputBytes: 100, closureBytes: 1000, failedWithOutput: false, products: [], metrics: [{ name: 'size', value: 5, unit: 'MB' }] },
      { nodeId: grown.id, releaseName: 'grown-2', outputBytes: 300, closureBytes: 3000, failedWithOutput: false, products: [], metrics: [] },
    ])
    const small = await good('grown')
    await recordResults(db, [{ nodeId: small.id, releaseName: 'grown-1', outputBytes: 100, closureBytes: 1000, failedWithOutput: false, products: [], metrics: [] }])
    await put('same', same, same)
    await put('library', await good('library'), broken)
    await put('program', oldProgram, dependent)
    await put('grown', small, grown)
    await put('mended', await addNode(db, { name: 'mended', state: 'failed', outcome: failedWith({ kind: 'timed-out', seconds: 5, silent: false }) }), await good('mended'))
    await put('bad', { error: 'syntax' }, { error: 'syntax' })
    await put('gone', await good('gone'), undefined)
    await put('new', undefined, await good('new'))
    await put('stopped', await good('stopped'), await addNode(db, { name: 'stopped', state: 'failed', outcome: { status: 'failed', cause: { kind: 'cancelled', reason: 'by a user' }, cached: false } }))
    await put('busy', await good('busy'), await addNode(db, { name: 'busy', state: 'running' }))
  })

  test('counts each job once, names what is at fault, and tells sizes and inputs', async () => {
    const comparison = (await farm.get(`/api/v1/evaluations/${second}/comparison`)).body as Comparison
    assert.equal(comparison.against, first)
    assert.deepEqual(comparison.counts, { 'newly-failing': 2, 'fixed': 1, 'still-failing': 1, 'still-succeeding': 2, 'added': 1, 'removed': 1, 'unfinished': 1, 'aborted': 1 })
    assert.deepEqual(comparison.faults, [{ buildId: libraryId, name: 'library', description: 'builder failed with exit code 2', jobs: 2 }])
    assert.deepEqual(comparison.outputBytes, { before: 100, now: 300 })
    assert.deepEqual(comparison.inputs, [{ name: 'src', before: 'a'.repeat(40), now: 'b'.repeat(40) }])
    assert.equal(comparison.sameJobs, false)
  })

  test('lists changes by kind, in pages that hold each once', async () => {
    const failing = (await farm.get(`/api/v1/evaluations/${second}/changes?change=newly-failing`)).body as { items: JobChange[] }
    assert.deepEqual(failing.items.map((one) => [one.attr, one.derivationChanged, one.before!.state, one.now!.state, one.faultBuildId]), [['library', true, 'succeeded', 'failed', libraryId], ['program', true, 'succeeded', 'failed', libraryId]])
    assert.match(failing.items[1]!.reason!, /dependency library \(build \d+\) failed: builder failed with exit code 2/)
    const seen: string[] = []
    for (let cursor: string | null = ''; cursor !== null;) {
      const page: { items: JobChange[]; next: string | null } = (await farm.get(`/api/v1/evaluations/${second}/changes?limit=3${cursor === '' ? '' : `&cursor=${cursor}`}`)).body as { items: JobChange[]; next: string | null }
      seen.push(...page.items.map((one) => one.attr))
      cursor = page.next
    }
    assert.deepEqual(seen, ['bad', 'busy', 'gone', 'grown', 'library', 'mended', 'new', 'program', 'same', 'stopped'])
    const back = (await farm.get(`/api/v1/evaluations/${first}/changes?against=${second}&change=added`)).body as { items: JobChange[] }
    assert.deepEqual(back.items.map((one) => one.attr), ['gone'])
  })

  test('a job has a history, a newest success, and one of a finished evaluation', async () => {
    const at = '/api/v1/projects/compared/jobsets/trunk/jobs'
    const history = (await farm.get(`${at}/program`)).body as { items: JobRun[] }
    assert.deepEqual(history.items.map((run) => [run.evaluationId, run.state, run.changed]), [[second, 'failed', true], [first, 'succeeded', true]])
    assert.equal(((await farm.get(`${at}/program/latest`)).body as JobRun).evaluationId, first)
    assert.equal(((await farm.get(`${at}/grown/latest?finished=true&system=x86_64-linux`)).body as JobRun).releaseName, 'grown-2')
    assert.equal((await farm.get(`${at}/bad/latest`)).status, 404)
    assert.deepEqual(((await farm.get(`${at}/program/metrics/size`)).body as { items: { value: number }[] }).items.map((point) => point.value), [5])
    const jobs = (await farm.get(`${at}?contains=gro`)).body as { items: JobsetJob[] }
    assert.deepEqual(jobs.items.map((job) => [job.attr, job.state]), [['grown', 'succeeded']])
  })

  test('evaluations of a jobset carry it, and are kept when asked to', async () => {
    const list = (await farm.get('/api/v1/projects/compared/jobsets/trunk/evaluations')).body as { items: Evaluation[] }
    assert.deepEqual(list.items.map((one) => [one.id, one.jobset!.project, one.jobset!.previous]), [[second, 'compared', first], [first, 'compared', null]])
    assert.equal(((await farm.send('PUT', `/api/v1/evaluations/${first}/keep`, { keep: true })).body as Evaluation).jobset!.keep, true)
  })

  test('an aggregate shows the jobs that belong to it, by name and by derivation', async () => {
    const db = dbOf()
    const { rows } = await sql<{ drv: string }>`select drv_path as drv from job where evaluation_id = ${second} and attr = 'grown'`.execute(db)
    await addJob(db, second, 'tested', await addNode(db, { name: 'tested' }))
    await sql`update job set constituents = ${['same', rows[0]!.drv]} where evaluation_id = ${second} and attr = 'tested'`.execute(db)
    const jobs = (await farm.get(`/api/v1/evaluations/${second}/constituents?job=tested`)).body as { items: Job[] }
    assert.deepEqual(jobs.items.map((job) => job.attr), ['grown', 'same'])
  })
})

describe('builds in the queue', () => {
  test('a bump reaches what a build waits for; a cancelled build has failed, and says so', async () => {
    const db = dbOf()
    const top = await addNode(db, { name: 'urgent' })
    const below = await addNode(db, { name: 'urgent-input', state: 'queued' })
    await addInput(db, top.key, below.key)
    const { status, body } = await farm.send('POST', `/api/v1/builds/${top.id}/bump`)
    assert.deepEqual([status, body], [202, { builds: [top.id, below.id] }])
    assert.deepEqual((await farm.send('POST', `/api/v1/builds/${top.id}/bump`)).body, { builds: [] })
    const cancelled = await farm.send('POST', `/api/v1/builds/${below.id}/cancel`)
    assert.deepEqual([cancelled.status, (cancelled.body as { cause: unknown }).cause], [202, { kind: 'cancelled', reason: 'cancelled by a user' }])
    assert.equal((await farm.send('POST', `/api/v1/builds/${below.id}/cancel`)).status, 409)
    assert.equal((await farm.send('POST', `/api/v1/builds/${below.id}/bump`)).status, 409)
  })
})
