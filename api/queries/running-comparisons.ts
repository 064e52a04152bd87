/**
 * Ring: api. Comparisons of evaluations that still run: pages ask for them every second, and each is a pass over all jobs of both sides. One of the
 * last seconds is answered at once while the next is computed; who comes after a pause waits for a new one. Those of ended evaluations are never kept:
 * a retry changes them, and people look at once.
 */
import type { Comparison } from '../../contract/comparison.ts'

const FRESH_MILLISECONDS = 1000
const GOOD_MILLISECONDS = 5000
const KEPT = 200

interface Kept {
  readonly value: Promise<Comparison>
  readonly at: number
}

export class RunningComparisons {
  readonly #kept = new Map<string, Kept>()
  /** Those that are being computed in place of what is kept. */
  readonly #next = new Set<string>()
  readonly #now: () => number

  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  async get(key: string, compute: () => Promise<Comparison>): Promise<Comparison> {
    const kept = this.#kept.get(key)
    const age = kept === undefined ? Infinity : this.#now() - kept.at
    if (kept && age < FRESH_MILLISECONDS) return await kept.value
    if (kept && age < GOOD_MILLISECONDS) {
      if (!this.#next.has(key)) this.#refresh(key, compute)
      return await kept.value
    }
    return await this.#keep(key, compute())
  }

  #refresh(key: string, compute: () => Promise<Comparison>): void {
    this.#next.add(key)
    // what could not be computed is computed again by who asks next
    compute().then((value) => this.#keep(key, Promise.resolve(value)), () => this.#kept.delete(key)).finally(() => this.#next.delete(key)).catch(() => undefined)
  }

  #keep(key: string, value: Promise<Comparison>): Promise<Comparison> {
    if (this.#kept.size >= KEPT) this.#kept.clear()
    this.#kept.set(key, { value, at: this.#now() })
    value.catch(() => this.#kept.delete(key))
    return value
  }
}
