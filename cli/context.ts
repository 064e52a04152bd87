/** Ring: cli. What every command works with: settings, the farm, and where output goes. */
import { type LoadedSettings, loadSettings } from '../config/load.ts'
import { FirnError } from '../contract/errors.ts'
import { readFarmState, runningFarm } from '../infra/embedded/state.ts'
import { type Farm, FarmClient } from './client.ts'

/** Options that every command takes. */
export interface GlobalOptions {
  readonly home?: string
  readonly config?: string
  readonly api?: string
  readonly set?: readonly string[]
  readonly otlp?: string
  readonly json?: boolean
}

/** What commander was given for settings, as overrides of the loader. */
export function settingsOverrides(options: GlobalOptions): Record<string, string> {
  const overrides: Record<string, string> = {}
  for (const pair of options.set ?? []) {
    const equals = pair.indexOf('=')
    if (equals < 1) throw new FirnError('invalid-input', `--set ${pair}: expected section.setting=value`)
    overrides[pair.slice(0, equals)] = pair.slice(equals + 1)
  }
  if (options.home !== undefined) overrides['home'] = options.home
  if (options.api !== undefined) overrides['farm.url'] = options.api
  if (options.otlp !== undefined) overrides['telemetry.otlp'] = options.otlp
  return overrides
}

export function loadForCommand(options: GlobalOptions): LoadedSettings {
  return loadSettings({ ...(options.config === undefined ? {} : { file: options.config }), overrides: settingsOverrides(options) })
}

/** The farm that commands talk to. Errors: 'unavailable' where none is named and none runs here. */
export async function findFarm(options: GlobalOptions): Promise<FarmClient> {
  const { settings } = loadForCommand(options)
  const token = settings.farm.token === undefined ? {} : { token: settings.farm.token }
  const running = await startedFarm(settings.home)
  if (settings.farm.url !== undefined) {
    const url = settings.farm.url.replace(/\/+$/, '')
    return new FarmClient({ url, local: url === running?.url, ...token })
  }
  if (running) return new FarmClient({ ...running, ...token })
  throw new FirnError('unavailable', `no farm runs in ${settings.home}. Start one with 'firn up --detach', or name one with --api URL or FIRN_API.`)
}

/** The farm of a data folder; waits for one that is about to come up. */
async function startedFarm(home: string): Promise<Farm | undefined> {
  for (let waited = 0; ; waited++) {
    const state = runningFarm(home)
    if (!state || state.state === 'stopping') return undefined
    if (state.state === 'up' && state.endpoints.api !== undefined) return { url: state.endpoints.api, local: true }
    if (waited >= 300) throw new FirnError('unavailable', `the farm in ${home} (process ${state.supervisor.pid}) does not come up; see ${home}/logs`)
    await new Promise((resume) => setTimeout(resume, 100))
  }
}

/** Settings for a worker or API of this data folder: where its farm's services run, unless the settings name others. */
export function withFarmServices(loaded: LoadedSettings): LoadedSettings {
  const { settings } = loaded
  const endpoints = readFarmState(settings.home)?.endpoints
  if (!endpoints || (settings.database.url !== undefined && settings.temporal.address !== undefined)) return loaded
  return {
    ...loaded,
    settings: {
      ...settings,
      database: { ...settings.database, ...(settings.database.url === undefined && endpoints.databaseUrl !== undefined ? { url: endpoints.databaseUrl } : {}) },
      temporal: { ...settings.temporal, ...(settings.temporal.address === undefined && endpoints.temporal !== undefined ? { address: endpoints.temporal } : {}) },
    },
  }
}
