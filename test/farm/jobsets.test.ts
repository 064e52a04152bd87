import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import { jobsetDefinition, projectDefinition } from '../../contract/jobsets.ts'
import { compareEvaluations } from '../../state/comparison.ts'
import { type EvaluationRow, getEvaluation } from '../../state/evaluations.ts'
import { deleteJobset, getJobset, listTimings, putJobset } from '../../state/jobsets.ts'
import { getProject, putProject } from '../../state/projects.ts'
import { getResult } from '../../state/results.ts'
import { removeOldEvaluations } from '../../state/retention.ts'
import { addProjectTrigger, addTrigger } from '../../state/triggers.ts'
import { startTestFarm, type TestFarm } from '../support/farm.ts'

let farm: TestFarm
let folder: string
before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'firn-jobsets-'))
  farm = await startTestFarm({ settings: { 'evaluator.mode': 'restricted', 'evaluator.allowedPaths': folder, 'evaluator.allowedUris': 'file:///' } })
})
after(async () => {
  await farm.stop()
  rmSync(folder, { recursive: true })
})

/** A git repository whose commits are given as files. */
class Repository {
  readonly path: string
  constructor(name: string) {
    this.path = join(folder, name)
    mkdirSync(this.path)
    this.git('init', '--quiet', '--initial-branch=main')
  }

  git(...args: string[]): string {
    return execFileSync('git', ['-c', 'user.name=Test', '-c', 'user.email=test@example.org', ...args], { cwd: this.path, encoding: 'utf8' }).trim()
  }

  commit(files: Readonly<Record<string, string>>): string {
    for (const [name, content] of Object.entries(files)) {
      mkdirSync(dirname(join(this.path, name)), { recursive: true })
      writeFileSync(join(this.path, name), content)
    }
    this.git('add', '--all')
    this.git('commit', '--quiet', '--message', 'a change')
    return this.git('rev-parse', 'HEAD')
  }
}

const fine = {
  'release.nix': `{ src, greeting ? "hello", loud ? false, ... }:
let
  run = name: script: derivation { inherit name; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" script ]; };
  library = run "library" (builtins.readFile ./library.sh);
in {
  inherit library;
  programs.one = run "one" "echo '\${greeting}' \${library} > $out";
  programs.two = run "two" "echo \${if loud then "LOUD" else "quiet"} \${library} > $out";
  apart = run "apart" "echo apart > $out";
}
`,
  'library.sh': 'echo library > $out',
}

async function jobset(project: string, name: string, repository: Repository, more: object = {}): Promise<number> {
  await putProject(farm.database.db, project, projectDefinition.parse({}))
  const { id } = await putJobset(farm.database.db, (await getProject(farm.database.db, project)).id, name, jobsetDefinition.parse({
    source: { kind: 'expression', input: 'src', file: 'release.nix' },
    inputs: { src: { kind: 'git', url: `file://${repository.path}`, ref: 'main' }, greeting: { kind: 'string', value: 'hi "there" ${x}' }, loud: { kind: 'boolean', value: true } },
    ...more,
  }))
  return id
}

async function check(jobsetId: number, trigger: { force?: boolean; variant?: string; overrides?: Record<string, { ref?: string }> } = {}): Promise<number> {
  const id = await addTrigger(farm.database.db, { jobsetId, cause: { kind: 'hand' }, ...trigger })
  await farm.motion.checkJobset({ kind: 'jobset', jobsetId })
  return id
}

/** What came of a trigger: an evaluation, or undefined where nothing had changed. */
async function taken(trigger: number): Promise<number | undefined> {
  for (const until = Date.now() + 30_000; Date.now() < until; await sleep(20)) {
    const row = await farm.database.db.selectFrom('jobset_trigger').select(['taken_at', 'evaluation_id']).where('id', '=', trigger).executeTakeFirstOrThrow()
    if (row.taken_at) return row.evaluation_id ?? undefined
  }
  throw new Error(`trigger ${trigger} was not taken`)
}

async function evaluated(jobsetId: number, trigger: Parameters<typeof check>[1] = {}): Promise<EvaluationRow> {
  const evaluation = await taken(await check(jobsetId, trigger))
  assert.ok(evaluation !== undefined, (await farm.database.db.selectFrom('jobset').select('error').where('id', '=', jobsetId).executeTakeFirst())?.error ?? 'nothing had changed')
  return await farm.ended(evaluation)
}

test('a commit is evaluated with its inputs, an unchanged one is not, and a broken one shows its dependents and names the build at fault', async () => {
  const { db } = farm.database
  const repository = new Repository('set')
  const first = repository.commit(fine)
  const id = await jobset('set', 'trunk', repository)
  const one = await evaluated(id)
  assert.deepEqual([one.state, one.error], ['succeeded', null])
  assert.equal(one.inputs['src']!.revision, first)
  const jobs = await db.selectFrom('job').select(['attr', 'name']).where('evaluation_id', '=', one.id).orderBy('attr').execute()
  assert.deepEqual(jobs.map((job) => job.attr), ['apart', 'library', 'programs.one', 'programs.two'])
  assert.equal(await taken(await check(id)), undefined, 'nothing has changed')
  const forced = await evaluated(id, { force: true })
  assert.deepEqual([forced.sameAs, forced.previous], [one.id, one.id])

  repository.commit({ 'library.sh': 'echo it breaks; exit 3' })
  const broken = await evaluated(id)
  assert.equal(broken.state, 'failed')
  const comparison = await compareEvaluations(db, broken, forced)
  assert.deepEqual([comparison.counts['newly-failing'], comparison.counts['still-succeeding'], comparison.faults.length], [3, 1, 1])
  assert.deepEqual([comparison.faults[0]!.name, comparison.faults[0]!.jobs, comparison.faults[0]!.description], ['library', 3, 'builder failed with exit code 3'])
  assert.deepEqual(comparison.inputs.map((input) => input.name), ['src'])

  repository.commit({ 'library.sh': 'echo mended > $out' })
  const mended = await evaluated(id)
  assert.equal(mended.state, 'succeeded')
  assert.equal((await compareEvaluations(db, mended, await getEvaluation(db, broken.id))).counts.fixed, 3)
})

test('what can\'t be fetched is shown with the jobset, and gone when it can', async () => {
  const repository = new Repository('later')
  const id = await jobset('set', 'later', repository)
  assert.equal(await taken(await check(id)), undefined)
  assert.match((await getJobset(farm.database.db, 'set', 'later')).error!, /^input 'src': .*(has no 'main'|couldn't find remote ref|main)/)
  repository.commit(fine)
  assert.equal((await evaluated(id)).state, 'succeeded')
  assert.equal((await getJobset(farm.database.db, 'set', 'later')).error, null)
})

test('while one runs: the next waits, or takes its place; a pull request has a line of its own', async () => {
  const { db } = farm.database
  const repository = new Repository('slow')
  const slow = (name: string) => ({ 'release.nix': `{ src, ... }: { job = derivation { name = "${name}"; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" "sleep 4; echo > $out" ]; }; }` })
  repository.commit(slow('first'))
  const waiting = await jobset('slow', 'waiting', repository, { whenRunning: 'wait' })
  const first = (await taken(await check(waiting)))!
  repository.commit(slow('second'))
  const [second, third] = [await check(waiting), await check(waiting)]
  await sleep(500)
  assert.equal((await db.selectFrom('evaluation').select('id').where('jobset_id', '=', waiting).execute()).length, 1)
  await farm.ended(first)
  const [next, same] = [await taken(second), await taken(third)]
  assert.ok(next !== undefined && next === same, 'both pushes are one evaluation')
  await farm.ended(next)

  repository.commit(slow('third'))
  const superseding = await jobset('slow', 'superseding', repository, { whenRunning: 'supersede' })
  const old = (await taken(await check(superseding)))!
  repository.commit(slow('fourth'))
  repository.git('branch', 'feature')
  const request = (await taken(await check(superseding, { variant: 'pull/7', overrides: { src: { ref: 'refs/heads/feature' } } })))!
  const young = (await taken(await check(superseding)))!
  assert.equal((await farm.ended(old)).state, 'cancelled')
  assert.deepEqual([(await farm.ended(young)).state, (await farm.ended(request)).state], ['succeeded', 'succeeded'])
  const pull = (await getEvaluation(db, request))!
  assert.deepEqual([pull.variant, pull.previous], ['pull/7', old])
})

test('schedules follow the table: a jobset that polls is looked at by itself, until it is disabled', async () => {
  const { db } = farm.database
  const repository = new Repository('polled')
  repository.commit(fine)
  const id = await jobset('polled', 'trunk', repository, { pollSeconds: 1 })
  await farm.motion.setSchedules(await listTimings(db, id), id)
  const found = async (revision: string): Promise<boolean> => (await sql`select from evaluation where jobset_id = ${id} and inputs -> 'src' ->> 'revision' = ${revision}`.execute(db)).rows.length > 0
  const until = async (revision: string): Promise<void> => {
    for (const end = Date.now() + 30_000; Date.now() < end; await sleep(50)) if (await found(revision)) return
    assert.fail(`${revision} was not found by polling`)
  }
  await until(repository.git('rev-parse', 'HEAD'))
  await until(repository.commit({ 'library.sh': 'echo polled > $out' }))
  await jobset('polled', 'trunk', repository, { pollSeconds: 1, state: 'disabled' })
  await farm.motion.setSchedules(await listTimings(db))
  const before = (await db.selectFrom('jobset_trigger').select('id').where('jobset_id', '=', id).execute()).length
  await sleep(2500)
  const later = (await db.selectFrom('jobset_trigger').select('id').where('jobset_id', '=', id).execute()).length
  assert.ok(later - before <= 1, `${later - before} more triggers of a disabled jobset`)
  await deleteJobset(db, id)
})

test('what a job\'s output says about itself is read: products, release name, metrics, sizes; a failure in its own words', async () => {
  const { db } = farm.database
  const repository = new Repository('products')
  repository.commit({ 'release.nix': `{ src, ... }: let run = name: script: derivation { inherit name; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" script ]; }; in {
    iso = run "iso-1.0" ''
      mkdir -p $out/nix-support $out/iso; echo image > "$out/iso/an image.iso"; echo manual > $out/iso/index.html
      echo "file iso \\"$out/iso/an image.iso\\"" > $out/nix-support/hydra-build-products
      echo "doc manual $out/iso index.html" >> $out/nix-support/hydra-build-products
      echo "file gone $out/nothing" >> $out/nix-support/hydra-build-products
      echo iso-1.0-final > $out/nix-support/hydra-release-name
      echo "size 12.5 MB" > $out/nix-support/hydra-metrics; echo "bad line" >> $out/nix-support/hydra-metrics
    '';
    plain = run "plain" "mkdir $out";
    odd = run "odd" "mkdir -p $out/nix-support; echo > $out/nix-support/failed";
  }` })
  const id = await jobset('products', 'trunk', repository)
  const evaluation = await evaluated(id)
  assert.equal(evaluation.state, 'succeeded')
  const resultOf = async (attr: string) => {
    for (const end = Date.now() + 10_000; ; await sleep(50)) {
      const { rows } = await sql<{ id: number; read: boolean }>`select n.id, r.node_id is not null as read from job j join node n on n.key = j.node_key left join build_result r on r.node_id = n.id where j.evaluation_id = ${evaluation.id} and j.attr = ${attr}`.execute(db)
      if (rows[0]!.read) return await getResult(db, rows[0]!.id)
      assert.ok(Date.now() < end, `the results of ${attr} were not read`)
    }
  }
  const iso = await resultOf('iso')
  assert.deepEqual([iso.releaseName, iso.metrics], ['iso-1.0-final', [{ name: 'size', value: 12.5, unit: 'MB' }]])
  assert.deepEqual(iso.products.map(({ type, subtype, name, defaultPath, fileSize, sha256 }) => [type, subtype, name, defaultPath, fileSize, sha256]), [
    ['file', 'iso', 'an image.iso', '', 6, createHash('sha256').update('image\n').digest('hex')], ['doc', 'manual', 'iso', 'index.html', null, null],
  ])
  assert.ok(iso.outputBytes! > 500 && iso.closureBytes === iso.outputBytes)
  assert.deepEqual((await resultOf('plain')).products.map((product) => [product.type, product.name]), [['nix-build', 'plain']])
  assert.equal((await resultOf('odd')).failedWithOutput, true)
})

test('old evaluations go; what is marked, newest or has a kept build stays', async () => {
  const { db } = farm.database
  const repository = new Repository('kept')
  repository.commit(fine)
  const id = await jobset('kept', 'trunk', repository, { keep: 1 })
  const made: number[] = []
  for (let i = 0; i < 4; i++) made.push((await evaluated(id, { force: true })).id)
  await sql`update evaluation set keep = true where id = ${made[1]!}`.execute(db)
  while ((await removeOldEvaluations(db)).length > 0);
  const left = await db.selectFrom('evaluation').select('id').where('jobset_id', '=', id).orderBy('id').execute()
  assert.deepEqual(left.map((row) => row.id), [made[1], made[3]])
})

test('another jobset\'s result is an input', async () => {
  const repository = new Repository('consumer')
  repository.commit({ 'release.nix': '{ src, library, all, ... }: { uses = derivation { name = "uses-${toString library.buildId}"; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" "read x < ${library}; echo $x ${all."programs.one"} > $out" ]; }; }' })
  const id = await jobset('consumer', 'trunk', repository, { inputs: {
    src: { kind: 'git', url: `file://${repository.path}` }, library: { kind: 'jobset', project: 'set', jobset: 'trunk', job: 'library' }, all: { kind: 'jobset', project: 'set', jobset: 'trunk' },
  } })
  const evaluation = await evaluated(id)
  assert.deepEqual([evaluation.state, evaluation.error], ['succeeded', null])
  assert.ok(evaluation.inputs['library']!.storePath!.endsWith('-library'))
})

test('a declarative file makes the jobsets, in our words and in Hydra\'s, and takes back what it doesn\'t list any more', async () => {
  const { db } = farm.database
  const sources = new Repository('declared')
  sources.commit(fine)
  const spec = new Repository('specification')
  const ours = { source: { kind: 'expression', input: 'src', file: 'release.nix' }, inputs: { src: { kind: 'git', url: `file://${sources.path}` } } }
  const hydras = { enabled: 1, nixexprinput: 'src', nixexprpath: 'release.nix', checkinterval: 0, inputs: { src: { type: 'git', value: `file://${sources.path} main` }, greeting: { type: 'string', value: 'hello' } } }
  spec.commit({ 'jobsets.json': JSON.stringify({ ours, hydras }) })
  const { project } = await putProject(db, 'declared', projectDefinition.parse({ declarative: { input: { kind: 'git', url: `file://${spec.path}` }, file: 'jobsets.json' } }))
  const apply = async (): Promise<void> => {
    const trigger = await addProjectTrigger(db, project.id, { kind: 'hand' })
    await farm.motion.checkJobset({ kind: 'project', projectId: project.id })
    await taken(trigger)
  }
  await apply()
  assert.equal((await getProject(db, 'declared')).error, null)
  const made = await getJobset(db, 'declared', 'hydras')
  assert.deepEqual([made.generated, made.inputs['src'], made.keep], [true, { kind: 'git', url: `file://${sources.path}`, ref: 'main', submodules: false }, 3])
  for (const end = Date.now() + 30_000; Date.now() < end && (await getJobset(db, 'declared', 'ours')).latest?.state !== 'succeeded';) await sleep(50)
  assert.equal((await getJobset(db, 'declared', 'ours')).latest!.state, 'succeeded')

  spec.commit({ 'jobsets.json': JSON.stringify({ ours: { ...ours, shares: 7 } }) })
  await apply()
  assert.equal((await getJobset(db, 'declared', 'ours')).shares, 7)
  await assert.rejects(getJobset(db, 'declared', 'hydras'), /there is no jobset/)
  spec.commit({ 'jobsets.json': JSON.stringify({ ours: { source: 5 } }) })
  await apply()
  assert.match((await getProject(db, 'declared')).error!, /^jobset 'ours' of 'jobsets\.json': source/)
})
