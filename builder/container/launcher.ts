/**
 * Ring: builder. Starts processes from a small one, in a mount namespace of the driver's own.
 *
 * Small, because a fork copies the page tables of the process that forks: started from a worker with half a gigabyte of
 * heap, each process of a build (its runtime, `rm`) cost 11 ms of the worker's one thread, and page faults after it.
 *
 * In a mount namespace, for three reasons. A runtime inside a user namespace is nobody to the rest of the machine and can't walk
 * through private folders, so the builds' folder is mounted at a place it can reach. crun refuses to work where cgroups
 * are mounted in both versions ("hybrid"); here the second one is hidden from it. And no mount of a build is ever visible
 * to, or left behind on, the machine.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { FirnError } from '../../contract/errors.ts'

/** A file to be opened as a descriptor of the process, from 0 on. */
export interface LaunchDescriptor {
  readonly path: string
  readonly flags: 'r' | 'w' | 'r+'
}

export interface LaunchRequest {
  readonly kind: 'launch'
  readonly id: number
  readonly command: readonly string[]
  /** None: standard streams are /dev/null. */
  readonly descriptors: readonly LaunchDescriptor[]
}

/** Lets the kernel get ready for a process to change its cgroup. The file is `cgroup.procs` of the launcher's own. */
export interface PrepareRequest {
  readonly kind: 'prepare'
  readonly file: string
}

export type LaunchMessage =
  | { readonly kind: 'ready' }
  | { readonly kind: 'started'; readonly id: number; readonly processId: number }
  | { readonly kind: 'ended'; readonly id: number; readonly exitCode: number | null; readonly signal: NodeJS.Signals | null }
  | { readonly kind: 'failed'; readonly id: number; readonly message: string }

export interface LaunchedEnd {
  /** null where a signal ended it. */
  readonly exitCode: number | null
  readonly signal: NodeJS.Signals | null
}

export interface Launched {
  /** Its process id, once it runs and has opened its descriptors. Rejects as `ended` does. */
  readonly started: Promise<number>
  /** Rejects with FirnError 'internal' where it could not be started, and 'killed' where the launcher died: it may go on then. */
  readonly ended: Promise<LaunchedEnd>
}

interface Pending {
  readonly started: PromiseWithResolvers<number>
  readonly ended: PromiseWithResolvers<LaunchedEnd>
}

interface Running {
  readonly child: ChildProcess
  readonly pending: Map<number, Pending>
}

/** Where the second version of cgroups is mounted beside the first; hidden from what the launcher starts. */
export const HYBRID_CGROUPS = '/sys/fs/cgroup/unified'
const PROGRAM = fileURLToPath(new URL('./launcher-process.ts', import.meta.url))
// it keeps a table of children and nothing else
const NODE_FLAGS = ['--disable-warning=ExperimentalWarning', '--max-old-space-size=128', '--max-semi-space-size=1', '--v8-pool-size=1']

const SCRIPT = `
  mount --bind "$1" "$2" || exit 1
  if grep -q " ${HYBRID_CGROUPS} " /proc/self/mounts; then umount ${HYBRID_CGROUPS}; fi
  shift 2
  exec "$@"
`

export class Launcher {
  readonly #source: string
  readonly #target: string
  readonly #niceness: number
  #running: Promise<Running> | undefined
  #number = 0

  /** Will show the folder `source` at `target`, an existing folder. What it starts has the niceness given. */
  constructor(source: string, target: string, niceness: number) {
    this.#source = source
    this.#target = target
    this.#niceness = niceness
  }

  /** Starts a process, without address randomisation as Nix' builds are. Starts the launcher first, again if it was killed. */
  async launch(command: readonly string[], descriptors: readonly LaunchDescriptor[] = []): Promise<Launched> {
    const running = await (this.#running ??= this.#start())
    const id = this.#number++
    const one: Pending = { started: Promise.withResolvers(), ended: Promise.withResolvers() }
    // who waits for one of them only must not be ended by the other
    one.started.promise.catch(() => undefined)
    one.ended.promise.catch(() => undefined)
    running.pending.set(id, one)
    running.child.channel?.ref()
    const request: LaunchRequest = { kind: 'launch', id, command, descriptors }
    running.child.send(request, (error) => {
      if (error) settle(running, id, vanished())
    })
    return { started: one.started.promise, ended: one.ended.promise }
  }

  /**
   * The next process is about to change its cgroup. On a machine where none has done so for some hundredths of a second, the kernel first waits until every core has
   * passed through it (an RCU grace period, 15 ms); a write that moves nobody begins that now, beside whatever comes before the container.
   */
  prepare(file: string): void {
    (this.#running ??= this.#start()).then(({ child }) => {
      const request: PrepareRequest = { kind: 'prepare', file }
      child.send(request, () => undefined)
      // who is to start processes hears of what is wrong
    }, () => undefined)
  }

  /** Runs a command to its end. Throws FirnError 'internal' where that isn't code 0. */
  async run(command: readonly string[]): Promise<void> {
    const { exitCode, signal } = await (await this.launch(command)).ended
    if (exitCode !== 0) throw new FirnError('internal', `${command[0]} ended with ${signal ?? `code ${exitCode}`}: ${command.join(' ')}`)
  }

  async #start(): Promise<Running> {
    // slave: what is mounted on the machine later (a disk with the local store) is seen inside too
    const child = spawn('unshare', ['--mount', '--propagation', 'slave', 'setarch', '-R', 'sh', '-c', SCRIPT, 'sh', this.#source, this.#target, process.execPath, ...NODE_FLAGS, PROGRAM, String(this.#niceness)], {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      detached: true,
    })
    const running: Running = { child, pending: new Map() }
    const ready = Promise.withResolvers<Running>()
    let problem = ''
    child.stderr!.setEncoding('utf8').on('data', (text: string) => (problem = (problem + text).slice(-2000)))
    child.on('message', (message: LaunchMessage) => (message.kind === 'ready' ? ready.resolve(running) : hear(running, message)))
    const gone = (reason?: Error): void => {
      if (this.#running === ready.promise) this.#running = undefined
      for (const id of running.pending.keys()) settle(running, id, vanished())
      ready.reject(new FirnError('missing-requirement', `can't make a mount namespace for builds: ${problem.trim() || reason?.message || 'its process ended'}. The worker has to run as root, or in a user namespace in which it is root.`))
    }
    child.once('error', gone)
    child.once('close', () => gone())
    this.#running = ready.promise
    const started = await ready.promise
    // it ends with this program, which does not wait for it
    child.unref()
    child.channel?.unref()
    if ('unref' in child.stderr! && typeof child.stderr.unref === 'function') child.stderr.unref()
    return started
  }

  async close(): Promise<void> {
    const running = await this.#running?.catch(() => undefined)
    this.#running = undefined
    if (running === undefined || running.child.exitCode !== null || running.child.signalCode !== null) return
    const closed = Promise.withResolvers<void>()
    running.child.once('close', () => closed.resolve())
    running.child.ref()
    running.child.kill('SIGKILL')
    await closed.promise
  }
}

function hear(running: Running, message: Exclude<LaunchMessage, { readonly kind: 'ready' }>): void {
  switch (message.kind) {
    case 'started': return void running.pending.get(message.id)?.started.resolve(message.processId)
    case 'ended': return settle(running, message.id, { exitCode: message.exitCode, signal: message.signal })
    case 'failed': return settle(running, message.id, new FirnError('internal', `a process of a build could not be started: ${message.message}`))
  }
}

function settle(running: Running, id: number, end: LaunchedEnd | FirnError): void {
  const one = running.pending.get(id)
  if (one === undefined) return
  running.pending.delete(id)
  if (end instanceof FirnError) {
    one.started.reject(end)
    one.ended.reject(end)
  } else {
    one.ended.resolve(end)
  }
  // while something is awaited, this program stays
  if (running.pending.size === 0) running.child.channel?.unref()
}

function vanished(): FirnError {
  return new FirnError('killed', 'the process that starts builds was killed')
}
