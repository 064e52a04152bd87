/**
 * Services of a whole farm, as `firn up` starts it, are killed in the middle of an evaluation with imports: the supervisor starts them
 * again, and the evaluation ends as if nothing had been, with nothing half stored and nothing left behind.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Build, Job } from '../../contract/api.ts'
import { readFarmState } from '../../infra/embedded/state.ts'
import { type RunningFirn, startFirn } from '../support/firn.ts'

let farm: RunningFirn
before(async () => { farm = await startFirn() })
after(async () => { await farm.stop() })

/** An import that takes some seconds, a job behind it, and one beside it. */
function expression(mark: string): string {
  return `
    let run = name: script: derivation { inherit name; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" script ]; };
    in {
      imported = run (import (run "${mark}-import" "sleep 4; echo '\\"${mark}-behind\\"' > $out")) "echo behind > $out";
      beside = run "${mark}-beside" "sleep 6; echo beside > $out";
    }`
}

async function until<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
  for (const end = Date.now() + 120_000; Date.now() < end; await sleep(50)) {
    // the API is away as long as what it needs is
    const found = await look().catch(() => undefined)
    if (found !== undefined) return found
  }
  throw new Error(`no ${what} within two minutes`)
}

async function survives(service: string): Promise<void> {
  const mark = `killed-${service}`
  const { id } = await farm.client.call('submitEvaluation', { body: { source: { kind: 'expression', text: expression(mark), basePath: '/' }, recurse: true, settings: { mode: 'impure' } }, headers: {} })
  await until('two running builds', async () => {
    const builds = await farm.client.all<'listBuilds', Build>('listBuilds', { query: {} })
    return builds.filter(({ name, state }) => name.startsWith(mark) && state === 'running').length === 2 ? true : undefined
  })
  const before = readFarmState(farm.home)!.services[service]!
  process.kill(before.pid, 'SIGKILL')
  const state = await until('end of the evaluation', async () => {
    const { state, endedAt } = await farm.client.call('getEvaluation', { params: { id } })
    return endedAt === null ? undefined : state
  })
  assert.equal(state, 'succeeded')
  const after = readFarmState(farm.home)!.services[service]!
  assert.equal(after.restarts, before.restarts + 1, `${service} was started again`)
  const jobs = await farm.client.all<'listJobs', Job>('listJobs', { params: { id } })
  assert.deepEqual(jobs.map(({ name, state }) => [name, state]).sort(), [[`${mark}-behind`, 'succeeded'], [`${mark}-beside`, 'succeeded']])
  for (const path of jobs.flatMap((job) => Object.values(job.outputs ?? {}))) {
    const { code, stdout } = await farm.run('store', 'cat', path!)
    assert.deepEqual([code, /^(behind|beside)\n$/.test(stdout)], [0, true], `${path} is whole`)
  }
  await until('end of what was left of builds', async () => Promise.resolve(leftovers().length === 0 ? true : undefined))
}

/** Mounts, and folders of builds that hold something. */
function leftovers(): string[] {
  const builds = join(farm.home, 'builds')
  const mounts = readFileSync('/proc/mounts', 'utf8').split('\n').filter((line) => line.includes(farm.home))
  return [...mounts, ...readdirSync(builds).filter((name) => name !== 'shared' && readdirSync(join(builds, name)).length > 0)]
}

test('Postgres is killed', () => survives('postgres'))
test('Temporal is killed', () => survives('temporal'))
test('the worker is killed', () => survives('worker'))
test('the API is killed', () => survives('api'))
