/**
 * Ring: activities. Tells those who watch what an attempt does and how far it is. A step that is over within a fraction of a
 * second is never written: most steps of a large graph are.
 */
import type { AttemptStep, Database } from '../state/database.ts'
import { recordStep } from '../state/outcomes.ts'

const QUIET_MILLISECONDS = 300
const PROGRESS_MILLISECONDS = 1000

export class StepReporter {
  readonly #db: Database
  readonly #attemptId: number
  readonly #onFailure: (error: unknown) => void
  /** Seconds spent in each step, and whatever else is known: written with the outcome. */
  readonly figures: Record<string, unknown> = {}
  readonly #seconds: Record<string, number> = {}
  #step: AttemptStep
  #written: AttemptStep
  #since = performance.now()
  #timer: NodeJS.Timeout | undefined

  constructor(db: Database, attemptId: number, step: AttemptStep, onFailure: (error: unknown) => void) {
    this.#db = db
    this.#attemptId = attemptId
    this.#step = step
    this.#written = step
    this.#onFailure = onFailure
  }

  get step(): AttemptStep {
    return this.#step
  }

  begin(step: AttemptStep): void {
    this.#account()
    this.#step = step
    this.#schedule(QUIET_MILLISECONDS)
  }

  /** Figures that change while a step goes on, such as bytes. */
  progress(figures: Readonly<Record<string, unknown>>): void {
    Object.assign(this.figures, figures)
    this.#schedule(PROGRESS_MILLISECONDS)
  }

  end(): void {
    this.#account()
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.figures['seconds'] = Object.fromEntries(Object.entries(this.#seconds).map(([step, seconds]) => [step, Math.round(seconds * 1000) / 1000]))
  }

  #account(): void {
    const now = performance.now()
    this.#seconds[this.#step] = (this.#seconds[this.#step] ?? 0) + (now - this.#since) / 1000
    this.#since = now
  }

  #schedule(milliseconds: number): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      this.#written = this.#step
      recordStep(this.#db, this.#attemptId, this.#written, this.figures).catch(this.#onFailure)
    }, milliseconds)
  }
}
