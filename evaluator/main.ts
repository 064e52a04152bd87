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
import { EvaluationSession, type SweepOutcome } from '../eval/session.ts'
import { MessageWriter, readMessages } from './channel.ts'
import type { FileIOOptions } from './file-io-options.ts'
import { FileIO } from './file-io.ts'
import { collectGarbage } from './garbage.ts'
import { useNodeHashes } from './hashes.ts'
import { Pace } from './pace.ts'
import { byteStringOfNative } from './paths.ts'
import { MemberWork } from './shared/work.ts'
import { WARM_UP } from './spawn.ts'
import { warmUp } from './warm-up.ts'

const FROM_SUPERVISOR = 3
const TO_SUPERVISOR = 4
/** How long a sweep may go on before messages are looked at and progress is told. */
const SWEEP_MILLISECONDS = 200
/** The same where others share the work: they wait for what is found. */
const SHARED_SWEEP_MILLISECONDS = 20
/** Of the heap's limit: a process that holds more isn't kept for another evaluation. */
const KEPT_SHARE = 0.5

type Start = Extract<SupervisorMessage, { readonly kind: 'start' }>

class EvaluatorProcess {
  private readonly writer = new MessageWriter(TO_SUPERVISOR)
  private io: FileIO | undefined
  private resident: ResidentEvaluator | undefined
  private keep = false
  private session: EvaluationSession | undefined
  /** Its part, where others share the evaluation. */
  private part: MemberWork | undefined
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
        this.part?.hear(message, this.session)
        this.takeAnswers()
        return
      case 'take':
      case 'hash':
      case 'conclude':
        this.part?.hear(message, this.session)
        this.wake()
        return
      case 'end':
        this.end()
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
    this.stopPausing()
    this.pace = new Pace()
    this.last = undefined
    this.answers = []
    this.busyMilliseconds = 0
    this.keep = message.keep ?? false
    this.part = message.share === undefined ? undefined : new MemberWork((out) => this.writer.send(out))
    const options: FileIOOptions = {
      storeFolders: [byteStringOfNative(message.localStore)],
      environment: new Map(Object.entries(process.env).map(([name, value]) => [byteStringOfNative(name), byteStringOfNative(value ?? '')])),
      journal: message.journal,
      ...(message.share && { time: message.share.time }),
      asksForUnknownPaths: true,
      scratchFolder: () => (this.scratch ??= mkdtempSync(join(tmpdir(), 'firn-evaluator-'))),
      add: emit,
      record: (key, value) => emit({ kind: 'journal', key, value }),
      trace: (level, text) => emit({ kind: 'trace', level, text }),
    }
    const { jobs } = message.request
    const what = { request: message.request, emit, ...(jobs && { jobs: { meta: jobs.meta, forceRecurse: jobs.walk === 'all' } }), ...(this.part && { share: this.part }) }
    if (this.io === undefined) this.io = new FileIO(options)
    else this.io.renew(options)
    if (this.keep) {
      this.resident ??= new ResidentEvaluator({ io: this.io, settings: message.settings })
      this.session = this.resident.begin(what).session
    } else {
      this.session = new EvaluationSession({ io: this.io, settings: message.settings, ...what })
    }
    if (message.share !== undefined) {
      this.io.answer(message.share.answers)
      if (message.share.prepare) this.session.prepare()
    }
    this.wake()
  }

  private takeAnswers(): void {
    if (this.sweeping || this.session === undefined) return
    const pause = this.pace.pause(performance.now(), this.session.progress().needsOutstanding - this.answers.length)
    // a pause ends when it did for the answers before
    if (pause > 0) this.pausing ??= setTimeout(() => this.wake(), pause)
    else this.wake()
  }

  private stopPausing(): void {
    clearTimeout(this.pausing)
    this.pausing = undefined
  }

  private wake(): void {
    if (this.sweeping || this.session === undefined) return
    this.sweeping = true
    this.sweepSoon(this.session)
  }

  private sweepSoon(session: EvaluationSession): void {
    setImmediate(() => {
      // it may have ended meanwhile, and another have begun
      if (session === this.session) this.sweep(session)
    })
  }

  private sweep(session: EvaluationSession): void {
    const { part } = this
    this.stopPausing()
    const started = performance.now()
    if (this.answers.length > 0) {
      const answers = this.answers
      this.answers = []
      this.io!.answer(answers)
      session.answer(answers.map((answer) => answer.key))
    }
    const outcome = session.sweep({ milliseconds: part === undefined ? SWEEP_MILLISECONDS : SHARED_SWEEP_MILLISECONDS })
    if (outcome === 'finished') part?.exhausted(session)
    const ended = performance.now()
    this.pace.swept(ended, ended - started)
    this.busyMilliseconds += ended - started
    this.tell(session, outcome)
    if (outcome === 'finished' && part === undefined) {
      this.finish()
      return
    }
    this.writer.flush()
    if (outcome === 'busy') {
      this.sweepSoon(session)
      return
    }
    this.sweeping = false
    if (this.answers.length > 0) this.takeAnswers()
  }

  private tell(session: EvaluationSession, outcome: SweepOutcome): void {
    const busySeconds = this.busyMilliseconds / 1000
    if (this.part !== undefined) {
      // of the whole, since others may have jobs left
      if (this.last?.kind === 'finished' && this.last.error !== undefined) this.writer.send(this.last)
      this.last = undefined
      this.part.report(session, busySeconds)
      return
    }
    this.writer.send({ kind: 'progress', ...session.progress(), busySeconds })
    if (outcome === 'finished' && this.last !== undefined) this.writer.send(this.last)
    if (outcome === 'idle' && this.answers.length === 0) this.writer.send({ kind: 'idle' })
  }

  /** Nobody wants more of an evaluation that is shared. */
  private end(): void {
    this.stopPausing()
    this.finish()
    this.writer.send({ kind: 'ready' })
    this.writer.flush()
  }

  /** Ends, or waits for the next evaluation: garbage is collected while nobody waits, and what is left must leave room for more. */
  private finish(): void {
    this.sweeping = false
    if (!this.keep) this.exit(0)
    this.writer.flush()
    this.session = undefined
    setImmediate(() => {
      if (this.session !== undefined) return
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
