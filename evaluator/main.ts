/**
 * Ring: evaluator. The evaluator's process: one evaluation over the messages of contract/evaluations.ts, read from descriptor 3 and
 * written to descriptor 4. It sweeps over the session as long as anything can go on, says `idle` when everything waits, and goes on
 * with the answers. Started by spawn.ts, which gives it its stack.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { EvaluatorMessage, NeedAnswer, SupervisorMessage } from '../contract/evaluations.ts'
import { EvaluationSession } from '../eval/session.ts'
import { MessageWriter, readMessages } from './channel.ts'
import { FileIO } from './file-io.ts'
import { useNodeHashes } from './hashes.ts'
import { byteStringOfNative } from './paths.ts'

const FROM_SUPERVISOR = 3
const TO_SUPERVISOR = 4
/** How long a sweep may go on before messages are looked at and progress is told. */
const SWEEP_MILLISECONDS = 200

type Start = Extract<SupervisorMessage, { readonly kind: 'start' }>

class EvaluatorProcess {
  private readonly writer = new MessageWriter(TO_SUPERVISOR)
  private io: FileIO | undefined
  private session: EvaluationSession | undefined
  private answers: NeedAnswer[] = []
  private sweeping = false
  private busyMilliseconds = 0
  private last: EvaluatorMessage | undefined
  private scratch: string | undefined

  run(): void {
    // meant for Node, not for expressions
    delete process.env['NODE_COMPILE_CACHE']
    useNodeHashes()
    readMessages(FROM_SUPERVISOR, (message) => this.receive(message), () => this.exit(0))
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
        this.wake()
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
    this.io = new FileIO({
      storeFolders: [byteStringOfNative(message.localStore)],
      environment: new Map(Object.entries(process.env).map(([name, value]) => [byteStringOfNative(name), byteStringOfNative(value ?? '')])),
      journal: message.journal,
      asksForUnknownPaths: true,
      scratchFolder: () => (this.scratch ??= mkdtempSync(join(tmpdir(), 'firn-evaluator-'))),
      add: emit,
      record: (key, value) => emit({ kind: 'journal', key, value }),
      trace: (level, text) => emit({ kind: 'trace', level, text }),
    })
    const { jobs } = message.request
    this.session = new EvaluationSession({ io: this.io, settings: message.settings, request: message.request, emit, ...(jobs && { jobs: { meta: jobs.meta, forceRecurse: jobs.walk === 'all' } }) })
    this.wake()
  }

  private wake(): void {
    if (this.sweeping || this.session === undefined) return
    this.sweeping = true
    setImmediate(() => this.sweep())
  }

  private sweep(): void {
    const session = this.session!
    if (this.answers.length > 0) {
      const answers = this.answers
      this.answers = []
      this.io!.answer(answers)
      session.answer(answers.map((answer) => answer.key))
    }
    const started = performance.now()
    const outcome = session.sweep({ milliseconds: SWEEP_MILLISECONDS })
    this.busyMilliseconds += performance.now() - started
    this.writer.send({ kind: 'progress', ...session.progress(), busySeconds: this.busyMilliseconds / 1000 })
    if (outcome === 'finished') {
      if (this.last !== undefined) this.writer.send(this.last)
      this.exit(0)
      return
    }
    if (outcome === 'idle' && this.answers.length === 0) this.writer.send({ kind: 'idle' })
    this.writer.flush()
    if (outcome === 'busy' || this.answers.length > 0) setImmediate(() => this.sweep())
    else this.sweeping = false
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
