/**
 * Ring: evaluator. One process's part in an evaluation that several share (handle.ts): evaluates what it is told to take, and reports after each
 * sweep what it found and how it stands. Upstream counterpart: src/worker.cc of nix-eval-jobs, which takes one attribute at a time.
 */
import type { EvaluatorMessage, JobPlace, SupervisorMessage } from '../../contract/evaluations.ts'
import type { EvaluationSession, SharedWork } from '../../eval/session.ts'

type Heard = Extract<SupervisorMessage, { readonly kind: 'answers' | 'take' | 'hash' | 'conclude' }>

/** What takes so long is told: it is what others may wait for in the end. */
const SLOW_MILLISECONDS = 50

export class MemberWork implements SharedWork {
  private heard = 1
  private found: JobPlace[] = []
  private aggregates: JobPlace[] = []
  private slow: { readonly place: JobPlace; readonly milliseconds: number }[] = []
  private concluding: (Heard & { readonly kind: 'conclude' }) | undefined
  private readonly send: (message: EvaluatorMessage) => void

  constructor(send: (message: EvaluatorMessage) => void) {
    this.send = send
  }

  children(places: readonly JobPlace[]): void {
    for (const place of places) this.found.push(place)
  }

  aggregate(place: JobPlace): void {
    this.aggregates.push(place)
  }

  tried(place: JobPlace, milliseconds: number): void {
    if (milliseconds >= SLOW_MILLISECONDS) this.slow.push({ place, milliseconds })
  }

  /** Another message of this evaluation has come. */
  hear(message: Heard, session: EvaluationSession | undefined): void {
    this.heard++
    switch (message.kind) {
      case 'answers': return
      case 'take': return session?.take(message.places)
      case 'hash': return session && this.send({ kind: 'hashes', hashes: message.drvPaths.map(session.evaluator.derivationHashOf) })
      case 'conclude':
        session?.take(message.aggregates)
        this.concluding = message
    }
  }

  /** Nothing is left to be tried or waited for. */
  exhausted(session: EvaluationSession): void {
    const concluding = this.concluding
    this.concluding = undefined
    if (concluding !== undefined) session.conclude(concluding.jobs)
  }

  report(session: EvaluationSession, busySeconds: number): void {
    const { found, aggregates, slow } = this
    this.found = []
    this.aggregates = []
    this.slow = []
    const { attributesDone, attributesWaiting } = session.progress()
    const attributesReady = session.pending
    this.send({ kind: 'report', heard: this.heard, attributesDone, attributesReady, attributesWaiting: attributesWaiting - attributesReady, busySeconds, found, aggregates, slow })
  }
}
