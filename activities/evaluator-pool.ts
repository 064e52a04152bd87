/**
 * Ring: activities. Evaluator processes that have finished, kept for the next evaluation of the same set: what nothing changed is in their
 * heaps already (docs/design/resident-evaluation.md). Few and for a time, since each holds a heap. And one that has just started, for
 * whatever comes next. Stock Nix and Hydra start anew.
 */
import type { EvaluationRequest, EvaluationSettings } from '../contract/evaluations.ts'
import type { EvaluatorHandle } from '../evaluator/spawn.ts'
import { parseStorePath } from '../nix/store-path.ts'

interface Kept {
  readonly key: string
  readonly process: EvaluatorHandle
  readonly timer: NodeJS.Timeout
}

/** When the next process is started ahead at the latest: the evaluation that took the last one has the machine first, most end sooner. */
const PREPARE_MILLISECONDS = 1000

export class EvaluatorPool {
  readonly #limit: number
  readonly #milliseconds: number
  readonly #spawn: (options: { readonly warmUp: boolean }) => EvaluatorHandle
  #ahead: EvaluatorHandle | undefined
  #preparing: NodeJS.Timeout | undefined
  #closed = false
  /** The one given last is the last. */
  #kept: Kept[] = []

  constructor(options: { readonly limit: number; readonly seconds: number; readonly spawn: (options: { readonly warmUp: boolean }) => EvaluatorHandle }) {
    this.#limit = options.limit
    this.#milliseconds = options.seconds * 1000
    this.#spawn = options.spawn
  }

  /** Starts a process ahead of need: that takes a quarter of a second, longer than most expressions. To be called when an evaluation no longer computes. */
  prepare(): void {
    clearTimeout(this.#preparing)
    if (this.#closed || this.#ahead !== undefined) return
    const process = this.#spawn({ warmUp: true })
    this.#ahead = process
    void process.ended.catch(() => undefined).finally(() => {
      if (this.#ahead === process) this.#ahead = undefined
    })
  }

  /** A process that has evaluated nothing yet. */
  fresh(): EvaluatorHandle {
    const process = this.#ahead ?? this.#spawn({ warmUp: false })
    this.#ahead = undefined
    clearTimeout(this.#preparing)
    this.#preparing = setTimeout(() => this.prepare(), PREPARE_MILLISECONDS).unref()
    return process
  }

  /** A process that evaluated this before, if there is one. */
  take(key: string): EvaluatorHandle | undefined {
    const found = this.#kept.findLast((kept) => kept.key === key)
    if (found === undefined) return undefined
    this.#remove(found)
    return found.process
  }

  /** Keeps a process that has finished. */
  give(key: string, process: EvaluatorHandle): void {
    const timer = setTimeout(() => this.#stop(kept), this.#milliseconds)
    timer.unref()
    const kept: Kept = { key, process, timer }
    this.#kept.push(kept)
    // one that ends by itself (its heap is full) isn't kept
    void process.ended.catch(() => undefined).finally(() => this.#remove(kept))
    while (this.#kept.length > this.#limit) this.#stop(this.#kept[0]!)
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#preparing)
    this.#ahead?.stop().catch(() => undefined)
    this.#ahead = undefined
    for (const kept of this.#kept) this.#stop(kept)
  }

  #stop(kept: Kept): void {
    this.#remove(kept)
    kept.process.stop().catch(() => undefined)
  }

  #remove(kept: Kept): void {
    clearTimeout(kept.timer)
    this.#kept = this.#kept.filter((one) => one !== kept)
  }
}

/** Flakes are looked up, fetched and locked before they are evaluated, which is not observed: each starts anew. */
export function isKept(request: EvaluationRequest): boolean {
  return request.source.kind !== 'flake'
}

/** Equal for evaluations that one process may serve: of the same place, under the same rules. Arguments may differ. */
export function poolKey(request: EvaluationRequest, settings: EvaluationSettings): string {
  const { source } = request
  // revisions of one input differ in their hash
  const place = source.kind === 'store' ? { kind: source.kind, name: parseStorePath(source.storePath).name, file: source.file } : source
  return JSON.stringify([place, request.attributes, settings])
}
