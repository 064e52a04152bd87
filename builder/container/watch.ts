/**
 * Ring: builder. Watches a build while it runs: passes its log on, and kills it when a limit is met or nobody wants it
 * any more. The first reason counts. Upstream counterpart: Worker::waitForInput and BuildLog.
 */
import type { Readable } from 'node:stream'
import type { BuildEnd, BuildLimits, BuildOptions } from '../interface.ts'

/** setTimeout's bound, 24 days. */
const LONGEST_TIMER = 2 ** 31 - 1

export class Watch {
  readonly #limits: BuildLimits
  readonly #options: BuildOptions
  readonly #kill: () => Promise<void>
  readonly #timeout: NodeJS.Timeout | undefined
  readonly #silence: NodeJS.Timeout | undefined
  readonly #abort = (): void => this.#stop({ kind: 'cancelled' })
  #killing: Promise<void> | undefined
  #failure: unknown
  #end: BuildEnd | undefined
  #bytes = 0

  constructor(limits: BuildLimits, options: BuildOptions, kill: () => Promise<void>) {
    this.#limits = limits
    this.#options = options
    this.#kill = kill
    this.#timeout = timerOf(limits.timeoutSeconds, () => this.#stop({ kind: 'timed-out', seconds: limits.timeoutSeconds, silent: false }))
    this.#silence = timerOf(limits.silentSeconds, () => this.#stop({ kind: 'timed-out', seconds: limits.silentSeconds, silent: true }))
    options.signal?.addEventListener('abort', this.#abort, { once: true })
    if (options.signal?.aborted === true) this.#abort()
  }

  /** Why the build was killed, if it was. */
  get end(): BuildEnd | undefined {
    return this.#end
  }

  /** Bytes of log that were passed on. */
  get bytes(): number {
    return this.#bytes
  }

  /** Reads the log to its end. */
  async read(stream: Readable): Promise<void> {
    const limit = this.#limits.logBytes
    for await (const chunk of stream as AsyncIterable<Uint8Array>) {
      // what comes after the end was decided is read only so that the pipe gets empty
      if (this.#end !== undefined) continue
      this.#silence?.refresh()
      const room = limit > 0 ? limit - this.#bytes : Infinity
      const passed = chunk.length > room ? chunk.subarray(0, room) : chunk
      this.#bytes += passed.length
      try {
        await this.#options.onLog?.(passed)
      } catch (error) {
        // a log that can't be kept is a fault, and the build is not to go on unseen
        this.#failure ??= error
        this.#stop({ kind: 'cancelled' })
      }
      if (chunk.length > room) this.#stop({ kind: 'log-limit', bytes: limit })
    }
  }

  /** Ends the timers and waits for a kill that is under way. Throws what the log's reader threw. */
  async close(): Promise<void> {
    clearTimeout(this.#timeout)
    clearTimeout(this.#silence)
    this.#options.signal?.removeEventListener('abort', this.#abort)
    await this.#killing
    const failure = this.#failure
    this.#failure = undefined
    if (failure !== undefined) throw failure
  }

  #stop(end: BuildEnd): void {
    this.#end ??= end
    this.#killing ??= this.#kill()
  }
}

function timerOf(seconds: number, action: () => void): NodeJS.Timeout | undefined {
  return seconds > 0 ? setTimeout(action, Math.min(seconds * 1000, LONGEST_TIMER)) : undefined
}
