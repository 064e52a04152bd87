/**
 * Ring: evaluator. Starts the evaluator's process and speaks with it: used by the activity that supervises an evaluation and by the
 * command line. Nix expressions recurse deeply, so the process gets a large stack: the shell lifts the limit, V8 is told of it.
 *
 *   const evaluator = spawnEvaluator({ memoryMegabytes: 4096 })
 *   evaluator.send({ kind: 'start', … })
 *   for await (const message of evaluator.messages) …
 *   await evaluator.ended          // or throws a FirnError: killed, exhausted, internal
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import type { EvaluatorMessage, SupervisorMessage } from '../contract/evaluations.ts'
import { FirnError } from '../contract/errors.ts'
import { FrameReader } from './frames.ts'

export interface SpawnOptions {
  /** Limit of the JavaScript heap; the process ends with `exhausted` beyond it. */
  readonly memoryMegabytes?: number
  /** Replaces the environment that expressions see; by default none of this process's but PATH, HOME and locale. */
  readonly environment?: Readonly<Record<string, string>>
  /** Kills the process. */
  readonly signal?: AbortSignal
  /** Started ahead of need: makes itself warm before it looks at messages. */
  readonly warmUp?: boolean
}

/** Argument of the process. */
export const WARM_UP = '--warm-up'

export interface EvaluatorHandle {
  readonly processId: number | undefined
  /** What the process says, in order. Reading slowly makes it wait. Ends when the process does; who leaves a loop early can go on in another. */
  readonly messages: AsyncIterable<EvaluatorMessage>
  /** Resolves once the message was handed over. */
  send(message: SupervisorMessage): Promise<void>
  /** Ends the process: asked first, forced after a second. */
  stop(): Promise<void>
  /** Settles when the process is gone: rejects with a FirnError if it died. */
  readonly ended: Promise<void>
}

const KEPT_ENVIRONMENT = ['PATH', 'HOME', 'LANG', 'LC_ALL', 'TMPDIR', 'NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE']
const MAIN = new URL('./main.ts', import.meta.url)
const LAUNCH = fileURLToPath(new URL('./launch.ts', import.meta.url))
/** The end of what a dead process said on its standard error, kept for the message. */
const KEPT_ERRORS = 8 * 1024

export function spawnEvaluator(options: SpawnOptions = {}): EvaluatorHandle {
  const heap = options.memoryMegabytes === undefined ? [] : [`--max-old-space-size=${options.memoryMegabytes}`]
  const { command, arguments: words } = largeStackCommand([...engineFlags(options.memoryMegabytes), ...KEPT_FLAGS, ...heap, ...programWords(MAIN), ...(options.warmUp ? [WARM_UP] : [])])
  const child = spawn(command, words, {
    stdio: ['ignore', 'inherit', 'pipe', 'pipe', 'pipe'],
    env: { ...(options.environment ?? keptEnvironment()), ...compileCache() },
    ...(options.signal === undefined ? {} : { signal: options.signal }),
    killSignal: 'SIGKILL',
  })
  return new Handle(child)
}

function keptEnvironment(): Record<string, string> {
  const kept: Record<string, string> = {}
  for (const name of KEPT_ENVIRONMENT) {
    const value = process.env[name]
    if (value !== undefined) kept[name] = value
  }
  return kept
}

/** Compiled code is kept where this process keeps it: starting takes a third of the time. The evaluator takes it out of the environment. */
function compileCache(): Record<string, string> {
  const folder = process.env['NODE_COMPILE_CACHE']
  return folder === undefined ? {} : { NODE_COMPILE_CACHE: folder }
}

/**
 * What evaluation asks of V8, each measured: a young generation in which most thunks die before they are
 * copied, an old one that isn't searched for garbage before there can be much, code that is compiled at once, if plainly, since
 * every function of a parser or compiler is called often, and little inlining when it is optimised: it costs more than it gains (8 % of the CPU time).
 */
export function engineFlags(memoryMegabytes = Infinity): string[] {
  const old = Math.min(1000, Math.floor(memoryMegabytes / 2))
  return ['--min-semi-space-size=64', '--max-semi-space-size=64', `--initial-old-space-size=${old}`, '--always-sparkplug', '--max-inlined-bytecode-size-cumulative=100']
}

/**
 * For a process that is kept: what it holds is needed again, so as much may come again before garbage is searched for. V8 would expect less of a
 * process that was idle, and search in the middle of the next evaluation (0.5 s of 4.5 where everything changed).
 */
const KEPT_FLAGS = ['--heap-growing-percent=150']

/** What Node is told to run for one of the evaluator's programs: see launch.ts. */
export function programWords(program: URL): string[] {
  return [LAUNCH, fileURLToPath(program)]
}

let stackKilobytes: number | undefined

/** The command that runs Node with as large a stack as this machine allows. */
export function largeStackCommand(nodeWords: readonly string[]): { readonly command: string; readonly arguments: readonly string[] } {
  stackKilobytes ??= hardStackLimit()
  // what V8 may use is less than what the system gives: the rest is for its own native code
  const usable = Math.max(900, Math.floor(stackKilobytes * 0.9) - 512)
  const script = 'ulimit -s unlimited 2>/dev/null || ulimit -s "$(ulimit -H -s)" 2>/dev/null; exec "$@"'
  return { command: '/bin/sh', arguments: ['-c', script, 'sh', process.execPath, '--disable-warning=ExperimentalWarning', `--stack-size=${usable}`, ...nodeWords] }
}

/** Kilobytes; "unlimited" is taken as one gigabyte. */
function hardStackLimit(): number {
  try {
    const said = execFileSync('/bin/sh', ['-c', 'ulimit -H -s'], { encoding: 'utf8' }).trim()
    return said === 'unlimited' ? 1024 * 1024 : Number(said) || 8192
  } catch {
    return 8192
  }
}

class Handle implements EvaluatorHandle {
  readonly messages: AsyncIterable<EvaluatorMessage>
  readonly ended: Promise<void>
  private readonly child: ChildProcess
  private stopped = false
  private errors = ''

  constructor(child: ChildProcess) {
    this.child = child
    child.stderr!.setEncoding('utf8')
    child.stderr!.on('data', (text: string) => { this.errors = (this.errors + text).slice(-KEPT_ERRORS) })
    // a process that is gone is told by `ended`, not by a failed write
    child.stdio[3]!.on('error', () => undefined)
    this.messages = messagesOf(child.stdio[4] as Readable)
    this.ended = new Promise((resolve, reject) => {
      child.once('error', (error) => reject(this.stopped ? new FirnError('cancelled', 'the evaluator was stopped') : new FirnError('killed', `the evaluator could not be started or was aborted: ${error.message}`, { cause: error })))
      child.once('close', (code, signal) => {
        const failure = this.failureOf(code, signal)
        if (failure === undefined) resolve()
        else reject(failure)
      })
    })
    // callers may look at it late
    this.ended.catch(() => undefined)
  }

  get processId(): number | undefined {
    return this.child.pid
  }

  private failureOf(code: number | null, signal: NodeJS.Signals | null): FirnError | undefined {
    if (code === 0 || this.stopped) return undefined
    const data = { exitCode: code, signal, output: this.errors }
    if (/heap out of memory|Array buffer allocation failed/.test(this.errors)) return new FirnError('exhausted', 'the evaluator used more memory than it may', { data })
    if (signal !== null) return new FirnError('killed', `the evaluator was killed by ${signal}`, { data })
    return new FirnError('internal', `the evaluator ended with exit code ${code}: ${this.errors.trim().split('\n').slice(-3).join(' ')}`, { data })
  }

  send(message: SupervisorMessage): Promise<void> {
    const input = this.child.stdio[3] as Writable
    return new Promise((resolve) => {
      if (input.destroyed) resolve()
      else input.write(`${JSON.stringify(message)}\n`, () => resolve())
    })
  }

  async stop(): Promise<void> {
    this.stopped = true
    if (this.child.exitCode !== null || this.child.signalCode !== null) return
    const force = setTimeout(() => this.child.kill('SIGKILL'), 1000)
    await this.send({ kind: 'stop' })
    await this.ended.catch(() => undefined)
    clearTimeout(force)
  }
}

/** Can be iterated again where another loop left off: a process may serve one evaluation after the other. */
function messagesOf(stream: Readable): AsyncIterable<EvaluatorMessage> {
  const chunks = stream[Symbol.asyncIterator]() as AsyncIterator<Uint8Array, undefined>
  const frames = new FrameReader()
  const next = async (): Promise<IteratorResult<EvaluatorMessage, undefined>> => {
    for (;;) {
      const message = frames.next()
      if (message !== undefined) return { done: false, value: message }
      const { done, value } = await chunks.next()
      // what a process didn't say to its end died with it: `ended` tells of what
      if (done === true) return { done: true, value: undefined }
      frames.push(value)
    }
  }
  return { [Symbol.asyncIterator]: () => ({ next }) }
}
