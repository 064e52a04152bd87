/** Ring: eval. Trying to compute something: it gives a value, fails, or waits. */
import type { Need } from '../../contract/evaluations.ts'
import { Suspended } from '../io.ts'
import { NONE, tracker } from '../runtime/dependencies.ts'
import { asEvaluationError, type EvaluationError } from '../runtime/errors.ts'
import { markMachine, restoreMachine } from '../runtime/machine.ts'
import { endRecord, startRecord, type AttemptRecord, type TraceMessage, type Trial } from '../runtime/needs.ts'
import { probe, speculation } from '../runtime/speculate.ts'

export type Outcome<T> =
  | { readonly kind: 'value'; readonly value: T }
  | { readonly kind: 'failed'; readonly error: EvaluationError }
  /** All needs that were found, also of things beside the one that suspended it. */
  | ({ readonly kind: 'suspended' } & Waiting)

export interface Waiting {
  readonly needs: readonly Need[]
  /** By key of a need: what to try when it is met, while others are still outstanding. */
  readonly trials: ReadonlyMap<string, readonly Trial[]>
}

/** What is carried from one attempt of something to the next, so that nothing is traced twice. */
export class AttemptHistory {
  /** Traces that work to be done again has shown already, and how often. */
  private readonly repeated = new Map<string, number>()
  /** Traces of finished work that was only looked at: shown when the whole is done, for they won't come again. */
  readonly held: TraceMessage[] = []

  /** Whether a trace is shown now; it isn't if this is work done again. */
  shows(level: string, text: string): boolean {
    const key = `${level}\0${text}`
    const count = this.repeated.get(key) ?? 0
    if (count > 0) this.repeated.set(key, count - 1)
    return count === 0
  }

  suspended(record: AttemptRecord): void {
    for (const message of record.traces) {
      if (!runsAgain(record, message)) continue
      const key = `${message.level}\0${message.text}`
      this.repeated.set(key, (this.repeated.get(key) ?? 0) + 1)
    }
    this.lookedAt(record)
  }

  /** Only things beside the work itself were tried. */
  lookedAt(record: AttemptRecord): void {
    for (const message of record.asides) if (!runsAgain(record, message)) this.held.push(message)
  }
}

/** Whether a trace comes again when the work does. Work left over from before that this attempt did not come to will still come. */
function runsAgain(record: AttemptRecord, message: TraceMessage): boolean {
  return message.serial === 0 || record.live?.has(message.serial) === true || record.aborted.has(message.serial)
}

/** Trials that one attempt may make beside the thing itself. */
const SPECULATION_BUDGET = 200_000

/** Runs `work`. Bugs of the evaluator itself are thrown. */
export function attempt<T>(history: AttemptHistory, work: () => T): Outcome<T> {
  const mark = markMachine()
  const record = startRecord()
  const before = speculation.budget
  speculation.budget = SPECULATION_BUDGET
  tracker.current = NONE
  try {
    return { kind: 'value', value: work() }
  } catch (thrown) {
    if (thrown instanceof Suspended) {
      record.needs.set(thrown.need.key, thrown.need)
      history.suspended(record)
      return { kind: 'suspended', needs: [...record.needs.values()], trials: record.trials }
    }
    const error = asEvaluationError(thrown)
    if (error === undefined) throw thrown
    return { kind: 'failed', error }
  } finally {
    speculation.budget = before
    endRecord()
    restoreMachine(mark)
  }
}

/** Tries a part of work whose need was met while others are outstanding, for what it needs next. It is counted in its group if it waits again. */
export function tryAhead(history: AttemptHistory, { work, group }: Trial): Waiting {
  const mark = markMachine()
  const record = startRecord()
  const before = speculation.budget
  speculation.budget = SPECULATION_BUDGET
  tracker.current = NONE
  group.pending--
  try {
    probe(work, group)
  } finally {
    speculation.budget = before
    endRecord()
    restoreMachine(mark)
  }
  history.lookedAt(record)
  return { needs: [...record.needs.values()], trials: record.trials }
}
