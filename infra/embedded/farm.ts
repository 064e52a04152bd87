/**
 * Ring: infra. The farm of one machine: Postgres, Temporal, a worker and the API, each a process of its own, kept running by
 * this one. What the settings name elsewhere (database.url, temporal.address) is not started. Everything lies in the data
 * folder; ports are chosen once and kept, so that clients find a service again after a restart.
 *
 * Upstream counterpart: the hydra-* units of a NixOS machine. A supervisor that was killed leaves nothing behind: our own
 * processes end when their channel to it closes, the others when the kernel tells them (PR_SET_PDEATHSIG), and whatever still
 * lives is found in run/farm.json and ended by the next start.
 */
import { createWriteStream, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { databaseUrl } from '../../config/database-url.ts'
import type { LoadedSettings } from '../../config/load.ts'
import type { Settings } from '../../config/settings.ts'
import { FirnError } from '../../contract/errors.ts'
import { migrate } from '../../migrations/run.ts'
import { startChild } from './child.ts'
import { listenOnce } from './ports.ts'
import { startPostgres } from './postgres.ts'
import { type Endpoints, endProcess, type FarmState, identityOf, isAlive, lockHome, readFarmState, writeFarmState } from './state.ts'
import { type Service, supervise, type SupervisedService } from './supervise.ts'
import { startTemporal } from './temporal.ts'

export type FarmEvent =
  | { readonly kind: 'started', readonly service: string, readonly pid: number, readonly restarts: number }
  | { readonly kind: 'ended', readonly service: string, readonly how: string, readonly waitSeconds: number }
  | { readonly kind: 'reaped', readonly service: string, readonly pid: number }

export interface FarmOptions {
  /** How to start `firn`: program and leading arguments; `worker` and `api` are appended. */
  readonly firn: readonly [string, ...string[]]
  readonly report: (event: FarmEvent) => void
  /** Environment of the children, for what the command line overrode; added to ours. */
  readonly environment: NodeJS.ProcessEnv
}

export interface Farm {
  readonly endpoints: Endpoints
  /** Ends worker and API, then what they stand on. */
  stop(): Promise<void>
}

const PREFERRED_API_PORT = 7780

/** Starts the farm; resolves when the API answers and the worker takes work. Errors: 'conflict' where one runs here already. */
export async function startFarm(loaded: LoadedSettings, options: FarmOptions): Promise<Farm> {
  const { settings } = loaded
  const home = settings.home
  mkdirSync(home, { recursive: true, mode: 0o755 })
  const lock = lockHome(home)
  const previous = readFarmState(home)
  await reap(previous, options)

  let state: FarmState = { supervisor: identityOf(process.pid), state: 'starting', startedAt: new Date().toISOString(), services: {}, endpoints: {} }
  const update = (change: Partial<FarmState>): void => {
    state = { ...state, ...change }
    writeFarmState(home, state)
  }
  update({})

  const services: SupervisedService[] = []
  const start = async (service: Service): Promise<void> => {
    services.push(await supervise(service, {
      started: (name, pid, restarts) => {
        update({ services: { ...state.services, [name]: { ...identityOf(pid), restarts } } })
        options.report({ kind: 'started', service: name, pid, restarts })
      },
      ended: (name, how, waitSeconds) => options.report({ kind: 'ended', service: name, how, waitSeconds }),
    }))
  }
  const stop = async (): Promise<void> => {
    update({ state: 'stopping' })
    // what uses goes before what is used
    for (const names of [['worker', 'api'], ['temporal', 'postgres']]) {
      await Promise.all(services.filter((one) => names.includes(one.name)).map((one) => one.stop()))
    }
    update({ services: {} })
    lock.release()
  }

  try {
    const address = settings.api.address === '0.0.0.0' || settings.api.address === '::' ? '127.0.0.1' : settings.api.address
    const apiPort = await choosePort(settings.api.port, previous?.endpoints.api, PREFERRED_API_PORT, settings.api.address)
    const endpoints: Mutable<Endpoints> = {
      api: settings.api.publicUrl ?? `${settings.api.certificate === undefined ? 'http' : 'https'}://${address.includes(':') ? `[${address}]` : address}:${apiPort}`,
      temporal: settings.temporal.address ?? `127.0.0.1:${await choosePort(0, previous?.endpoints.temporal)}`,
      databaseUrl: '',
    }
    await Promise.all([
      startDatabase(settings, start).then(async (url) => {
        endpoints.databaseUrl = url
        await migrate(url)
      }),
      settings.temporal.address === undefined
        ? start({
            name: 'temporal',
            start: () => startTemporal({
              databaseFile: join(home, 'temporal', 'temporal.db'),
              port: Number(endpoints.temporal.split(':').at(-1)),
              namespace: settings.temporal.namespace,
              logFile: join(home, 'logs', 'temporal.log'),
            }),
          })
        : undefined,
    ])
    update({ endpoints })

    const environment = { ...process.env, ...options.environment, ...childSettings(loaded, endpoints, apiPort) }
    const program = (name: 'worker' | 'api', stopSeconds: number): Service => ({
      name,
      start: () => startChild({ command: [...options.firn, name], environment, logFile: join(home, 'logs', `${name}.log`), ipc: true, startSeconds: 120, stopSeconds }),
    })
    await Promise.all([start(program('worker', settings.worker.graceSeconds + 10)), start(program('api', 10))])
    update({ state: 'up' })
    return { endpoints, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] }

/** Ends what a killed supervisor left. Postgres' own server is ended by its own rules, when it is started again. */
async function reap(previous: FarmState | undefined, options: FarmOptions): Promise<void> {
  const left = Object.entries(previous?.services ?? {}).filter(([name]) => name !== 'postgres')
  await Promise.all(left.map(async ([service, identity]) => {
    if (!isAlive(identity)) return
    await endProcess(identity, 3)
    options.report({ kind: 'reaped', service, pid: identity.pid })
  }))
}

/** Starts our own Postgres unless the settings name one; gives its address. */
async function startDatabase(settings: Settings, start: (service: Service) => Promise<void>): Promise<string> {
  if (settings.database.url !== undefined) return databaseUrl(settings)
  let url = ''
  const log = join(settings.home, 'logs', 'postgres.log')
  mkdirSync(join(settings.home, 'logs'), { recursive: true })
  const stream = createWriteStream(log, { flags: 'a' })
  await start({
    name: 'postgres',
    start: async () => {
      const server = await startPostgres({ directory: join(settings.home, 'postgres'), mode: 'durable', onLog: (line) => stream.write(`${line}\n`) })
      if (url !== '' && server.url !== url) {
        // its port was taken while it was down; the others were told the old address
        await server.stop()
        throw new FirnError('conflict', `port ${new URL(url).port} is taken by another program`)
      }
      url = server.url
      return { pid: server.pid, exited: server.exited.then(() => 'ended'), stop: () => server.stop() }
    },
  })
  return url
}

/** How worker and API are told what this process knows: as the environment variables of those settings. */
function childSettings(loaded: LoadedSettings, endpoints: Endpoints, apiPort: number): NodeJS.ProcessEnv {
  const { settings, file } = loaded
  const loopback = ['127.0.0.1', '::1', 'localhost'].includes(settings.api.address)
  return {
    FIRN_HOME: settings.home,
    ...(file === undefined ? {} : { FIRN_CONFIG: file }),
    FIRN_DATABASE_URL: endpoints.databaseUrl,
    FIRN_TEMPORAL_ADDRESS: endpoints.temporal,
    FIRN_API_PORT: String(apiPort),
    FIRN_API_PUBLIC_URL: endpoints.api,
    // who reaches loopback is on this machine already, and may name its files
    ...(loopback && settings.evaluator.allowedPaths.length === 0 ? { FIRN_EVALUATOR_ALLOWED_PATHS: '/', FIRN_EVALUATOR_MODE: 'impure' } : {}),
  }
}

/** The port asked for, else the one of the last start, else the preferred one, else any, whichever is free. */
async function choosePort(asked: number, lastEndpoint?: string, preferred?: number, address = '127.0.0.1'): Promise<number> {
  if (asked !== 0) {
    if (await listenOnce(asked, address) === undefined) throw new FirnError('conflict', `port ${asked} of ${address} is taken by another program; set api.port`)
    return asked
  }
  const last = Number(lastEndpoint?.split(':').at(-1))
  for (const candidate of [...(Number.isInteger(last) ? [last] : []), ...(preferred === undefined ? [] : [preferred]), 0]) {
    const port = await listenOnce(candidate, address)
    if (port !== undefined) return port
  }
  throw new FirnError('exhausted', `no free port on ${address}`)
}
