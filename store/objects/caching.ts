/**
 * Ring: store. A decorator: a near object store in front of a far one, for a bucket that is slow or charges by request. What is stored goes
 * to both; what is read and isn't near is fetched once, whole (packs are read by range again and again), whoever asks.
 * The near one is a cache: it is bound by bytes, and its failures only cost speed.
 */
import { asFirnError, FirnError } from '../../contract/errors.ts'
import type { ByteRange, ObjectStore, StoredObject } from './interface.ts'

export interface CachingOptions {
  readonly near: ObjectStore
  readonly far: ObjectStore
  /** Bound of the near store in bytes; the least recently used objects go first. */
  readonly bytes: number
  readonly onWarning?: (message: string) => void
}

export class CachingObjectStore implements ObjectStore {
  readonly #options: CachingOptions
  /** What is near, with its size; the least recently used first. */
  readonly #present = new Map<string, number>()
  readonly #fetching = new Map<string, Promise<boolean>>()
  #bytes = 0
  #ready: Promise<void> | undefined

  constructor(options: CachingOptions) {
    this.#options = options
  }

  async put(key: string, body: Uint8Array | AsyncIterable<Uint8Array>): Promise<void> {
    if (!(body instanceof Uint8Array)) {
      // A stream can be read once, and the far store is the one that counts.
      await this.#options.far.put(key, body)
      return
    }
    await this.#options.far.put(key, body)
    await this.#tolerate(async () => {
      await this.#load()
      if (body.length > this.#options.bytes) return
      await this.#options.near.put(key, body)
      await this.#add(key, body.length)
    })
  }

  async* get(key: string, range?: ByteRange): AsyncGenerator<Uint8Array> {
    if (!(await this.#bring(key))) {
      yield* this.#options.far.get(key, range)
      return
    }
    // Whole at once: the object may be evicted while a stream is under way.
    const bytes = await this.read(key, range)
    if (bytes.length > 0) yield bytes
  }

  async read(key: string, range?: ByteRange): Promise<Uint8Array> {
    if (await this.#bring(key)) {
      const bytes = await this.#tolerate(() => this.#options.near.read(key, range))
      if (bytes !== undefined) return bytes
    }
    return await this.#options.far.read(key, range)
  }

  async delete(keys: readonly string[]): Promise<void> {
    await this.#options.far.delete(keys)
    for (const key of keys) this.#forget(key)
    await this.#tolerate(() => this.#options.near.delete(keys))
  }

  list(prefix: string): AsyncIterable<StoredObject> {
    return this.#options.far.list(prefix)
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#fetching.values())
    await this.#options.near.close()
    await this.#options.far.close()
  }

  /** Whether the object is near now; fetches it where it isn't. */
  async #bring(key: string): Promise<boolean> {
    await this.#tolerate(() => this.#load())
    const size = this.#present.get(key)
    if (size !== undefined) {
      this.#present.delete(key)
      this.#present.set(key, size)
      return true
    }
    let fetching = this.#fetching.get(key)
    if (fetching === undefined) {
      fetching = this.#fetch(key).finally(() => this.#fetching.delete(key))
      this.#fetching.set(key, fetching)
    }
    return await fetching
  }

  async #fetch(key: string): Promise<boolean> {
    let size = 0
    let failure: unknown
    const content = this.#options.far.get(key)
    const counted = (async function* () {
      try {
        for await (const part of content) {
          size += part.length
          yield part
        }
      } catch (error) {
        failure = error
        throw error
      }
    })()
    try {
      await this.#options.near.put(key, counted)
      await this.#add(key, size)
      return true
    } catch (error) {
      // What the far store says is the answer; what the near one says is not.
      if (failure !== undefined) throw failure
      this.#warn(error)
      return false
    }
  }

  async #add(key: string, size: number): Promise<void> {
    this.#forget(key)
    this.#present.set(key, size)
    this.#bytes += size
    const evicted: string[] = []
    for (const old of this.#present.keys()) {
      if (this.#bytes <= this.#options.bytes || old === key) break
      this.#forget(old)
      evicted.push(old)
    }
    if (evicted.length > 0) await this.#options.near.delete(evicted)
  }

  #forget(key: string): void {
    this.#bytes -= this.#present.get(key) ?? 0
    this.#present.delete(key)
  }

  /** What an earlier process left near is still good: objects never change. */
  #load(): Promise<void> {
    this.#ready ??= (async () => {
      for await (const { key, size } of this.#options.near.list('')) {
        this.#present.set(key, size)
        this.#bytes += size
      }
    })().catch((error: unknown) => {
      this.#ready = undefined
      throw error
    })
    return this.#ready
  }

  async #tolerate<T>(work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work()
    } catch (error) {
      this.#warn(error)
      return undefined
    }
  }

  #warn(error: unknown): void {
    if (error instanceof FirnError && error.kind === 'not-found') return
    this.#options.onWarning?.(`the cache of blobs failed: ${asFirnError(error).message}`)
  }
}
