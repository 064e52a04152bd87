/** Ring: worker. The driver of builds that the settings name. */
import { openDockerDriver } from '../builder/docker.ts'
import type { BuildDriver } from '../builder/interface.ts'
import { openRuncDriver } from '../builder/runc.ts'
import type { Settings } from '../config/settings.ts'
import { FirnError } from '../contract/errors.ts'

/** Opens it; a worker that builds nothing gets one that refuses. */
export async function openDriver(settings: Settings, owner: string): Promise<BuildDriver> {
  if (!settings.worker.roles.includes('build')) return noBuilds
  const { runtime, program, shell, folder } = settings.builder
  if (runtime === 'docker') return await openDockerDriver({ socket: settings.builder.dockerSocket, owner, folder, ...(shell === undefined ? {} : { shell }) })
  return await openRuncDriver({ runtime, owner, folder, ...(program === undefined ? {} : { program }), ...(shell === undefined ? {} : { shell }) })
}

const noBuilds: BuildDriver = {
  name: 'none',
  run: () => Promise.reject(new FirnError('internal', 'this worker does not build')),
  reap: () => Promise.resolve({ containers: 0, cgroups: 0, folders: 0 }),
  close: () => Promise.resolve(),
}
