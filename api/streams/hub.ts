/**
 * Ring: api. Wakes whoever waits for something to change in the farm: on Postgres' notification that events were committed,
 * and once a second in any case, since a notification may be lost with its connection. Nothing is asked of the database
 * while nobody waits.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { FarmDatabase } from '../../state/database.ts'

const CHANNEL = 'firn_event'
const FALLBACK_MILLISECONDS = 1000
/** Wakes that come faster than this are one; the first of them comes at once. In a row of them the pause doubles: who is busy is asked less often. */
const SHORTEST_MILLISECONDS = 20
const LONGEST_MILLISECONDS = 160

/** A moment, as `seen` gives it: what changes after it is not missed. */
export type Moment = number

export class ChangeHub {
  readonly #waiting = new Set<() => void>()
  #stopListening: (() => Promise<void>) | undefined
  #due: NodeJS.Timeout | undefined
  #changes: Moment = 0
  #wokenAt = 0
  #coalesce = SHORTEST_MILLISECONDS

  async start(database: FarmDatabase, logger: Logger): Promise<void> {
    try {
      this.#stopListening = await database.listen(CHANNEL, () => {
        this.#changes++
        this.#wakeSoon()
      })
    } catch (error) {
      logger.warn({ err: error }, 'cannot listen for events; looking once a second instead')
    }
  }

  #wakeSoon(): void {
    if (this.#waiting.size === 0 || this.#due !== undefined) return
    const pause = this.#wokenAt + this.#coalesce - performance.now()
    if (pause <= 0) {
      this.#coalesce = SHORTEST_MILLISECONDS
      this.#wake()
      return
    }
    this.#coalesce = Math.min(2 * this.#coalesce, LONGEST_MILLISECONDS)
    this.#due = setTimeout(() => {
      this.#due = undefined
      this.#wake()
    }, pause)
  }

  #wake(): void {
    this.#wokenAt = performance.now()
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const resolve of waiting) resolve()
  }

  /** To be asked before the database is: `change` then ends at once for what came while it was. */
  seen(): Moment {
    return this.#changes
  }

  /** Ends once something has changed since that moment, or after `milliseconds`. Throws the signal's reason when it fires. */
  async change(signal: AbortSignal, since: Moment, milliseconds: number = FALLBACK_MILLISECONDS): Promise<void> {
    signal.throwIfAborted()
    const done = new AbortController()
    let resolve: () => void = () => undefined
    const woken = new Promise<void>((fulfil) => { resolve = fulfil })
    this.#waiting.add(resolve)
    if (this.#changes !== since) this.#wakeSoon()
    try {
      await Promise.race([woken, sleep(milliseconds, undefined, { signal: AbortSignal.any([signal, done.signal]) })])
    } finally {
      this.#waiting.delete(resolve)
      done.abort()
    }
  }

  /**
   * Asks `check` now and at each change, until it gives something else than undefined or the time is over.
   * Gives undefined then.
   */
  async until<T>(check: () => Promise<T | undefined>, options: { readonly seconds: number; readonly signal: AbortSignal }): Promise<T | undefined> {
    const end = performance.now() + options.seconds * 1000
    for (;;) {
      const since = this.seen()
      const answer = await check()
      const left = end - performance.now()
      if (answer !== undefined || left <= 0) return answer
      await this.change(options.signal, since, Math.min(left, FALLBACK_MILLISECONDS))
    }
  }

  async close(): Promise<void> {
    clearTimeout(this.#due)
    await this.#stopListening?.()
    this.#wake()
  }
}
