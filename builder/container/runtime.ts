/**
 * Ring: builder. Calling runc or crun, whose command lines are the same. Upstream counterpart: none.
 */
import { execFile } from 'node:child_process'
import { accessSync, constants, existsSync, mkdirSync, readFileSync, rmdirSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { constants as systemConstants } from 'node:os'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { FirnError } from '../../contract/errors.ts'

const execute = promisify(execFile)

export interface Runtime {
  readonly name: 'runc' | 'crun'
  readonly program: string
  /** Folder of the runtime's own state, of this owner alone. */
  readonly stateFolder: string
}

/** Systems whose builds see a 32-bit machine. */
const THIRTY_TWO_BIT = new Set(['i686-linux', 'armv5tel-linux', 'armv6l-linux', 'armv7l-linux'])

/** The command that runs a container from start to end. The builder inherits the personality, and `descriptors` from 3 on. */
export function runCommand(runtime: Runtime, id: string, bundle: string, logFile: string, system: string, descriptors: number): string[] {
  const personality = THIRTY_TWO_BIT.has(system) ? ['setarch', 'linux32', '-R'] : []
  return [...personality, runtime.program, '--root', runtime.stateFolder, '--log', logFile, '--log-format', 'json', 'run', '--preserve-fds', String(descriptors), '--bundle', bundle, id]
}

/** Kills all processes of a container; false where there is none by this id (not yet, or no more). */
export async function killContainer(runtime: Runtime, id: string): Promise<boolean> {
  return await succeeds(runtime.program, ['--root', runtime.stateFolder, 'kill', id, 'KILL'])
}

export async function deleteContainer(runtime: Runtime, id: string): Promise<boolean> {
  return await succeeds(runtime.program, ['--root', runtime.stateFolder, 'delete', '--force', id])
}

/** Ids of all containers that the runtime has a state for. */
export async function listContainers(runtime: Runtime): Promise<string[]> {
  try {
    return await readdir(runtime.stateFolder)
  } catch {
    return []
  }
}

async function succeeds(program: string, args: readonly string[]): Promise<boolean> {
  try {
    await execute(program, args)
    return true
  } catch {
    return false
  }
}

/** Whether a program can be started. */
export async function isInstalled(program: string, argument = '--version'): Promise<boolean> {
  return await succeeds(program, [argument])
}

/** Where a program lies on the PATH; undefined where it doesn't. */
export function programOnPath(name: string): string | undefined {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    try {
      accessSync(join(folder, name), constants.X_OK)
      return join(folder, name)
    } catch {
      // not here
    }
  }
  return undefined
}

/** The shell for builds: the one given, else busybox. Throws FirnError 'missing-requirement' where there is none that runs without libraries. */
export function findShell(given: string | undefined): string {
  const shell = given ?? programOnPath('busybox')
  if (shell === undefined) throw new FirnError('missing-requirement', 'builds need a static shell as /bin/sh; install busybox (Debian: apt-get install busybox-static) or set the shell')
  if (needsLibraries(shell)) throw new FirnError('missing-requirement', `'${shell}' needs shared libraries, which builds don't see; install a static shell (Debian: apt-get install busybox-static) or set another`)
  return shell
}

const INTERPRETER_SEGMENT = 3

/** Whether a program names a dynamic linker. A file that is no ELF program is left to whoever runs it. */
function needsLibraries(path: string): boolean {
  const bytes = readFileSync(path)
  if (bytes.length < 64 || bytes.readUInt32BE(0) !== 0x7f454c46 || bytes[4] !== 2 || bytes[5] !== 1) return false
  const place = Number(bytes.readBigUInt64LE(32))
  const [size, count] = [bytes.readUInt16LE(54), bytes.readUInt16LE(56)]
  for (let index = 0; index < count; index++) if (bytes.readUInt32LE(place + index * size) === INTERPRETER_SEGMENT) return true
  return false
}

/** What the runtime wrote to its log as errors, one a line; empty where all went well. */
export function runtimeErrors(logFile: string): string[] {
  let text: string
  try {
    text = readFileSync(logFile, 'utf8')
  } catch {
    return []
  }
  return text.split('\n').filter((line) => line !== '').map(parseLogLine).filter(({ level }) => level === 'error').map(({ msg }) => msg)
}

function parseLogLine(line: string): { readonly level: string; readonly msg: string } {
  try {
    const entry = JSON.parse(line) as { level?: string; msg?: string }
    return { level: entry.level ?? 'error', msg: entry.msg ?? line }
  } catch {
    return { level: 'error', msg: line }
  }
}

/** The reason why the builder itself couldn't be executed, where that is what the runtime complains about: a result, not a fault. */
export function unexecutable(errors: readonly string[]): string | undefined {
  for (const message of errors) {
    const runc = /exec:? "[^"]*": (?:stat [^:]*: )?(.*)$/.exec(message)?.[1] ?? /(exec format error|exec \S+: .*)$/.exec(message)?.[1]
    if (runc !== undefined) return runc
    const crun = /executable file `[^`]*`(?: not found)?(?: in \$PATH)?: (.*)$/.exec(message)?.[1] ?? /^open executable: (.*)$/.exec(message)?.[1] ?? /^exec container process.*?: (.*)$/.exec(message)?.[1]
    if (crun !== undefined) return crun
  }
  return undefined
}

/** The runtime's complaint as a fault of this machine. */
export function runtimeFault(name: string, errors: readonly string[]): FirnError {
  const text = errors.join('; ')
  const kind = /no space left|cannot allocate memory|too many open files|disk quota/i.test(text) ? 'exhausted' : 'internal'
  return new FirnError(kind, `${name} could not start the build's container: ${text}`)
}

const SIGNAL_NAMES = new Map(Object.entries(systemConstants.signals).map(([name, number]) => [number, name]))
/** Signals that end a process for a fault of its own or of the machine. Others above 128 are ordinary exit codes of shells. */
const FATAL = new Set(['SIGILL', 'SIGTRAP', 'SIGABRT', 'SIGBUS', 'SIGFPE', 'SIGKILL', 'SIGSEGV', 'SIGSYS', 'SIGXCPU', 'SIGXFSZ', 'SIGTERM', 'SIGHUP', 'SIGINT', 'SIGPIPE', 'SIGALRM', 'SIGQUIT'])

/** Runtimes report a signal as 128 + its number. */
export function signalOf(exitCode: number): string | undefined {
  const name = exitCode > 128 ? SIGNAL_NAMES.get(exitCode - 128) : undefined
  return name !== undefined && FATAL.has(name) ? name : undefined
}

/** Folders of cgroup hierarchies, of either version. */
export async function cgroupHierarchies(): Promise<string[]> {
  const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n').map((line) => line.split(' '))
  return mounts.filter(([, , type]) => type === 'cgroup' || type === 'cgroup2').map(([, folder]) => folder!)
}

/** The hierarchy that shares out processors, if a cgroup can be made in it: one of that name is, and removed. */
export function cpuHierarchy(hierarchies: readonly string[], name: string): string | undefined {
  const found = hierarchies.find((folder) => existsSync(join(folder, 'cpu.shares')) || controllersOf(folder).includes('cpu'))
  if (found === undefined) return undefined
  try {
    mkdirSync(join(found, name))
    rmdirSync(join(found, name))
    return found
  } catch {
    return undefined
  }
}

/** What a hierarchy of the second version can control; nothing for one of the first. */
function controllersOf(hierarchy: string): string[] {
  try {
    return readFileSync(join(hierarchy, 'cgroup.controllers'), 'utf8').trim().split(' ')
  } catch {
    return []
  }
}

/** The file with the processes of this process's own cgroup, in the first of these hierarchies that shows it. */
export function cgroupProcesses(hierarchies: readonly string[]): string | undefined {
  // 'number:controllers:/path'; a container may see its hierarchies from a root of their own
  const paths = new Set([...readFileSync('/proc/self/cgroup', 'utf8').split('\n').filter((line) => line !== '').map((line) => line.slice(line.indexOf('/'))), '/'])
  return hierarchies.flatMap((folder) => [...paths].map((path) => join(folder, path, 'cgroup.procs'))).find((file) => {
    try {
      return readFileSync(file, 'utf8').split('\n').includes(String(process.pid))
    } catch {
      return false
    }
  })
}

/** Most memory that a cgroup has used so far. */
export function peakMemory(hierarchies: readonly string[], cgroup: string): number | undefined {
  for (const hierarchy of hierarchies) {
    for (const file of ['memory.peak', 'memory.max_usage_in_bytes']) {
      try {
        return Number(readFileSync(join(hierarchy, cgroup, file), 'utf8'))
      } catch {
        // another hierarchy, or gone already
      }
    }
  }
  return undefined
}
