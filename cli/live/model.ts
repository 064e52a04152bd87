/**
 * Ring: cli. What an evaluation does, as a live view shows it: made from the farm's events alone, one by one, so that a view that
 * lost its connection goes on where it was. Pure: time is passed in.
 */
import type { EvaluationState, FarmEvent } from '../../contract/api.ts'
import { describeCause, type NodeOutcome } from '../../contract/nodes.ts'

export interface RunningBuild {
  readonly id: number
  readonly name: string
  readonly step: string
  /** Milliseconds since 1970. */
  readonly since: number
  readonly worker: string
  readonly figures: Readonly<Record<string, unknown>>
}

export interface EndedBuild {
  readonly id: number
  readonly name: string
  readonly seconds: number | undefined
  readonly outcome: NodeOutcome
}

/** Something that a plain log says in a line, and a terminal above its live part. */
export type Notice =
  | { readonly kind: 'started', readonly build: RunningBuild }
  | { readonly kind: 'ended', readonly build: EndedBuild }
  | { readonly kind: 'job-error', readonly attr: string, readonly error: string }
  | { readonly kind: 'message', readonly level: 'trace' | 'warn', readonly text: string }
  | { readonly kind: 'state', readonly state: EvaluationState, readonly error?: string }

export class LiveModel {
  state: EvaluationState = 'queued'
  jobsFound = 0
  jobErrors = 0
  attributesDone = 0
  attributesWaiting = 0
  needsOutstanding = 0
  readonly queued = new Set<number>()
  readonly running = new Map<number, RunningBuild>()
  readonly ended = { built: 0, fetched: 0, substituted: 0, valid: 0, failed: 0 }
  fetchedBytes = 0
  uploadedBytes = 0
  /** Bytes of attempts that run: event after event says how many there are by now. */
  readonly #moved = new Map<number, { fetched: number, uploaded: number }>()

  /** Takes an event in; gives what is worth a line. */
  apply(event: FarmEvent): Notice | undefined {
    const { data } = event
    const at = Date.parse(event.at)
    const id = event.buildId ?? 0
    switch (event.kind) {
      case 'evaluation.state': {
        this.state = data['state'] as EvaluationState
        return { kind: 'state', state: this.state, ...(typeof data['error'] === 'string' ? { error: data['error'] } : {}) }
      }
      case 'evaluation.progress':
        this.attributesDone = number(data['attributesDone'])
        this.attributesWaiting = number(data['attributesWaiting'])
        this.needsOutstanding = number(data['needsOutstanding'])
        return undefined
      case 'evaluation.trace':
      case 'evaluation.warn':
        return { kind: 'message', level: event.kind === 'evaluation.warn' ? 'warn' : 'trace', text: String(data['text'] ?? '') }
      case 'job.found':
        this.jobsFound++
        return undefined
      case 'job.error':
        this.jobErrors++
        return { kind: 'job-error', attr: String(data['attr']), error: String(data['error']) }
      case 'build.queued':
        this.queued.add(id)
        return undefined
      case 'build.started': {
        this.queued.delete(id)
        const build: RunningBuild = { id, name: String(data['name']), step: String(data['step'] ?? 'preparing'), since: at, worker: String(data['worker'] ?? ''), figures: {} }
        this.running.set(id, build)
        return { kind: 'started', build }
      }
      case 'build.step': {
        const before = this.running.get(id)
        if (before) this.running.set(id, { ...before, step: String(data['step'] ?? before.step), figures: { ...before.figures, ...data } })
        this.#count(id, data)
        return undefined
      }
      case 'build.ended': {
        const before = this.running.get(id)
        this.queued.delete(id)
        this.running.delete(id)
        this.#count(id, (data['figures'] ?? {}) as Readonly<Record<string, unknown>>)
        this.#moved.delete(id)
        const outcome = data['outcome'] as NodeOutcome
        if (outcome.status === 'failed') this.ended.failed++
        else this.ended[outcome.how]++
        return { kind: 'ended', build: { id, name: String(data['name']), seconds: before ? (at - before.since) / 1000 : undefined, outcome } }
      }
      default:
        return undefined
    }
  }

  #count(id: number, figures: Readonly<Record<string, unknown>>): void {
    const before = this.#moved.get(id) ?? { fetched: 0, uploaded: 0 }
    const now = { fetched: Math.max(before.fetched, number(figures['fetchedBytes'])), uploaded: Math.max(before.uploaded, number(figures['storedBytes'])) }
    this.fetchedBytes += now.fetched - before.fetched
    this.uploadedBytes += now.uploaded - before.uploaded
    this.#moved.set(id, now)
  }
}

function number(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : 0
}

/** How a build ended, in a line without its name. */
export function describeOutcome(outcome: NodeOutcome): string {
  if (outcome.status === 'succeeded') return outcome.how
  return `${describeCause(outcome.cause)}${outcome.cached ? ' (remembered from an earlier run)' : ''}`
}
