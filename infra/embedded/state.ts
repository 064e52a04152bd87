/**
 * Ring: infra. What a farm of one machine leaves in its data folder for others to find: who supervises it, which processes it
 * started, and where its services answer. A process is named by its id and its start time, since ids are given again.
 */
import { closeSync, openSync, readFileSync, renameSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { FirnError } from '../../contract/errors.ts'

export interface ProcessIdentity {
  readonly pid: number
  /** Clock ticks after boot (field 22 of /proc/PID/stat); 0 where the system doesn't tell. */
  readonly startTime: number
}

export interface Endpoints {
  /** `http://127.0.0.1:7780` */
  readonly api: string
  /** `127.0.0.1:7233` */
  readonly temporal: string
  readonly databaseUrl: string
}

export interface FarmState {
  readonly supervisor: ProcessIdentity
  readonly state: 'starting' | 'up' | 'stopping'
  readonly startedAt: string
  /** Children by name: ended by the next start where their supervisor could not. */
  readonly services: Readonly<Record<string, ProcessIdentity & { readonly restarts: number }>>
  readonly endpoints: Partial<Endpoints>
}

const file = (home: string): string => join(home, 'run', 'farm.json')

/** The state file's content; undefined where no farm was started here. */
export function readFarmState(home: string): FarmState | undefined {
  try {
    return JSON.parse(readFileSync(file(home), 'utf8')) as FarmState
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' || error instanceof SyntaxError) return undefined
    throw error
  }
}

/** Replaces the state file; only its owner may read it, since it holds the database's password. */
export function writeFarmState(home: string, state: FarmState): void {
  mkdirSync(join(home, 'run'), { recursive: true })
  writeFileSync(`${file(home)}.new`, `${JSON.stringify(state, null, 1)}\n`, { mode: 0o600 })
  renameSync(`${file(home)}.new`, file(home))
}

/** The farm that runs in this data folder, if its supervisor lives. */
export function runningFarm(home: string): FarmState | undefined {
  const state = readFarmState(home)
  return state && isAlive(state.supervisor) ? state : undefined
}

/** Identity of a process that lives now. */
export function identityOf(pid: number): ProcessIdentity {
  return { pid, startTime: startTimeOf(pid) ?? 0 }
}

/** Whether that very process, not one that got its id later, lives. A zombie doesn't. */
export function isAlive(identity: ProcessIdentity): boolean {
  if (process.platform !== 'linux') {
    try {
      process.kill(identity.pid, 0)
      return true
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === 'EPERM'
    }
  }
  return startTimeOf(identity.pid) === identity.startTime
}

function startTimeOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // the second field is the program's name in parentheses, which may hold spaces and parentheses
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' ? undefined : Number(fields[19])
  } catch {
    return undefined
  }
}

/** Asks a process to end, and ends it where it has not done so after `seconds`. */
export async function endProcess(identity: ProcessIdentity, seconds: number, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  if (!isAlive(identity)) return
  send(identity.pid, signal)
  for (const until = Date.now() + seconds * 1000; Date.now() < until;) {
    if (!isAlive(identity)) return
    await sleep(30)
  }
  send(identity.pid, 'SIGKILL')
  for (let i = 0; i < 100 && isAlive(identity); i++) await sleep(20)
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/**
 * Makes this process the one that supervises the data folder's farm. Errors: 'conflict' where another one lives.
 * The lock is a file made exclusively that names its owner; one whose owner is dead is taken over.
 */
export function lockHome(home: string): { release(): void } {
  const path = join(home, 'run', 'lock')
  mkdirSync(join(home, 'run'), { recursive: true })
  for (let attempt = 0; attempt < 5; attempt++) {
    try {
      const descriptor = openSync(path, 'wx', 0o600)
      writeSync(descriptor, JSON.stringify(identityOf(process.pid)))
      closeSync(descriptor)
      return { release: () => rmSync(path, { force: true }) }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    const owner = readOwner(path)
    if (owner !== undefined && isAlive(owner)) {
      throw new FirnError('conflict', `a farm is already running in ${home} (process ${owner.pid}); stop it with 'firn down'`, { data: { home, pid: owner.pid } })
    }
    // two that find the same dead owner both remove the file, and one of them makes it anew
    rmSync(path, { force: true })
  }
  throw new FirnError('conflict', `cannot lock ${path}`)
}

function readOwner(path: string): ProcessIdentity | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as ProcessIdentity
  } catch {
    return undefined
  }
}
