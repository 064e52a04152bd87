/**
 * Ring: store. A decorator: reads what the first store doesn't have from a second, which is never written to. For a farm that moves from
 * one bucket to another, or builds on top of what another farm stored.
 */
import { FirnError } from '../../contract/errors.ts'
import type { ByteRange, ObjectStore, StoredObject } from './interface.ts'

export class FallbackObjectStore implements ObjectStore {
  readonly #first: ObjectStore
  readonly #second: ObjectStore

  constructor(first: ObjectStore, second: ObjectStore) {
    this.#first = first
    this.#second = second
  }

  put(key: string, body: Uint8Array | AsyncIterable<Uint8Array>): Promise<void> {
    return this.#first.put(key, body)
  }

  async* get(key: string, range?: ByteRange): AsyncGenerator<Uint8Array> {
    let begun = false
    try {
      for await (const part of this.#first.get(key, range)) {
        begun = true
        yield part
      }
      return
    } catch (error) {
      if (begun || !isAbsent(error)) throw error
    }
    yield* this.#second.get(key, range)
  }

  async read(key: string, range?: ByteRange): Promise<Uint8Array> {
    try {
      return await this.#first.read(key, range)
    } catch (error) {
      if (!isAbsent(error)) throw error
      return await this.#second.read(key, range)
    }
  }

  delete(keys: readonly string[]): Promise<void> {
    return this.#first.delete(keys)
  }

  /** What may be deleted: the first store's own. */
  list(prefix: string): AsyncIterable<StoredObject> {
    return this.#first.list(prefix)
  }

  async close(): Promise<void> {
    await this.#first.close()
    await this.#second.close()
  }
}

function isAbsent(error: unknown): boolean {
  return error instanceof FirnError && error.kind === 'not-found'
}
