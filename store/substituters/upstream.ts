/**
 * Ring: store. A decorator around a binary cache: an upstream that fails is passed over for a while instead of failing what asks,
 * since a build farm whose first cache answers 502 must go on (nix#15785), and what it doesn't have is remembered.
 */
import type { NarInfo } from '../../nix/narinfo.ts'
import { asFirnError } from '../../contract/errors.ts'
import type { BinaryCache } from './cache.ts'
import type { Misses } from './misses.ts'

export interface UpstreamOptions {
  readonly misses: Misses
  readonly pauseSeconds: number
  /** In place of what the cache says of itself. */
  readonly priority?: number
  readonly onWarning: (message: string) => void
  readonly now?: () => number
}

/** Failures in a row after which a cache is left alone; one broken answer among hundreds isn't the cache's end. */
const FAILURES_ALLOWED = 3

export class Upstream {
  readonly cache: BinaryCache
  readonly #options: UpstreamOptions
  #pausedUntil = 0
  #failures = 0

  constructor(cache: BinaryCache, options: UpstreamOptions) {
    this.cache = cache
    this.#options = options
  }

  get paused(): boolean {
    return (this.#options.now ?? Date.now)() < this.#pausedUntil
  }

  /** Lower is asked first; undefined where the cache doesn't answer or serves another store folder. */
  async priority(): Promise<number | undefined> {
    const info = await this.attempt(() => this.cache.info())
    if (info && info.storeDir !== '/nix/store') {
      this.#options.onWarning(`substituter ${this.cache.url} is for the store folder ${info.storeDir} and is not used`)
      return undefined
    }
    return info && (this.#options.priority ?? info.priority)
  }

  /** What it has of these hash parts. Never throws. */
  async narInfos(hashParts: readonly string[]): Promise<NarInfo[]> {
    if (this.paused) return []
    const known = await this.#options.misses.known(this.cache.url, hashParts)
    const misses: string[] = []
    const answers = await Promise.all(hashParts.filter((part) => !known.has(part)).map(async (part) => {
      if (this.paused) return undefined
      let missing = false
      const narInfo = await this.attempt(async () => {
        const found = await this.cache.narInfo(part)
        missing = found === undefined
        return found
      })
      if (missing) misses.push(part)
      return narInfo
    }))
    await this.#options.misses.record(this.cache.url, misses)
    return answers.filter((narInfo) => narInfo !== undefined)
  }

  /** Does it, or says why not and gives undefined; pauses the cache after failures in a row. */
  async attempt<T>(work: () => Promise<T>): Promise<T | undefined> {
    try {
      const result = await work()
      this.#failures = 0
      return result
    } catch (error) {
      this.#failures++
      if (this.#failures === FAILURES_ALLOWED) {
        this.#pausedUntil = (this.#options.now ?? Date.now)() + this.#options.pauseSeconds * 1000
        this.#failures = 0
        this.#options.onWarning(`substituter ${this.cache.url} is passed over for ${this.#options.pauseSeconds} s: ${asFirnError(error).message}`)
      }
      return undefined
    }
  }
}
