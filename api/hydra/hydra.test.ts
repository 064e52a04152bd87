/** The requests that Hydra's clients make, read from their sources, and the fields and columns that they read. Each test is named for its client. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { sql } from 'kysely'
import type { Jobset } from '../../contract/jobsets.ts'
import { recordResults } from '../../state/results.ts'
import { addAttempt, addEvaluation, addJob, addNode } from '../testing/farm-rows.ts'
import { startTestApi, stopTemporal, type TestApi } from '../testing/api.ts'

type Json = Record<string, unknown>
let farm: TestApi
const REVISION = 'b'.repeat(40)
const ids = { first: 0, second: 0, hello: 0, broken: 0, busy: 0, image: 0, was: 0 }
let [helloOutput, helloDrv] = ['', '']
const asJson = { accept: 'application/json' }
const json = async (path: string): Promise<Json> => {
  const { status, body } = await farm.get(path, asJson)
  assert.equal(status, 200, path)
  return body as Json
}
const page = async (path: string): Promise<string> => {
  const { status, headers, body } = await farm.get(path)
  assert.equal(status, 200, path)
  assert.match(headers.get('content-type') ?? '', /^text\/html/)
  return body as string
}
/** Rows of the first table below an element, as texts of their cells. */
function rows(text: string, element?: string): string[][] {
  const from = element === undefined ? text : text.slice(text.indexOf(element))
  const body = /<tbody>(.*?)<\/tbody>/s.exec(from)?.[1] ?? ''
  return [...body.matchAll(/<tr>(.*?)<\/tr>/gs)].map((row) => [...row[1]!.matchAll(/<td>(.*?)<\/td>/gs)].map((cell) => cell[1]!.replace(/<[^>]+>/g, '').trim()))
}
const redirect = async (path: string): Promise<string> => {
  const response = await fetch(farm.api.url + path, { redirect: 'manual' })
  assert.equal(response.status, 302, path)
  return response.headers.get('location')!
}

before(async () => {
  farm = await startTestApi()
  const { database: { db } } = farm.dependencies
  await farm.send('PUT', '/api/v1/projects/nixos', { displayName: 'NixOS' })
  const { id: jobsetId } = (await farm.send('PUT', '/api/v1/projects/nixos/jobsets/trunk-combined', {
    source: { kind: 'expression', input: 'nixpkgs', file: 'nixos/release-combined.nix' }, inputs: { nixpkgs: { kind: 'git', url: 'https://git.example.org/nixpkgs.git', ref: 'master' } }, state: 'disabled', schedule: ['0 4 * * *'],
  })).body as Jobset
  const evaluation = async (previous: number | null, revision: string): Promise<number> => {
    const id = await addEvaluation(db, 'failed')
    await sql`update evaluation set jobset_id = ${jobsetId}, previous_id = ${previous}, started_at = now() - interval '7 seconds', evaluated_at = now(), ended_at = now(), error = 'some jobs failed',
      inputs = ${JSON.stringify({ nixpkgs: { kind: 'git', url: 'https://git.example.org/nixpkgs.git', revision } })} where id = ${id}`.execute(db)
    return id
  }
  ids.first = await evaluation(null, 'a'.repeat(40))
  ids.second = await evaluation(ids.first, REVISION)
  const ended = async (id: number): Promise<void> => { await sql`update node set started_at = now() - interval '5 seconds', ended_at = now() where id = ${id}`.execute(db) }
  const hello = await addNode(db, { name: 'hello-2.12', state: 'succeeded', outcome: { status: 'succeeded', how: 'built' } })
  const image = await addNode(db, { name: 'nixos-image', state: 'succeeded', outcome: { status: 'succeeded', how: 'built' } })
  const broken = await addNode(db, { name: 'broken-1', state: 'failed', outcome: { status: 'failed', cause: { kind: 'builder-failed', exitCode: 1 }, cached: true } })
  const was = await addNode(db, { name: 'broken-0', state: 'succeeded', outcome: { status: 'succeeded', how: 'built' } })
  const busy = await addNode(db, { name: 'busy-1', state: 'queued' })
  Object.assign(ids, { hello: hello.id, image: image.id, broken: broken.id, busy: busy.id, was: was.id })
  helloOutput = `/nix/store/${hello.key}`
  helloDrv = hello.drvPath
  for (const node of [hello, image, broken, was]) await ended(node.id)
  await addAttempt(db, broken.id, { ended: true })
  await recordResults(db, [
    { nodeId: hello.id, releaseName: null, outputBytes: 100, closureBytes: 1000, failedWithOutput: false, metrics: [{ name: 'size', value: 5, unit: 'MB' }], products: [{ number: 1, type: 'nix-build', subtype: '', name: 'hello-2.12', path: helloOutput, defaultPath: '', fileSize: null, sha256: null }] },
    { nodeId: image.id, releaseName: 'nixos-26.05pre1', outputBytes: 10, closureBytes: 20, failedWithOutput: false, metrics: [], products: [{ number: 1, type: 'file', subtype: 'iso', name: 'nixos.iso', path: `/nix/store/${image.key}/iso/nixos.iso`, defaultPath: '', fileSize: 3, sha256: 'c'.repeat(64) }] },
  ])
  await addJob(db, ids.first, 'hello.x86_64-linux', hello)
  await addJob(db, ids.first, 'broken.x86_64-linux', was)
  await addJob(db, ids.first, 'gone.x86_64-linux', was)
  await addJob(db, ids.second, 'hello.x86_64-linux', hello)
  await addJob(db, ids.second, 'image.x86_64-linux', image)
  await addJob(db, ids.second, 'broken.x86_64-linux', broken)
  await addJob(db, ids.second, 'busy.x86_64-linux', busy)
  await addJob(db, ids.second, 'wrong', { error: 'undefined variable \'<x>\'' })
})
after(async () => {
  await farm.close()
  await stopTemporal()
})

describe('release tooling', () => {
  test('NixOS\' channel scripts: from the newest finished build to revision, store paths and the image', async () => {
    const at = await redirect('/job/nixos/trunk-combined/image.x86_64-linux/latest-finished')
    assert.equal(at, `/build/${ids.image}`)
    const build = await json('/job/nixos/trunk-combined/image.x86_64-linux/latest-finished')
    assert.deepEqual([build['id'], build['nixname'], (build['jobsetevals'] as number[])[0], build['releasename']], [ids.image, 'image.x86_64-linux', ids.second, 'nixos-26.05pre1'])
    const evaluation = await json(`/eval/${ids.second}`)
    assert.deepEqual((evaluation['jobsetevalinputs'] as Json)['nixpkgs'], { uri: 'https://git.example.org/nixpkgs.git', type: 'git', revision: REVISION, value: null, dependency: null })
    assert.deepEqual([evaluation['id'], evaluation['evaltime'], evaluation['hasnewbuilds'], evaluation['flake']], [ids.second, 7, 1, null])
    assert.deepEqual((evaluation['builds'] as number[]).sort((a, b) => a - b), [ids.hello, ids.image, ids.broken, ids.busy].sort((a, b) => a - b))
    assert.deepEqual(await json(`/eval/${ids.second}/store-paths`), [helloOutput])
    const image = await json(`/eval/${ids.second}/job/image.x86_64-linux`)
    const product = (image['buildproducts'] as Record<string, Json>)['1']!
    assert.deepEqual([product['subtype'], product['sha256hash'], product['name'], product['filesize']], ['iso', 'c'.repeat(64), 'nixos.iso', 3])
    assert.match(String(product['path']), /^\/nix\/store\/.*\/iso\/nixos\.iso$/)
    assert.equal(await redirect(`/build/${ids.image}/download/1/nixos.iso`), `/api/v1/builds/${ids.image}/products/1`)
    assert.equal(await redirect(`/build/${ids.image}/download-by-type/file/iso`), `/api/v1/builds/${ids.image}/products/1`)
  })

  test('nixpkgs\' hydra-report: pages of evaluations, and the builds of one', async () => {
    const page = await json('/jobset/nixos/trunk-combined/evals')
    assert.deepEqual([(page['evals'] as Json[]).map((one) => one['id']), page['first'], page['last'], page['next']], [[ids.second, ids.first], '?page=1', '?page=1', undefined])
    const builds = await json(`/eval/${ids.second}/builds`) as unknown as Json[]
    assert.deepEqual(builds.map((one) => [one['job'], one['buildstatus'], one['finished'], one['id'], one['nixname'], one['system']]), [
      ['broken.x86_64-linux', 1, 1, ids.broken, 'broken.x86_64-linux', 'x86_64-linux'],
      ['busy.x86_64-linux', null, 0, ids.busy, 'busy.x86_64-linux', 'x86_64-linux'],
      ['hello.x86_64-linux', 0, 1, ids.hello, 'hello.x86_64-linux', 'x86_64-linux'],
      ['image.x86_64-linux', 0, 1, ids.image, 'image.x86_64-linux', 'x86_64-linux'],
    ])
  })
})

describe('whole answers', () => {
  /** Times are seconds since 1970; which, no golden can say. */
  const timeless = (value: unknown): unknown => JSON.parse(JSON.stringify(value, (key, one: unknown) => (/time/.test(key) && typeof one === 'number' && one > 1e9 ? 'a time' : one))) as unknown

  test('of a build', async () => {
    assert.deepEqual(timeless(await json(`/build/${ids.hello}`)), {
      id: ids.hello, finished: 1, timestamp: 'a time', starttime: 'a time', stoptime: 'a time', project: 'nixos', jobset: 'trunk-combined', job: 'hello.x86_64-linux', nixname: 'hello.x86_64-linux',
      system: 'x86_64-linux', priority: 3, buildstatus: 0, releasename: null, drvpath: helloDrv, jobsetevals: [ids.second, ids.first], buildoutputs: { out: { path: helloOutput } },
      buildproducts: { 1: { type: 'nix-build', subtype: '', name: 'hello-2.12', filesize: null, sha256hash: null, path: helloOutput, defaultpath: '' } },
      buildmetrics: { size: { name: 'size', value: 5, unit: 'MB' } },
    })
  })

  test('of an evaluation, and of a page of them', async () => {
    const first = {
      id: ids.first, timestamp: 'a time', checkouttime: 0, evaltime: 7, hasnewbuilds: 1, flake: null, builds: [ids.hello, ids.was],
      jobsetevalinputs: { nixpkgs: { uri: 'https://git.example.org/nixpkgs.git', type: 'git', revision: 'a'.repeat(40), value: null, dependency: null } },
    }
    assert.deepEqual(timeless(await json(`/eval/${ids.first}`)), first)
    const page = timeless(await json('/jobset/nixos/trunk-combined/evals')) as { evals: unknown[] }
    assert.deepEqual(Object.keys(page).sort(), ['evals', 'first', 'last'])
    assert.deepEqual(page.evals[1], first)
  })

  test('of a jobset, and of its overview', async () => {
    assert.deepEqual(timeless(await json('/jobset/nixos/trunk-combined')), {
      name: 'trunk-combined', project: 'nixos', description: '', nixexprinput: 'nixpkgs', nixexprpath: 'nixos/release-combined.nix', type: 0, flake: '', enabled: 0, visible: true,
      checkinterval: 0, schedulingshares: 100, keepnr: 0, enableemail: false, emailoverride: '', enable_dynamic_run_command: false, errormsg: '', fetcherrormsg: '', errortime: null, lastcheckedtime: null,
      triggertime: null, starttime: null, inputs: { nixpkgs: { name: 'nixpkgs', type: 'git', value: 'https://git.example.org/nixpkgs.git master', emailresponsible: false } },
    })
    assert.deepEqual(timeless(await json('/api/jobsets?project=nixos')), [{
      project: 'nixos', name: 'trunk-combined', nrscheduled: 1, nrsucceeded: 2, nrfailed: 1, nrtotal: 4, lastcheckedtime: null, starttime: null, checkinterval: 0, triggertime: null,
      fetcherrormsg: null, errortime: null, haserrormsg: true,
    }])
  })

  test('of errors, the queue, and what is not there', async () => {
    assert.deepEqual(timeless(await json(`/eval/${ids.second}/errors`)), { id: ids.second, errormsg: 'in job ‘wrong’:\nundefined variable \'<x>\'\n', errortime: 'a time' })
    const { status, body } = await farm.get('/build/999999', asJson)
    assert.deepEqual([status, Object.keys(body as Json)], [404, ['error']])
  })
})

describe('hydra-cli', () => {
  // it sends `Content-Type: application/json` and no preference
  const ask = async (path: string): Promise<unknown> => {
    const { status, body } = await farm.get(path, { 'content-type': 'application/json', 'accept': '*/*' })
    assert.equal(status, 200, path)
    return body
  }

  test('project-list, search, jobset overviews, reproduce', async () => {
    const projects = await ask('/') as Json[]
    assert.deepEqual(projects.find((one) => one['name'] === 'nixos'), { name: 'nixos', displayname: 'NixOS', description: '', homepage: '', owner: '', enabled: true, enable_dynamic_run_command: false, hidden: false, jobsets: ['trunk-combined'] })
    const found = (await ask(`/search?query=${helloOutput}`) as { builds: Json[] }).builds
    assert.deepEqual(found.map((one) => [one['id'], one['project'], one['jobset'], one['job'], one['buildoutputs'], one['jobsetevals'], typeof one['stoptime'], typeof one['drvpath']]), [
      [ids.hello, 'nixos', 'trunk-combined', 'hello.x86_64-linux', { out: { path: helloOutput } }, [ids.second, ids.first], 'number', 'string'],
    ])
    const [overview] = await ask('/api/jobsets?project=nixos') as Json[]
    assert.deepEqual([overview!['name'], overview!['nrtotal'], overview!['nrsucceeded'], overview!['nrfailed'], overview!['nrscheduled'], overview!['haserrormsg']], ['trunk-combined', 4, 2, 1, 1, true])
    const jobset = await ask('/jobset/nixos/trunk-combined') as Json
    assert.deepEqual([jobset['nixexprinput'], jobset['nixexprpath'], jobset['inputs']], ['nixpkgs', 'nixos/release-combined.nix', { nixpkgs: { name: 'nixpkgs', type: 'git', value: 'https://git.example.org/nixpkgs.git master', emailresponsible: false } }])
  })

  test('makes projects and jobsets, changes and deletes them', async () => {
    const project = await farm.send('PUT', '/project/made', { displayname: 'made', enabled: true, visible: true })
    assert.deepEqual([project.status, (project.body as Json)['type']], [201, 'project'])
    const definition = { description: 'd', checkinterval: 300, enabled: 0, visible: true, keepnr: 3, nixexprinput: 'src', nixexprpath: 'release.nix', inputs: { src: { value: 'https://git.example.org/set.git main', type: 'git', revision: null, uri: null } } }
    assert.equal((await farm.send('PUT', '/jobset/made/trunk', definition)).status, 201)
    const ours = (await farm.get('/api/v1/projects/made/jobsets/trunk')).body as Jobset
    assert.deepEqual([ours.pollSeconds, ours.state, ours.inputs['src']], [300, 'disabled', { kind: 'git', url: 'https://git.example.org/set.git', ref: 'main', submodules: false }])
    const changed = await farm.send('PUT', '/jobset/made/trunk', { ...definition, keepnr: 5 })
    assert.deepEqual([changed.status, changed.body], [200, { redirect: '/jobset/made/trunk' }])
    assert.equal((await farm.send('DELETE', '/jobset/made/trunk')).status, 200)
    assert.equal((await farm.get('/jobset/made/trunk', asJson)).status, 404)
  })

  test('what Hydra has no word for survives a change through its API', async () => {
    assert.equal((await farm.send('PUT', '/jobset/nixos/trunk-combined', { enabled: 0, visible: true, nixexprinput: 'nixpkgs', nixexprpath: 'nixos/release-combined.nix', inputs: { nixpkgs: { type: 'git', value: 'https://git.example.org/nixpkgs.git master' } } })).status, 200)
    assert.deepEqual(((await farm.get('/api/v1/projects/nixos/jobsets/trunk-combined')).body as Jobset).schedule, ['0 4 * * *'])
  })
})

describe('hydra-check', () => {
  test('reads the newest builds of a job: status, number, time, name, system', async () => {
    const text = await page('/job/nixos/trunk-combined/hello.x86_64-linux')
    assert.deepEqual(rows(text).map(([, number, , name, system]) => [number, name, system]), [[String(ids.hello), 'hello.x86_64-linux', 'x86_64-linux']])
    assert.match(text, /<td><img [^>]*title="Succeeded"><\/td>/)
    assert.match(text, /<time [^>]*datetime="\d{4}-\d\d-\d\dT[\d:]+Z"/)
    const queued = await page('/job/nixos/trunk-combined/busy.x86_64-linux')
    assert.match(queued, /<td><span>Queued<\/span><\/td>/)
    const { status, body } = await farm.get('/job/nixos/trunk-combined/nothing')
    assert.equal(status, 404)
    assert.match(body as string, /<div class="alert/)
  })

  test('reads an evaluation by the ids of its tabs', async () => {
    const text = await page(`/eval/${ids.second}`)
    assert.deepEqual(rows(text, '<div id="tabs-now-fail">').map((row) => row[2]), ['broken.x86_64-linux'])
    assert.deepEqual(rows(text, '<div id="tabs-new">').map((row) => row[2]), ['image.x86_64-linux', 'wrong'].slice(0, 1))
    assert.deepEqual(rows(text, '<div id="tabs-removed">'), [['gone.x86_64-linux', 'x86_64-linux']])
    assert.deepEqual(rows(text, '<div id="tabs-still-succeed">').map((row) => row[2]), ['hello.x86_64-linux'])
    assert.deepEqual(rows(text, '<div id="tabs-unfinished">').map((row) => row[2]), ['busy.x86_64-linux'])
    assert.deepEqual(rows(text, '<div id="tabs-inputs">').map((row) => [row[0], row[1], row[3]]), [['nixpkgs', 'Git checkout', REVISION]])
    assert.match(text, /aaaaaaaaaaaa to bbbbbbbbbbbb/)
    assert.ok(text.includes('undefined variable &#39;&lt;x&gt;&#39;'), 'an error is text')
    assert.doesNotMatch(await page(`/eval/${ids.second}?filter=hello`), /tabs-now-fail/)
  })

  test('reads the evaluations of a jobset, and the inputs of a build', async () => {
    const list = rows(await page('/jobset/nixos/trunk-combined/evals'))
    assert.deepEqual(list.map((row) => [row.length, row[0], row[3], row[4], row[5], row[6]]), [[7, String(ids.second), '2', '1', '1', '-1'], [7, String(ids.first), '3', '0', '', '']])
    assert.deepEqual(rows(await page(`/build/${ids.hello}`), '<div id="tabs-buildinputs">').map((row) => [row.length, row[3]]), [[5, REVISION]])
  })
})

test('a channel is what has been built, as stock Nix reads it', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'firn-channel-'))
  try {
    assert.equal((await farm.get(`/eval/${ids.second}/channel/binary-cache-url`)).body, farm.api.url)
    for (const path of [`/eval/${ids.second}/channel/nixexprs.tar.xz`, '/job/nixos/trunk-combined/hello.x86_64-linux/channel/latest/nixexprs.tar.bz2']) {
      const response = await fetch(farm.api.url + path)
      assert.equal(response.status, 200)
      writeFileSync(join(folder, 'channel.tar.gz'), Buffer.from(await response.arrayBuffer()))
      execFileSync('tar', ['xzf', 'channel.tar.gz'], { cwd: folder })
      const read = (expression: string): unknown => JSON.parse(execFileSync('nix-instantiate', ['--eval', '--strict', '--json', '-E', expression, '--arg', 'channel', join(folder, 'channel')], { encoding: 'utf8', env: { ...process.env, NIX_REMOTE: 'dummy://' } }))
      assert.deepEqual(read('{ channel }: let jobs = import channel { system = "x86_64-linux"; }; in builtins.mapAttrs (name: job: [ job.name job.type job.outputs job.out.outputName job.drvPath ]) { hello = jobs."hello.x86_64-linux"; }'), {
        hello: ['hello.x86_64-linux', 'derivation', ['out'], 'out', helloDrv],
      })
      assert.deepEqual(read('{ channel }: builtins.attrNames (import channel { system = "riscv64-linux"; })'), [])
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  assert.equal((await farm.get('/job/nixos/trunk-combined/busy.x86_64-linux/channel/latest/nixexprs.tar.gz')).status, 404)
})

test('actions are taken by POST, and by no GET', async () => {
  assert.equal((await farm.get(`/build/${ids.busy}/cancel`)).status, 405)
  const response = await fetch(`${farm.api.url}/build/${ids.busy}/bump`, { method: 'POST', redirect: 'manual' })
  assert.deepEqual([response.status, response.headers.get('location')], [302, `/build/${ids.busy}`])
})

test('series, badge and counts', async () => {
  const job = '/job/nixos/trunk-combined/hello.x86_64-linux'
  assert.deepEqual(await json(`${job}/shield`), { schemaVersion: 1, label: 'hydra build', color: 'green', message: 'passing' })
  assert.deepEqual((await json(`${job}/closure-sizes`) as unknown as Json[]).map((one) => [one['id'], one['value']]), [[ids.hello, 1000]])
  assert.deepEqual((await json(`${job}/build-times`) as unknown as Json[]).map((one) => one['value']), [5])
  assert.deepEqual((await json(`${job}/metric/size`) as unknown as Json[]).map((one) => [one['value'], one['unit']]), [[5, 'MB']])
  assert.match((await farm.get(`${job}/prometheus`)).body as string, /hydra_job_failed\{project="nixos",jobset="trunk-combined",job="hello\.x86_64-linux"\} 0/)
  const latest = await json('/api/latestbuilds?nr=2&project=nixos') as unknown as Json[]
  assert.equal(latest.length, 2)
  assert.equal((await farm.get('/api/latestbuilds', asJson)).status, 400)
  assert.equal((await farm.get('/eval/999999', asJson)).status, 404)
  assert.match(String(((await farm.get('/eval/x', asJson)).body as Json)['error']), /no number/)
})

test('they leave the dashboard and the API alone', async () => {
  assert.equal(await redirect('/ui'), '/ui/')
  assert.equal((await farm.get('/api/v1/status', asJson)).status, 200)
  assert.match((await farm.get('/nix-cache-info')).body as string, /^StoreDir/)
})
