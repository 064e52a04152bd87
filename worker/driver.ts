/** Ring: worker. The driver of builds that the settings name. */
import { lookup } from 'node:dns/promises'
import { basename } from 'node:path'
import { openDockerDriver } from '../builder/docker.ts'
import type { BuildDriver } from '../builder/interface.ts'
import { isInstalled } from '../builder/container/runtime.ts'
import { openRuncDriver } from '../builder/runc.ts'
import type { Settings } from '../config/settings.ts'
import { FirnError } from '../contract/errors.ts'

/** Opens it; a worker that builds nothing gets one that refuses. */
export async function openDriver(settings: Settings, owner: string): Promise<BuildDriver> {
  if (!settings.worker.roles.includes('build')) return noBuilds
  const { program, shell, folder } = settings.builder
  const runtime = await runtimeOf(settings.builder)
  if (runtime === 'docker') return await openDockerDriver({ socket: settings.builder.dockerSocket, owner, folder, ...(shell === undefined ? {} : { shell }) })
  const { outsideNetwork, allowedAddresses, niceness } = settings.builder
  const blockedAddresses = [...settings.builder.blockedAddresses, ...await farmAddresses(settings)]
  return await openRuncDriver({ runtime, owner, folder, niceness, outsideNetwork, allowedAddresses, blockedAddresses, ...(program === undefined ? {} : { program }), ...(shell === undefined ? {} : { shell }) })
}

/** The same containers come of both; crun needs 12 ms for one and runc 32. */
async function runtimeOf({ runtime, program }: Settings['builder']): Promise<'runc' | 'crun' | 'docker'> {
  if (runtime !== 'auto') return runtime
  if (program !== undefined) return basename(program) === 'crun' ? 'crun' : 'runc'
  return await isInstalled('crun') ? 'crun' : 'runc'
}

/** IPv4 addresses of the farm's own services, which no build may reach. What can't be resolved can't be reached either. */
async function farmAddresses({ temporal, database, store }: Settings): Promise<string[]> {
  const endpoint = URL.canParse(store.blobs) ? new URL(store.blobs).searchParams.get('endpoint') ?? '' : ''
  const hosts = [temporal.address?.replace(/:\d+$/, ''), ...[database.url ?? '', endpoint].map((address) => (URL.canParse(address) ? new URL(address).hostname : undefined))]
  const found = await Promise.all(hosts.filter((host) => host !== undefined && host !== '').map((host) => lookup(host!, { all: true, family: 4 }).catch(() => [])))
  return found.flat().map(({ address }) => address).filter((address) => !address.startsWith('127.'))
}

const noBuilds: BuildDriver = {
  name: 'none',
  run: () => Promise.reject(new FirnError('internal', 'this worker does not build')),
  reap: () => Promise.resolve({ containers: 0, cgroups: 0, folders: 0 }),
  close: () => Promise.resolve(),
}
