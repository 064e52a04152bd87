/**
 * Ring: eval. One evaluation of a request (a file or expression, its attributes, its jobs) over an EvalIO, that goes on as
 * long as anything can go on. Upstream counterpart: nix-eval-jobs and Nix's src/libexpr/{get-drvs,attr-path}.cc, which
 * block where this suspends.
 *
 * Use: `new EvaluationSession(…)`, then `sweep()` until it says 'idle' or 'finished'; when answers to needs have come, tell the
 * EvalIO first and then the session (`answer`), and sweep again.
 */
import type { EvaluationRequest, EvaluationSettings, EvaluatorMessage } from '../contract/evaluations.ts'
import type { EvalIO } from './io.ts'

export interface SessionOptions {
  readonly io: EvalIO
  readonly settings: EvaluationSettings
  readonly request: EvaluationRequest
  /** Gets jobs, job errors, needs (each once), traces, and `finished`. */
  readonly emit: (message: EvaluatorMessage) => void
}

export interface SessionProgress {
  readonly attributesDone: number
  readonly attributesWaiting: number
  readonly needsOutstanding: number
}

/** 'busy': stopped by the time limit, more can be done at once; 'idle': everything left waits for needs; 'finished': `finished` was emitted. */
export type SweepOutcome = 'busy' | 'idle' | 'finished'

export class EvaluationSession {
  constructor(options: SessionOptions) {
    void options
  }

  /** Evaluates until nothing can go on, or (checked between attributes) the time is over. */
  sweep(limit: { readonly milliseconds?: number } = {}): SweepOutcome {
    void limit
    return 'finished'
  }

  /** These needs (by key) have been answered, well or badly: the EvalIO knows how. Wakes what waited for them. */
  answer(keys: readonly string[]): void {
    void keys
  }

  progress(): SessionProgress {
    return { attributesDone: 0, attributesWaiting: 0, needsOutstanding: 0 }
  }
}
