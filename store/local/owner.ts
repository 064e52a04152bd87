/**
 * Ring: store. One process a folder: a second one would remove the first one's work as something left behind. The owner is named by its
 * process id and the time it started, since ids are used again; an owner that died owns nothing.
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { FirnError } from '../../contract/errors.ts'

const FILE = '.owner'

/** Errors: 'conflict' where another process that lives has the folder. */
export function claimFolder(folder: string): void {
  const path = join(folder, FILE)
  const [pid, started] = readOwner(path)
  if (pid !== process.pid && started !== undefined && startOf(pid) === started) {
    throw new FirnError('conflict', `the folder ${folder} belongs to process ${pid}, which is running: give each worker a folder of its own`, { data: { folder, pid } })
  }
  writeFileSync(`${path}.${process.pid}`, `${process.pid} ${startOf(process.pid) ?? ''}\n`)
  renameSync(`${path}.${process.pid}`, path)
}

function readOwner(path: string): [number, string | undefined] {
  try {
    const [pid, started] = readFileSync(path, 'utf8').trim().split(' ')
    return [Number(pid), started]
  } catch {
    return [0, undefined]
  }
}

/** When a process started, in ticks since the machine did; undefined where there is none or the system doesn't tell. */
function startOf(pid: number): string | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const fields = status.slice(status.lastIndexOf(')') + 2).split(' ')
    // A zombie holds nothing any more.
    return fields[0] === 'Z' ? undefined : fields[19]
  } catch {
    return undefined
  }
}
