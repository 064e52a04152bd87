/** Ring: evaluator. One of the processes that share an evaluation, as handle.ts sees it: what was sent to it, and how it stood when it last said. */
import type { EvaluatorMessage, JobPlace, SupervisorMessage } from '../../contract/evaluations.ts'
import type { EvaluatorHandle } from '../spawn.ts'

type Report = Extract<EvaluatorMessage, { readonly kind: 'report' }>

/** What a process has before it, in milliseconds of its work: until the next sweep it can say nothing, and what it has nobody else can take. */
const AHEAD_MILLISECONDS = 20
const LEAST_AHEAD = 2
const MOST_AHEAD = 32
const FIRST_AHEAD = 16

export class Member {
  readonly number: number
  readonly handle: EvaluatorHandle
  /** How often it must still say `ready` before it speaks of the evaluation going on. */
  private unready = 1
  private sent = 0
  private given = 0
  private last: Report | undefined
  private perMillisecond: number | undefined

  constructor(number: number, handle: EvaluatorHandle) {
    this.number = number
    this.handle = handle
  }

  /** Begins an evaluation. */
  start(message: SupervisorMessage): void {
    this.sent = 0
    this.given = 0
    this.last = undefined
    this.perMillisecond = undefined
    this.send(message)
  }

  end(): void {
    this.unready++
    this.send({ kind: 'end' })
  }

  send(message: SupervisorMessage): void {
    this.sent++
    // one that is gone is told by its end
    void this.handle.send(message)
  }

  give(places: readonly JobPlace[]): void {
    this.given += places.length
    this.send({ kind: 'take', places })
  }

  conclude(message: Extract<SupervisorMessage, { readonly kind: 'conclude' }>): void {
    this.given += message.aggregates.length
    this.send(message)
  }

  /** Whether a message is of the evaluation going on: not so what it said before it heard of the end of the last. */
  speaks(message: EvaluatorMessage): boolean {
    if (message.kind === 'ready') this.unready--
    return this.unready === 0
  }

  report(report: Report): void {
    const before = this.last
    const milliseconds = (report.busySeconds - (before?.busySeconds ?? 0)) * 1000
    const done = report.attributesDone - (before?.attributesDone ?? 0)
    if (done > 0) this.perMillisecond = done / Math.max(milliseconds, 0.01)
    this.last = report
  }

  /** How many places it should get now, beyond those that it has. */
  wants(isAlone: boolean): number {
    const { attributesDone = 0, attributesWaiting = 0 } = this.last ?? {}
    const most = this.perMillisecond === undefined ? FIRST_AHEAD : Math.max(LEAST_AHEAD, Math.min(MOST_AHEAD, Math.ceil(this.perMillisecond * AHEAD_MILLISECONDS)))
    const limit = isAlone ? MOST_AHEAD : most
    const ahead = this.given - attributesDone - attributesWaiting
    // not for one at a time
    return ahead > limit / 2 ? 0 : limit - ahead
  }

  /** Has nothing to do before it is told more. */
  get isQuiet(): boolean {
    return this.given === 0 || (this.last !== undefined && this.last.heard === this.sent && this.last.attributesReady === 0)
  }

  get done(): number {
    return this.last?.attributesDone ?? 0
  }

  /** Waits for needs. */
  get waiting(): number {
    return this.last?.attributesWaiting ?? 0
  }

  /** Given, and neither done nor waiting. */
  get pending(): number {
    return this.given - this.done - this.waiting
  }

  get busySeconds(): number {
    return this.last?.busySeconds ?? 0
  }
}
