/**
 * The example set as a jobset: its files are pushed to a git server whose webhook tells the farm. Everything is built while the
 * evaluation goes on; a second commit breaks a library, whose dependents (the jobs whose derivations changed) newly fail and no others, with
 * the library named; a third mends it. Some ten minutes, most of them compilers.
 *
 *   npm run conformance jobset-example
 */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Build, FINAL_EVALUATION_STATES, type Evaluation, type Job } from '../../contract/api.ts'
import type { Comparison, JobChange } from '../../contract/comparison.ts'
import { findMirrors } from '../../examples/tools/mirrors.ts'
import { type RunningFirn, startFirn } from '../support/firn.ts'
import { type PushedRepository, startGitServer } from '../support/git-server.ts'
import { tellOfPush } from '../support/github-push.ts'

const PACKAGES = join(import.meta.dirname, '../../examples/packages')
const SECRET = 'what the forge signs with'
const BROKEN = 'ncurses'
/** Jobset inputs are its arguments, and `src` is one of them. */
const ENTRY = '{ src, debianMirror, npmRegistry, cratesMirror }: import ./demo.nix { inherit debianMirror npmRegistry cratesMirror; }\n'

interface Ended {
  readonly evaluation: Evaluation
  readonly jobs: readonly Job[]
  readonly comparison: Comparison
  readonly seconds: number
}

function packageFiles(): Record<string, string> {
  const paths = readdirSync(PACKAGES, { recursive: true, encoding: 'utf8' }).filter((path) => statSync(join(PACKAGES, path)).isFile())
  return { ...Object.fromEntries(paths.map((path) => [path, readFileSync(join(PACKAGES, path), 'utf8')])), 'jobset.nix': ENTRY }
}

class Project {
  readonly #farm: RunningFirn
  readonly #repository: PushedRepository
  #deliveries = 0

  constructor(farm: RunningFirn, repository: PushedRepository) {
    this.#farm = farm
    this.#repository = repository
  }

  async call<T>(method: string, path: string, body?: object): Promise<T> {
    const response = await fetch(`${this.#farm.url}/api/v1${path}`, { method, ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }) })
    const answer = await response.json() as T
    assert.ok(response.ok, `${method} ${path}: ${JSON.stringify(answer)}`)
    return answer
  }

  /** The evaluation of a commit of these files, once everything in it has ended. */
  async commit(files: Readonly<Record<string, string>>): Promise<Ended> {
    const begun = performance.now()
    const revision = this.#repository.push(files)
    const told = await tellOfPush({ url: this.#farm.url, secret: SECRET, repository: this.#repository.url, name: 'team/set', revision, delivery: `d-${this.#deliveries++}` })
    assert.deepEqual(told.jobsetsTriggered, ['team:trunk'])
    const evaluation = await this.#evaluationOf(revision)
    const jobs = await this.#farm.client.all<'listJobs', Job>('listJobs', { params: { id: evaluation.id }, query: {} })
    const comparison = await this.call<Comparison>('GET', `/evaluations/${evaluation.id}/comparison`)
    const seconds = Math.round((performance.now() - begun) / 1000)
    console.log(`evaluation ${evaluation.id} ${evaluation.state} after ${seconds} s: ${jobs.length} jobs`)
    return { evaluation, jobs, comparison, seconds }
  }

  async #evaluationOf(revision: string): Promise<Evaluation> {
    for (;; await sleep(200)) {
      const { items } = await this.call<{ items: Evaluation[] }>('GET', '/projects/team/jobsets/trunk/evaluations')
      const found = items.find((one) => one.jobset!.inputs['src']?.revision === revision)
      if (found && FINAL_EVALUATION_STATES.includes(found.state)) return found
    }
  }
}

const folder = await mkdtemp(join(tmpdir(), 'firn-jobset-example-'))
const git = await startGitServer(folder)
const farm = await startFirn({ settings: { 'evaluator.mode': 'restricted', 'evaluator.allowedUris': 'http://127.0.0.1' } })
try {
  const repository = git.repository('team/set')
  const project = new Project(farm, repository)
  await project.call('PUT', '/projects/team', {})
  await project.call('PUT', '/projects/team/credentials/webhook', { secret: SECRET })
  repository.push({ 'jobset.nix': '{ ... }: { }\n' })
  await project.call('PUT', '/projects/team/jobsets/trunk', {
    source: { kind: 'expression', input: 'src', file: 'jobset.nix', walk: 'marked' },
    inputs: {
      src: { kind: 'git', url: repository.url, ref: 'main' },
      ...Object.fromEntries(Object.entries(await findMirrors()).map(([name, value]: [string, string]) => [name, { kind: 'string', value }])),
    },
  })

  const files = packageFiles()
  const first = await project.commit(files)
  assert.equal(first.evaluation.state, 'succeeded', JSON.stringify(first.jobs.filter(({ state }) => state !== 'succeeded'), null, 1))
  const starts = (await farm.client.all<'listBuilds', Build>('listBuilds', { query: {} })).flatMap(({ startedAt }) => startedAt ?? [])
  const begun = starts.sort()[0]
  assert.ok(begun && first.evaluation.evaluatedAt && begun < first.evaluation.evaluatedAt, `the first build began (${begun}) before the last job was found (${first.evaluation.evaluatedAt})`)

  const packages = files['packages.nix']!
  const broken = packages.replace(`fromDebian "${BROKEN}" {`, `fromDebian "${BROKEN}" {\n    patchPhase = "echo no patch applies; exit 7";`)
  assert.notEqual(broken, packages)
  const second = await project.commit({ ...files, 'packages.nix': broken })
  const before = new Map(first.jobs.map((job) => [job.attr, job.drvPath]))
  const dependents = second.jobs.filter((job) => job.drvPath !== before.get(job.attr)).map((job) => job.attr).sort()
  const { items } = await project.call<{ items: JobChange[] }>('GET', `/evaluations/${second.evaluation.id}/changes?change=newly-failing&limit=200`)
  assert.equal(second.evaluation.state, 'failed')
  assert.ok(dependents.length > 1, 'something depends on it')
  assert.deepEqual(items.map((one) => one.attr).sort(), dependents)
  assert.deepEqual(second.comparison.faults.map(({ name, jobs }) => [name.replace(/-[0-9].*/, ''), jobs]), [[BROKEN, dependents.length]])

  const third = await project.commit(files)
  assert.deepEqual([third.evaluation.state, third.comparison.counts.fixed], ['succeeded', dependents.length])
  console.log(`${first.jobs.length} jobs; ${BROKEN} broke ${dependents.join(', ')}, and nothing else; mended again`)
} finally {
  await farm.stop()
  await git.close()
  await rm(folder, { recursive: true, force: true })
}
