/**
 * Ring: cli. Looks for jobs in several processes: attributes wait in a queue, each process gets the next when it has answered one, and what
 * it finds in a set goes into the queue. A process that outgrew its memory ends between two attributes and another takes its place; one
 * that died is replaced too, and only the attribute it was at may fail. Upstream counterpart: the collector of nix-eval-jobs, where a
 * dead worker ends everything.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { FirnError } from '../../contract/errors.ts'
import type { JobPlace } from '../../contract/evaluations.ts'
import { showAttributePath } from '../../eval/runtime/auto-call.ts'
import { pathOf } from '../../eval/session/task.ts'
import { byteStringOfNative } from '../../evaluator/paths.ts'
import { JobQueue } from '../../evaluator/shared/queue.ts'
import { engineFlags, largeStackCommand, programWords } from '../../evaluator/spawn.ts'
import { textOfByteString } from '../../nix/bytes.ts'
import type { JobResult, ToJobProcess } from './job-protocol.ts'
import { errorLine, exitCode } from './jobs.ts'
import type { EvaluateOptions } from './options.ts'
import { writeBytes } from './output.ts'

/** Tasks that a process has before it, so that it needn't wait for the next. */
const AHEAD = 2
/** Of its size: what V8 may use at most, since one attribute may need more than the size at which a process is replaced. */
const HEAP_SHARE = 2
const LEAST_HEAP = 256

interface Member {
  readonly number: number
  readonly child: ChildProcess
  /** Not answered yet, in the order in which they were sent. */
  readonly given: ToJobProcess[]
  answered: number
  /** Gets no more work: it said that it ends, or was told to. */
  ending: boolean
}

/** Whether this is work for processes of their own. Aggregates need derivations of all jobs, which nobody writes down when nothing is written. */
export function isShared(options: EvaluateOptions): boolean {
  return options.work === 'jobs' && options.jobs.processes !== undefined && !(options.readOnly && options.jobs.constituents)
}

/** Prints the jobs as they are found; gives the exit code. */
export function runJobPool(options: EvaluateOptions): Promise<number> {
  return new JobPool(options).run()
}

class JobPool {
  private readonly options: EvaluateOptions
  /** How many processes there may be. */
  private count: number
  private readonly megabytes: number
  private readonly members = new Set<Member>()
  private readonly queue: JobQueue<ToJobProcess>
  private readonly drvPaths = new Map<number, [string, string][]>()
  private readonly aggregates = new Map<number, JobPlace[]>()
  private failed = false
  private fatal = false
  private done: ((code: number) => void) | undefined
  private reject: ((error: Error) => void) | undefined

  constructor(options: EvaluateOptions) {
    this.options = options
    this.count = Math.max(1, options.jobs.processes?.count ?? 1)
    this.megabytes = options.jobs.processes?.megabytes ?? Infinity
    const roots = Math.max(1, options.attributes.length)
    this.queue = new JobQueue(this.count)
    this.queue.add(0, options.inputs.flatMap((_, input) => Array.from({ length: roots }, (_, root): ToJobProcess => ({ kind: 'take', input, place: { root, names: [] } }))))
  }

  run(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.done = resolve
      this.reject = reject
      // all at once: while the first looks for what there is, the others read the same files
      for (let i = 0; i < this.count; i++) this.start()
    })
  }

  private start(): void {
    const heap = Number.isFinite(this.megabytes) ? [`--max-old-space-size=${Math.max(LEAST_HEAP, this.megabytes * HEAP_SHARE)}`] : []
    const { command, arguments: words } = largeStackCommand([...engineFlags(this.megabytes), ...heap, ...programWords(new URL('./job-process.ts', import.meta.url))])
    const child = spawn(command, words, { stdio: ['ignore', 'inherit', 'inherit', 'pipe', 'pipe'], env: { ...process.env, FIRN_EVALUATE: JSON.stringify(this.options) } })
    const numbers = new Set([...this.members].map(({ number }) => number))
    const number = Array.from({ length: this.count }, (_, i) => i).find((i) => !numbers.has(i)) ?? 0
    const member: Member = { number, child, given: [], answered: 0, ending: false }
    this.members.add(member)
    child.once('error', (error) => this.fail(new FirnError('internal', `could not start an evaluator: ${error.message}`, { cause: error })))
    // a process that is gone is told by `close`
    child.stdio[3]!.on('error', () => undefined)
    createInterface({ input: child.stdio[4] as Readable, crlfDelay: Infinity }).on('line', (line) => this.receive(member, JSON.parse(line) as JobResult))
    child.once('close', (code, signal) => this.ended(member, signal ?? code))
    this.give(member)
  }

  private give(member: Member): void {
    while (!member.ending && member.given.length < AHEAD) {
      const task = this.queue.take(member.number)
      if (task === undefined) return
      member.given.push(task)
      ;(member.child.stdio[3] as Writable).write(`${JSON.stringify(task).replace(/[\u0080-\uffff]/g, escaped)}\n`)
    }
  }

  private receive(member: Member, result: JobResult): void {
    const task = member.given.shift()!
    member.answered++
    member.ending = result.full
    if (result.lines.length > 0) writeBytes(1, `${result.lines.join('\n')}\n`)
    this.failed ||= result.failed
    if (result.fatal !== undefined) {
      this.fatal = true
      writeBytes(2, result.fatal)
    }
    this.queue.add(member.number, result.children.map((place) => ({ kind: 'take', input: task.input, place })))
    if (task.kind === 'take') {
      append(this.drvPaths, task.input, result.drvPaths)
      append(this.aggregates, task.input, result.aggregates)
    }
    if (member.ending) this.takeBack(member)
    this.proceed()
  }

  private takeBack(member: Member): void {
    this.queue.add(member.number, member.given.splice(0))
  }

  private proceed(): void {
    for (const member of this.members) this.give(member)
    if (this.queue.size === 0 && [...this.members].every((member) => member.given.length === 0)) this.conclude()
    while (this.queue.size > 0 && this.members.size < this.count) this.start()
  }

  /** All jobs are known: what waited for that is done, and then all is done. */
  private conclude(): void {
    for (const [input, aggregates] of this.aggregates) {
      if (aggregates.length > 0) this.queue.add(0, [{ kind: 'conclude', input, aggregates, drvPaths: this.drvPaths.get(input) ?? [] }])
    }
    this.aggregates.clear()
    for (const member of this.members) {
      this.give(member)
      if (member.given.length > 0 || member.ending) continue
      member.ending = true
      ;(member.child.stdio[3] as Writable).end()
    }
    if (this.queue.size === 0 && this.members.size === 0) this.done!(exitCode(this.options, this.failed, this.fatal))
  }

  private ended(member: Member, how: NodeJS.Signals | number | null): void {
    this.members.delete(member)
    if (!member.ending && member.answered === 0) {
      const [task] = member.given.splice(0, 1)
      if (task !== undefined) this.blame(task, how)
      // with nothing to blame, another would die as well
      else if (this.queue.size > 0) this.count--
    }
    this.takeBack(member)
    if (this.count === 0 && this.queue.size > 0) this.fail(new FirnError('internal', `the evaluator ${describe(how)} as soon as it was started`))
    this.proceed()
  }

  /** A process that had done nothing else died of this. */
  private blame(task: ToJobProcess, how: NodeJS.Signals | number | null): void {
    const message = `error: the evaluator ${describe(how)}`
    const places = task.kind === 'take' ? [task.place] : task.aggregates
    for (const { root, names } of places) {
      const attribute = this.options.attributes[root]
      const attrPath = [...(attribute === undefined ? [] : pathOf(byteStringOfNative(attribute))), ...names].map(textOfByteString)
      if (attrPath.length === 0) {
        this.fatal = true
        writeBytes(2, `${message}\n`)
      } else {
        this.failed = true
        writeBytes(1, `${errorLine({ attr: showAttributePath(attrPath), attrPath, message })}\n`)
      }
    }
  }

  private fail(error: Error): void {
    this.queue.clear()
    for (const member of this.members) member.child.kill()
    this.reject!(error)
  }
}

function append<T>(map: Map<number, T[]>, key: number, more: readonly T[]): void {
  const list = map.get(key)
  if (list === undefined) map.set(key, [...more])
  else for (const one of more) list.push(one)
}

/** V8 aborts when its heap is full; the system kills when its memory is. */
function describe(how: NodeJS.Signals | number | null): string {
  if (how === 'SIGABRT' || how === 134) return 'used more memory than it may (--max-memory-size)'
  return typeof how === 'string' ? `was killed by ${how}` : `ended with exit code ${how}`
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}
