/** Ring: store. Objects in memory: for tests and one-off commands that keep nothing. */
import { collectBytes } from '../bytes.ts'
import type { ByteRange, ObjectStore, StoredObject } from './interface.ts'
import { checkKey, notFound } from './keys.ts'

export class MemoryObjectStore implements ObjectStore {
  readonly #objects = new Map<string, { bytes: Uint8Array; modifiedAt: Date }>()

  async put(key: string, body: Uint8Array | AsyncIterable<Uint8Array>): Promise<void> {
    checkKey(key)
    const bytes = body instanceof Uint8Array ? body.slice() : await collectBytes(body)
    if (!this.#objects.has(key)) this.#objects.set(key, { bytes, modifiedAt: new Date() })
  }

  async* get(key: string, range?: ByteRange): AsyncGenerator<Uint8Array> {
    const bytes = await this.read(key, range)
    if (bytes.length > 0) yield bytes
  }

  read(key: string, range?: ByteRange): Promise<Uint8Array> {
    const object = this.#objects.get(checkKey(key))
    if (object === undefined) return Promise.reject(notFound(key))
    return Promise.resolve(object.bytes.slice(range?.start, range?.end))
  }

  delete(keys: readonly string[]): Promise<void> {
    for (const key of keys) this.#objects.delete(checkKey(key))
    return Promise.resolve()
  }

  async* list(prefix: string): AsyncGenerator<StoredObject> {
    for (const key of [...this.#objects.keys()].filter((key) => key.startsWith(prefix)).sort()) {
      const object = this.#objects.get(key)
      if (object !== undefined) yield { key, size: object.bytes.length, modifiedAt: object.modifiedAt }
    }
  }

  close(): Promise<void> {
    this.#objects.clear()
    return Promise.resolve()
  }
}
