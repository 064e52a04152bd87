/**
 * Ring: eval. Errors of evaluation, with Nix's messages. Upstream counterpart: src/libexpr/eval-error.cc. The calls under way are
 * copied when an error is made; `addErrorContext` and builtins add lines where they stand.
 */
import { callees, machine, sites, type Callee, type CalleeLine } from './machine.ts'
import { shownLocation } from './site.ts'
import type { Location } from '../values/location.ts'

/** `throw` and `assertion` are what `tryEval` catches. */
export type EvaluationErrorKind =
  | 'throw' | 'assertion' | 'abort' | 'type' | 'undefined-variable' | 'missing-attribute' | 'missing-argument' | 'infinite-recursion'
  | 'stack-overflow' | 'restricted' | 'invalid-path' | 'need-failed' | 'parse' | 'eval'

export interface TraceLine {
  readonly text: string
  readonly location: Location | undefined
  /** Height of the call stack where it was added: lines are shown from the innermost. */
  readonly depth: number
}

export interface CallUnderWay {
  readonly site: Location | undefined
  readonly callee: Callee
  /** How far it was, from the outermost. */
  readonly lines: () => readonly CalleeLine[]
}

const NO_LINES: readonly CalleeLine[] = []
const noLines = (): readonly CalleeLine[] => NO_LINES

export interface ErrorDetails {
  readonly location?: Location | undefined
  /** Shown as `… text` right above the message, from the innermost. */
  readonly traces?: readonly { readonly text: string; readonly location?: Location | undefined }[]
  readonly suggestions?: readonly string[]
  readonly cause?: unknown
  /** Keys of needs that failed and made this. */
  readonly needs?: readonly string[]
}

export class EvaluationError extends Error {
  readonly kind: EvaluationErrorKind
  location: Location | undefined
  readonly suggestions: readonly string[]
  readonly needs: readonly string[]
  /** Innermost last. */
  readonly calls: readonly CallUnderWay[]
  readonly traces: TraceLine[]

  constructor(kind: EvaluationErrorKind, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.name = 'EvaluationError'
    this.kind = kind
    this.location = shownLocation(details.location)
    this.suggestions = details.suggestions ?? []
    this.needs = details.needs ?? []
    const calls: CallUnderWay[] = []
    for (let i = 0; i < machine.depth; i++) calls.push({ site: shownLocation(sites[i]), callee: callees[i]!, lines: callees[i]!.progress?.() ?? noLines })
    this.calls = calls
    this.traces = (details.traces ?? []).filter((t) => t.text !== '').map((t) => ({ text: t.text, location: shownLocation(t.location), depth: machine.depth }))
  }

  /** All places it has to do with, the nearest first: its own, those of the lines of its trace, those of the calls under way. */
  get locations(): readonly Location[] {
    const lines: CalleeLine[] = []
    let next = 0
    for (let depth = this.calls.length; depth >= 0; depth--) {
      for (; next < this.traces.length && this.traces[next]!.depth >= depth; next++) lines.push(this.traces[next]!)
      lines.push(...[...this.calls[depth - 1]?.lines() ?? []].reverse())
    }
    const sites = this.calls.map(({ site }) => site).reverse()
    return [this.location, ...lines.map(({ location }) => location), ...sites].filter((location) => location !== undefined)
  }

  /** Adds a line for the work going on at this height of the call stack. */
  addTrace(text: string, location: Location | undefined, depth: number): this {
    this.traces.push({ text, location: shownLocation(location), depth })
    return this
  }
}

/** Nix's quotes around parts of messages are plain; JavaScript's engine ran out of stack before Nix's limit. */
export function stackOverflow(location: Location | undefined): EvaluationError {
  return new EvaluationError('stack-overflow', 'stack overflow; max-call-depth exceeded', { location })
}

/** What was thrown, as an evaluation error if it is one by nature: JavaScript's own stack overflow is. Else undefined. */
export function asEvaluationError(thrown: unknown): EvaluationError | undefined {
  if (thrown instanceof EvaluationError) return thrown
  if (thrown instanceof RangeError && /call stack/.test(thrown.message)) {
    return new EvaluationError('stack-overflow', 'stack overflow (possible infinite recursion)', { location: sites[machine.depth - 1], cause: thrown })
  }
  return undefined
}
