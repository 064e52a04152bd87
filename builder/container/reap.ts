/**
 * Ring: builder. Clearing up after a driver that died: its containers, cgroups and folders. What it mounted went with its
 * mount namespace, and slirp4netns with the pipe it held. Upstream counterpart: Nix' killUser and deletion of stale chroots.
 */
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdir, readdir, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { ReapReport } from '../interface.ts'
import { cgroupHierarchies, deleteContainer, listContainers, type Runtime } from './runtime.ts'

const KILL_ATTEMPTS = 50

/** `prefix` is what the ids and cgroups of this owner begin with. */
export async function reapContainers(runtime: Runtime, prefix: string, folder: string): Promise<ReapReport> {
  const containers = (await listContainers(runtime)).filter((id) => id.startsWith(prefix))
  await Promise.all(containers.map((id) => deleteContainer(runtime, id)))
  const cgroups = await reapCgroups(prefix)
  // a container that died while it was being made has a state that its runtime can't read
  await removeTree(runtime.stateFolder)
  const folders = await reapFolders(folder)
  await mkdir(runtime.stateFolder, { recursive: true, mode: 0o700 })
  return { containers: containers.length, cgroups, folders }
}

/** Removes the folders of builds, and what they shared; those that were kept on purpose stay. */
export async function reapFolders(folder: string): Promise<number> {
  const folders = (await readdir(folder).catch(() => [])).filter((name) => name !== 'kept')
  await Promise.all(folders.map((name) => removeTree(join(folder, name))))
  return folders.length
}

/** Kills whatever is left in cgroups of this name and removes them. Returns how many names there were. */
async function reapCgroups(prefix: string): Promise<number> {
  const found = new Set<string>()
  for (const hierarchy of await cgroupHierarchies()) {
    for (const name of (await readdir(hierarchy).catch(() => [])).filter((entry) => entry.startsWith(prefix))) {
      found.add(name)
      await emptyCgroup(join(hierarchy, name))
    }
  }
  return found.size
}

async function emptyCgroup(folder: string): Promise<void> {
  for (let attempt = 0; attempt < KILL_ATTEMPTS; attempt++) {
    for (const pid of processesOf(folder)) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // gone already
      }
    }
    try {
      await rmdir(folder)
      return
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
      await sleep(20)
    }
  }
}

function processesOf(folder: string): number[] {
  try {
    return readFileSync(join(folder, 'cgroup.procs'), 'utf8').split('\n').filter((line) => line !== '').map(Number)
  } catch {
    return []
  }
}

/** The command that removes a tree: never this process, since builds leave hundreds of thousands of files. */
export function removalOf(path: string): string[] {
  return ['rm', '-rf', '--one-file-system', '--', path]
}

export async function removeTree(path: string): Promise<void> {
  const [program, ...words] = removalOf(path)
  await promisify(execFile)(program!, words)
}
