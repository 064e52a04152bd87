/**
 * How fast the API answers while a jobset is evaluated: pages and lists of an evaluation with 20,000 synthetic jobs, and of a package set whose folder
 * is given. Builds are switched to a dry builder, which builds nothing and claims no success: what is measured is evaluator, database and API, which
 * share the machine. Run: `npm run bench jobset-api [FOLDER]`. Fails where a 95th percentile is 200 ms or more.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { Evaluation } from '../contract/api.ts'
import { type RunningFirn, startFirn } from '../test/support/firn.ts'

const { values, positionals: [folder] } = parseArgs({ allowPositionals: true, options: { jobs: { type: 'string', default: '20000' }, limit: { type: 'string', default: '200' }, rounds: { type: 'string', default: '5' } } })
const LIMIT_MILLISECONDS = Number(values.limit)
/** One client that reads all of a page and looks again. */
const PAUSE_MILLISECONDS = 50
const LONGEST_MILLISECONDS = 240_000

/** What a person's browser and a program ask for; `N` is the evaluation. */
const REQUESTS: Readonly<Record<string, { readonly path: string; readonly accept?: string }>> = {
  'evaluation': { path: '/api/v1/evaluations/N' },
  'jobs, first page': { path: '/api/v1/evaluations/N/jobs?limit=100&brief=true' },
  'jobs that fail': { path: '/api/v1/evaluations/N/jobs?limit=100&brief=true&state=error' },
  'jobs, by a text': { path: '/api/v1/evaluations/N/jobs?limit=100&brief=true&contains=7' },
  'comparison': { path: '/api/v1/evaluations/N/comparison' },
  'changes, first page': { path: '/api/v1/evaluations/N/changes?limit=100' },
  'evaluations of the jobset': { path: '/api/v1/projects/bench/jobsets/J/evaluations' },
  'page of the dashboard': { path: '/ui/evaluations/N', accept: 'text/html' },
  'Hydra\'s evaluation': { path: '/eval/N', accept: 'application/json' },
}

async function measure(farm: RunningFirn, jobset: string, source: string, file: string): Promise<boolean> {
  const put = async (path: string, body: object): Promise<void> => {
    const response = await fetch(`${farm.url}/api/v1${path}`, { method: 'PUT', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
    if (!response.ok) throw new Error(await response.text())
  }
  await put('/projects/bench', {})
  await put(`/projects/bench/jobsets/${jobset}`, { source: { kind: 'expression', input: 'src', file, walk: 'marked' }, inputs: { src: { kind: 'path', path: source } }, settings: { dryRun: true, mode: 'impure' } })
  const newest = async (): Promise<Evaluation | undefined> => (await (await fetch(`${farm.url}/api/v1/projects/bench/jobsets/${jobset}/evaluations?limit=1`)).json() as { items: Evaluation[] }).items[0]
  const times = new Map<string, number[]>(Object.keys(REQUESTS).map((name) => [name, []]))
  const begun = performance.now()
  let before = 0
  // from the second on, each is compared with the one before
  for (let round = 0; round < Number(values.rounds) && performance.now() - begun < LONGEST_MILLISECONDS; round++) {
    if (round > 0) await fetch(`${farm.url}/api/v1/projects/bench/jobsets/${jobset}/evaluate`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"force": true}' })
    let evaluation = await newest()
    for (const end = Date.now() + 60_000; evaluation === undefined || evaluation.id === before || evaluation.state === 'queued'; evaluation = await newest()) {
      if (Date.now() > end) throw new Error('no evaluation began')
      await sleep(20)
    }
    const { id } = evaluation
    const started = performance.now()
    while (evaluation.endedAt === null && performance.now() - begun < LONGEST_MILLISECONDS) {
      for (const [name, { path, accept }] of Object.entries(REQUESTS)) {
        const start = performance.now()
        const response = await fetch(farm.url + path.replace('/N', `/${id}`).replace('/J/', `/${jobset}/`), { headers: { accept: accept ?? 'application/json' } })
        await response.arrayBuffer()
        if (!response.ok) throw new Error(`${path} answered ${response.status}`)
        times.get(name)!.push(performance.now() - start)
        await sleep(PAUSE_MILLISECONDS)
      }
      evaluation = (await newest())!
    }
    before = id
    console.log(`${round === 0 ? '\n' : ''}${jobset}: ${evaluation.jobs.total} jobs (${evaluation.jobs.found} found, ${evaluation.jobs.errors} that can't be evaluated, ${evaluation.jobs.succeeded} claimed to have succeeded), ${evaluation.state} after ${((performance.now() - started) / 1000).toFixed(1)} s`)
  }
  console.log(`${'request'.padEnd(28)}${['count', 'median', '95 %', 'longest'].map((name) => name.padStart(10)).join('')}`)
  let good = true
  for (const [name, all] of times) {
    const sorted = all.sort((a, b) => a - b)
    const at = (part: number): number => sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? NaN
    if (!(at(0.95) < LIMIT_MILLISECONDS)) good = false
    console.log(`${name.padEnd(28)}${String(sorted.length).padStart(10)}${[at(0.5), at(0.95), at(1)].map((one) => `${one.toFixed(0)} ms`.padStart(10)).join('')}`)
  }
  return good
}

const scratch = mkdtempSync(join(tmpdir(), 'firn-jobset-api-'))
const farm = await startFirn()
try {
  console.log(`${cpus().length} × ${cpus()[0]?.model.trim()}, Node ${process.version}, ${new Date().toISOString().slice(0, 10)}`)
  writeFileSync(join(scratch, 'default.nix'), `builtins.listToAttrs (builtins.genList (n: { name = "job\${toString n}"; value = derivation {
    name = "job\${toString n}"; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" "echo \${toString n} > $out" ]; }; }) ${Number(values.jobs)}) // { recurseForDerivations = true; }`)
  const results = [await measure(farm, 'synthetic', scratch, '')]
  if (folder !== undefined) results.push(await measure(farm, 'packages', resolve(folder), ''))
  if (results.includes(false)) {
    console.error(`\na 95th percentile is not below ${LIMIT_MILLISECONDS} ms`)
    process.exitCode = 1
  }
} finally {
  await farm.stop()
  rmSync(scratch, { recursive: true, force: true })
}
