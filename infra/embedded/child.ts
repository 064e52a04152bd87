/**
 * Ring: infra. Processes of the embedded farm: started with their output in a log file, ended by the kernel or by themselves when
 * their supervisor dies, told apart from strangers by their start time.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync, renameSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { FirnError } from '../../contract/errors.ts'
import { endProcess, identityOf } from './state.ts'
import type { RunningService } from './supervise.ts'

const ROTATE_BYTES = 20 * 1024 ** 2

export interface ChildOptions {
  readonly command: readonly [string, ...string[]]
  readonly environment: NodeJS.ProcessEnv
  readonly logFile: string
  /** A Node program of ours, which says over IPC when it is ready and ends when the channel closes. */
  readonly ipc?: boolean
  /** Resolves when the service answers; the child's own word where absent (`ipc`). Given up when the child ends. */
  readonly ready?: (signal: AbortSignal) => Promise<void>
  readonly startSeconds: number
  readonly stopSeconds: number
  readonly stopSignal?: NodeJS.Signals
}

/** Starts it and waits until it is ready. Errors: 'unavailable' with the log's last lines, 'missing-requirement'. */
export async function startChild(options: ChildOptions): Promise<RunningService> {
  const log = openLog(options.logFile)
  const start = log.size
  const [program, ...rest] = options.command
  const child = spawn(program, rest, {
    env: options.environment,
    cwd: '/',
    stdio: options.ipc ? ['ignore', log.descriptor, log.descriptor, 'ipc'] : ['ignore', log.descriptor, log.descriptor],
    // out of the terminal's process group: Ctrl-C reaches the supervisor, which ends things in order
    detached: true,
  })
  closeSync(log.descriptor)
  const exited = new Promise<string>((end) => {
    child.once('error', (error) => end(`cannot be started: ${error.message}`))
    child.once('exit', (code, signal) => end(signal === null ? `exited with code ${code}` : `killed by ${signal}`))
  })
  const deadline = new AbortController()
  const timer = setTimeout(() => deadline.abort(new FirnError('unavailable', `did not answer within ${options.startSeconds} s`)), options.startSeconds * 1000)
  const identity = child.pid === undefined ? undefined : identityOf(child.pid)
  try {
    await Promise.race([
      options.ready ? options.ready(deadline.signal) : saysReady(child),
      exited.then((how) => { throw new FirnError('unavailable', how) }),
      new Promise((_, fail) => deadline.signal.addEventListener('abort', () => fail(deadline.signal.reason as Error))),
    ])
  } catch (error) {
    deadline.abort(error)
    if (identity) await endProcess(identity, 1)
    const tail = logTail(options.logFile, start)
    throw new FirnError('unavailable', `${(error as Error).message}${tail === '' ? '' : `; the end of ${options.logFile}:\n${tail}`}`, { cause: error })
  } finally {
    clearTimeout(timer)
  }
  return {
    pid: child.pid!,
    exited,
    stop: async () => {
      await endProcess(identity!, options.stopSeconds, options.stopSignal)
      await exited
    },
  }
}

/** What a child says over IPC once it serves. */
export interface ReadyMessage {
  readonly kind: 'ready'
}

async function saysReady(child: ChildProcess): Promise<void> {
  await new Promise<void>((ready) => {
    child.on('message', (message: ReadyMessage) => message.kind === 'ready' && ready())
  })
}

/** For the child: says that it serves, and calls `stop` once its supervisor is gone. Does nothing without a supervisor. */
export function tellSupervisor(stop: () => void): void {
  if (!process.send) return
  process.send({ kind: 'ready' } satisfies ReadyMessage)
  process.once('disconnect', stop)
}

function openLog(path: string): { descriptor: number, size: number } {
  mkdirSync(dirname(path), { recursive: true })
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0
  if (size > ROTATE_BYTES) {
    renameSync(path, `${path}.1`)
    return { descriptor: openSync(path, 'a'), size: 0 }
  }
  return { descriptor: openSync(path, 'a'), size }
}

/** Last lines of a log, from a position on. */
export function logTail(path: string, from = 0, lines = 15): string {
  try {
    return readFileSync(path).subarray(from).toString('utf8').trimEnd().split('\n').slice(-lines).join('\n')
  } catch {
    return ''
  }
}
