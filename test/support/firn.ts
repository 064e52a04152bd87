/**
 * The program as its users start it: `bin/firn up` with a data folder of its own, so Postgres, Temporal, worker and API as processes,
 * and `bin/firn …` beside it. Five seconds until it is up. For tests and benchmarks of the whole; a test of the parts behind the API
 * starts test/support/farm.ts instead.
 */
import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { FarmClient } from '../../cli/client.ts'
import { stopFarm } from '../../cli/commands/farm.ts'
import { freePort } from '../../infra/embedded/ports.ts'

/** Longer than each of the farm's services is given. */
const STOP_SECONDS = 120
const PROGRAM = fileURLToPath(new URL('../../bin/firn', import.meta.url))

export interface Ran {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunningFirn {
  readonly home: string
  readonly url: string
  readonly client: FarmClient
  /** Runs `firn` against this farm. */
  run(...args: string[]): Promise<Ran>
  /** Ends the farm and removes its folder. */
  stop(): Promise<void>
}

export interface FirnOptions {
  /** Settings by dotted name, as on the command line. */
  readonly settings?: Readonly<Record<string, string>>
  /** Added to the environment of all processes. */
  readonly environment?: NodeJS.ProcessEnv
}

/** Starts a farm; throws with what it said where it does not come up. */
export async function startFirn(options: FirnOptions = {}): Promise<RunningFirn> {
  const home = await mkdtemp(join(tmpdir(), 'firn-running-'))
  // what the caller's own farm was told is not meant for this one
  const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('FIRN_')))
  const environment = { ...inherited, FIRN_OTLP: 'false', ...options.environment, FIRN_HOME: home, FIRN_API_PORT: String(await freePort()) }
  const settings = Object.entries(options.settings ?? {}).flatMap(([name, value]) => ['--set', `${name}=${value}`])
  const farm = spawn(PROGRAM, ['up', ...settings], { env: environment, cwd: home, stdio: ['ignore', 'pipe', 'pipe'] })
  const end = (): void => { farm.kill('SIGTERM') }
  process.once('exit', end)
  // a signal that ends this process would not tell the farm
  const interrupted = (): void => process.exit(130)
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, interrupted)
  let said = ''
  const ended = new Promise<void>((resolve) => { farm.once('close', () => resolve()) })
  const url = await new Promise<string>((resolve, reject) => {
    const take = (chunk: Buffer): void => {
      said += chunk.toString()
      const [, found] = /the farm is up at (\S+)/.exec(said) ?? []
      if (found !== undefined) resolve(found)
    }
    farm.stdout.on('data', take)
    farm.stderr.on('data', take)
    farm.once('error', reject)
    farm.once('close', () => reject(new Error(`the farm did not come up: ${said}`)))
  }).catch(async (error: unknown) => {
    await rm(home, { recursive: true, force: true })
    throw error
  })
  return {
    home, url,
    client: new FarmClient({ url, local: true }),
    run: (...args) => run(PROGRAM, args, { ...environment, NO_COLOR: '1' }, home),
    stop: async () => {
      end()
      const late = setTimeout(() => {
        // its test would wait for ever, and Node's runner with it
        console.error(`the farm has not stopped within ${STOP_SECONDS} s: ${said}`)
        farm.kill('SIGKILL')
        void stopFarm(home)
      }, STOP_SECONDS * 1000)
      await ended
      clearTimeout(late)
      process.off('exit', end)
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, interrupted)
      await rm(home, { recursive: true, force: true })
    },
  }
}

/** Runs a program to its end, whatever its exit code. */
export async function run(program: string, args: readonly string[], env: NodeJS.ProcessEnv, cwd?: string): Promise<Ran> {
  return await new Promise((resolve, reject) => {
    const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'], ...(cwd === undefined ? {} : { cwd }) })
    const stdout: Buffer[] = []
    const stderr: Buffer[] = []
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk))
    child.once('error', reject)
    child.once('close', (code) => resolve({ code, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() }))
  })
}
