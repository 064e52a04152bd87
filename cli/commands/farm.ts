/** Ring: cli. `firn up`, `firn down`: the farm of this machine. */
import type { Command } from 'commander'
import { spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import colors from 'picocolors'
import { describeSettings } from '../../config/describe.ts'
import type { LoadedSettings } from '../../config/load.ts'
import { thisMachine } from '../../config/machine.ts'
import { settingsSchema } from '../../config/settings.ts'
import { FirnError } from '../../contract/errors.ts'
import { logTail } from '../../infra/embedded/child.ts'
import { type FarmEvent, startFarm } from '../../infra/embedded/farm.ts'
import { endProcess, type FarmState, identityOf, isAlive, readFarmState, runningFarm } from '../../infra/embedded/state.ts'
import { type GlobalOptions, loadForCommand, settingsOverrides } from '../context.ts'
import { formatSeconds, printJson } from '../output.ts'

interface UpOptions extends GlobalOptions {
  readonly detach?: boolean
}

/** How this very program is started again. */
export const FIRN: readonly [string, ...string[]] = [process.execPath, '--disable-warning=ExperimentalWarning', resolve(import.meta.dirname, '../main.ts')]

export function upCommand(command: Command): Command {
  return command
    .description('Start a farm on this machine: Postgres, Temporal, a worker and the API.')
    .option('-d, --detach', 'return once it is up')
    .addHelpText('after', `
Everything lies in one folder (FIRN_HOME). A service that ends by itself is started again. What the settings name
elsewhere (database.url, temporal.address, store.blobs) is used instead of started; docs/reference/settings.md has them all.

Examples:
  firn up                            in the foreground; Ctrl-C stops it
  firn up --detach                   in the background; 'firn down' stops it
  firn up --set worker.slots=4 --set api.address=0.0.0.0`)
    .action(async (options: UpOptions) => {
      const loaded = loadForCommand(options)
      const running = runningFarm(loaded.settings.home)
      if (running) {
        if (options.json) printJson({ url: running.endpoints.api, home: loaded.settings.home, started: false })
        else process.stdout.write(`the farm is up at ${running.endpoints.api ?? '(starting)'}\n`)
        return
      }
      const begun = Date.now()
      if (options.detach) {
        const state = await detach(loaded, options)
        if (options.json) printJson({ url: state.endpoints.api, home: loaded.settings.home, started: true })
        else process.stdout.write(`the farm is up at ${colors.bold(state.endpoints.api ?? '')} after ${formatSeconds((Date.now() - begun) / 1000)}; stop it with: firn down\n`)
        return
      }
      await runHere(loaded, options, begun)
    })
}

export function downCommand(command: Command): Command {
  return command
    .description('Stop the farm of this machine. What was built stays; what was running goes on with the next start.')
    .action(async (options: GlobalOptions) => {
      const { home } = loadForCommand(options).settings
      const stopped = await stopFarm(home)
      if (options.json) printJson({ home, stopped })
      else process.stdout.write(stopped ? 'the farm is down\n' : `no farm runs in ${home}\n`)
    })
}

/** Stops the farm of a data folder, whatever is left of it; false where there was nothing to stop. */
export async function stopFarm(home: string): Promise<boolean> {
  const state = readFarmState(home)
  if (!state) return false
  const left = [state.supervisor, ...Object.values(state.services)].filter(isAlive)
  if (left.length === 0) return false
  await endProcess(state.supervisor, 60)
  // a supervisor that was killed could not end these
  await Promise.all(Object.entries(state.services).map(([name, identity]) => endProcess(identity, 10, name === 'postgres' ? 'SIGINT' : 'SIGTERM')))
  return true
}

async function runHere(loaded: LoadedSettings, options: UpOptions, begun: number): Promise<void> {
  const stop = Promise.withResolvers<string>()
  let signals = 0
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (++signals > 2) process.exit(130)
      stop.resolve(signal)
    })
  }
  const report = (line: string): void => void process.stdout.write(`${options.json ? JSON.stringify({ at: new Date().toISOString(), message: line }) : line}\n`)
  const farm = await startFarm(loaded, { firn: FIRN, environment: overriddenEnvironment(options), report: (event) => report(describeEvent(event)) })
  report(`the farm is up at ${farm.endpoints.api} after ${formatSeconds((Date.now() - begun) / 1000)}`)
  report(`data in ${loaded.settings.home}, logs in ${join(loaded.settings.home, 'logs')}`)
  const reason = await stop.promise
  report(`${reason}: stopping`)
  await farm.stop()
  report('the farm is down')
  // clients of stopped services may keep timers
  process.exit(0)
}

function describeEvent(event: FarmEvent): string {
  switch (event.kind) {
    case 'started': return `${event.service} started (process ${event.pid})${event.restarts > 0 ? `, restart ${event.restarts}` : ''}`
    case 'ended': return `${event.service} ${event.how}; starting it again in ${formatSeconds(event.waitSeconds)}`
    case 'reaped': return `${event.service} (process ${event.pid}) was left by an earlier farm and was ended`
  }
}

/** Starts `firn up` in the background, and waits until it says in its state file that it is up. */
export async function detach(loaded: LoadedSettings, options: UpOptions): Promise<FarmState> {
  const { home } = loaded.settings
  const log = join(home, 'logs', 'farm.log')
  mkdirSync(join(home, 'logs'), { recursive: true })
  const from = statSync(log, { throwIfNoEntry: false })?.size ?? 0
  const descriptor = openSync(log, 'a')
  const child = spawn(FIRN[0], [...FIRN.slice(1), 'up'], {
    detached: true, stdio: ['ignore', descriptor, descriptor], cwd: '/',
    env: { ...process.env, ...overriddenEnvironment(options), FIRN_HOME: home, ...(loaded.file === undefined ? {} : { FIRN_CONFIG: loaded.file }) },
  })
  closeSync(descriptor)
  let ended = false
  child.once('exit', () => { ended = true })
  child.once('error', () => { ended = true })
  const identity = identityOf(child.pid ?? 0)
  for (;;) {
    const state = readFarmState(home)
    if (state?.supervisor.pid === identity.pid && state.state === 'up') {
      child.unref()
      return state
    }
    if (ended) {
      const why = logTail(log, from).split('\n').filter((line) => !/ started \(process \d+\)$/.test(line)).join('\n').replace(/^error: /, '')
      throw new FirnError('unavailable', `the farm did not start: ${why}`)
    }
    await sleep(50)
  }
}

/** What `--set` and its like said, as environment variables for other processes of this farm. */
export function overriddenEnvironment(options: GlobalOptions): NodeJS.ProcessEnv {
  const known = describeSettings(settingsSchema(thisMachine('/')))
  return Object.fromEntries(Object.entries(settingsOverrides(options)).map(([name, value]) => [known.find((one) => one.name === name)?.env ?? name, value]))
}
