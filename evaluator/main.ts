/**
 * Ring: evaluator. The evaluator's process: evaluations, one after the other, over the messages of contract/evaluations.ts, read from
 * descriptor 3 and written to descriptor 4. It sweeps over the session as long as anything can go on, says `idle` when everything waits, and goes on
 * with the answers. Started by spawn.ts, which gives it its stack.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { getHeapStatistics } from 'node:v8'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { EvaluatorMessage, NeedAnswer, SupervisorMessage } from '../contract/evaluations.ts'
import { ResidentEvaluator } from '../eval/resident.ts'
import { EvaluationSession } from '../eval/session.ts'
import { MessageWriter, readMessages } from './channel.ts'
import { FileIO, type FileIOOptions } from './file-io.ts'
import { collectGarbage } from './garbage.ts'
import { useNodeHashes } from './hashes.ts'
import { Pace } from './pace.ts'
import { byteStringOfNative } from './paths.ts'
import { WARM_UP } from './spawn.ts'
import { warmUp } from './warm-up.ts'

const FROM_SUPERVISOR = 3
const TO_SUPERVISOR = 4
/** How long a sweep may go on before messages are looked at and progress is told. */
const SWEEP_MILLISECONDS = 200
/** Of the heap's limit: a process that holds more isn't kept for another evaluation. */
const KEPT_SHARE = 0.5

type Start = Extract<SupervisorMessage, { readonly kind: 'start' }>

class EvaluatorProcess {
  private readonly writer = new MessageWriter(TO_SUPERVISOR)
  private io: FileIO | undefined
  private resident: ResidentEvaluator | undefined
  private keep = false
  private session: EvaluationSession | undefined
  private answers: NeedAnswer[] = []
  private pace = new Pace()
  private pausing: NodeJS.Timeout | undefined
  private sweeping = false
  private busyMilliseconds = 0
  private last: EvaluatorMessage | undefined
  private scratch: string | undefined

  run(): void {
    // meant for Node, not for expressions
    delete process.env['NODE_COMPILE_CACHE']
    useNodeHashes()
    readMessages(FROM_SUPERVISOR, (message) => this.receive(message), () => this.exit(0))
    if (process.argv.includes(WARM_UP)) warmUp()
    this.writer.send({ kind: 'ready' })
    this.writer.flush()
  }

  private receive(message: SupervisorMessage): void {
    switch (message.kind) {
      case 'start':
        this.start(message)
        return
      case 'answers':
        this.answers.push(...message.answers)
        this.takeAnswers()
        return
      case 'stop':
        this.exit(0)
    }
  }

  private start(message: Start): void {
    const emit = (out: EvaluatorMessage): void => {
      // nothing comes after it, so the last progress goes first
      if (out.kind === 'finished') this.last = out
      else this.writer.send(out)
    }
    clearTimeout(this.pausing)
    this.pace = new Pace()
    this.last = undefined
    this.answers = []
    this.busyMilliseconds = 0
    this.keep = message.keep ?? false
    const options: FileIOOptions = {
      storeFolders: [byteStringOfNative(message.localStore)],
      environment: new Map(Object.entries(process.env).map(([name, value]) => [byteStringOfNative(name), byteStringOfNative(value ?? '')])),
      journal: message.journal,
      asksForUnknownPaths: true,
      scratchFolder: () => (this.scratch ??= mkdtempSync(join(tmpdir(), 'firn-evaluator-'))),
      add: emit,
      record: (key, value) => emit({ kind: 'journal', key, value }),
      trace: (level, text) => emit({ kind: 'trace', level, text }),
    }
    const { jobs } = message.request
    const what = { request: message.request, emit, ...(jobs && { jobs: { meta: jobs.meta, forceRecurse: jobs.walk === 'all' } }) }
    if (this.io === undefined) this.io = new FileIO(options)
    else this.io.renew(options)
    if (this.keep) {
      this.resident ??= new ResidentEvaluator({ io: this.io, settings: message.settings })
      this.session = this.resident.begin(what).session
    } else {
      this.session = new EvaluationSession({ io: this.io, settings: message.settings, ...what })
    }
    this.wake()
  }

  private takeAnswers(): void {
    if (this.sweeping || this.session === undefined) return
    clearTimeout(this.pausing)
    const pause = this.pace.pause(performance.now(), this.session.progress().needsOutstanding - this.answers.length)
    if (pause > 0) this.pausing = setTimeout(() => this.wake(), pause)
    else this.wake()
  }

  private wake(): void {
    if (this.sweeping || this.session === undefined) return
    this.sweeping = true
    setImmediate(() => this.sweep())
  }

  private sweep(): void {
    const session = this.session!
    const started = performance.now()
    if (this.answers.length > 0) {
      const answers = this.answers
      this.answers = []
      this.io!.answer(answers)
      session.answer(answers.map((answer) => answer.key))
    }
    const outcome = session.sweep({ milliseconds: SWEEP_MILLISECONDS })
    const ended = performance.now()
    this.pace.swept(ended, ended - started)
    this.busyMilliseconds += ended - started
    this.writer.send({ kind: 'progress', ...session.progress(), busySeconds: this.busyMilliseconds / 1000 })
    if (outcome === 'finished') {
      if (this.last !== undefined) this.writer.send(this.last)
      this.finish()
      return
    }
    if (outcome === 'idle' && this.answers.length === 0) this.writer.send({ kind: 'idle' })
    this.writer.flush()
    if (outcome === 'busy') {
      setImmediate(() => this.sweep())
      return
    }
    this.sweeping = false
    if (this.answers.length > 0) this.takeAnswers()
  }

  /** Ends, or waits for the next evaluation: garbage is collected while nobody waits, and what is left must leave room for more. */
  private finish(): void {
    this.sweeping = false
    if (!this.keep) this.exit(0)
    this.writer.flush()
    this.session = undefined
    setImmediate(() => {
      collectGarbage()
      const { used_heap_size: used, heap_size_limit: limit } = getHeapStatistics()
      if (used > limit * KEPT_SHARE) this.exit(0)
    })
  }

  private exit(code: number): never {
    try {
      this.writer.flush()
    } catch {
      // the supervisor is gone, so nobody waits for the rest
    }
    if (this.scratch !== undefined) rmSync(this.scratch, { recursive: true, force: true })
    process.exit(code)
  }
}

new EvaluatorProcess().run()
