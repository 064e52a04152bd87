/**
 * Ring: store. Objects as files below a folder: the default of a farm on one machine, and of anything that mounts a disk. A file is
 * written beside its place, synced, and renamed; a crash leaves at most a file under `.new/`, which the next start deletes.
 */
import { randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'

import { asFirnError, errorCode, FirnError } from '../../contract/errors.ts'
import type { ByteRange, ObjectStore, StoredObject } from './interface.ts'
import { checkKey, notFound } from './keys.ts'

const UNFINISHED = '.new'
/** Age at which an unfinished file is nobody's any more. */
const ABANDONED_AFTER = 24 * 3600 * 1000

export class FileObjectStore implements ObjectStore {
  readonly #directory: string
  readonly #ready: Promise<void>

  constructor(directory: string) {
    this.#directory = resolve(directory)
    this.#ready = this.#prepare()
    // Whoever uses the store first hears of it.
    this.#ready.catch(() => undefined)
  }

  async #prepare(): Promise<void> {
    const unfinished = join(this.#directory, UNFINISHED)
    await mkdir(unfinished, { recursive: true })
    for (const name of await readdir(unfinished)) {
      const path = join(unfinished, name)
      const status = await stat(path).catch(() => undefined)
      // Another process may share the folder, and be writing.
      if (status !== undefined && Date.now() - status.mtimeMs > ABANDONED_AFTER) await rm(path, { force: true })
    }
  }

  async put(key: string, body: Uint8Array | AsyncIterable<Uint8Array>): Promise<void> {
    const path = this.#path(key)
    await this.#ready
    const unfinished = join(this.#directory, UNFINISHED, randomBytes(12).toString('hex'))
    try {
      const file = await open(unfinished, 'wx', 0o644)
      try {
        for await (const part of body instanceof Uint8Array ? [body] : body) await writeAll(file, part)
        await file.sync()
      } finally {
        await file.close()
      }
      await mkdir(dirname(path), { recursive: true })
      await rename(unfinished, path)
      await syncFolder(dirname(path))
    } catch (error) {
      await rm(unfinished, { force: true })
      throw fileError(error, key)
    }
  }

  async* get(key: string, range?: ByteRange): AsyncGenerator<Uint8Array> {
    const path = this.#path(key)
    if (range?.end !== undefined && range.end <= range.start) return
    const end = range?.end === undefined ? {} : { end: range.end - 1 }
    const stream = createReadStream(path, { start: range?.start ?? 0, ...end, highWaterMark: 512 * 1024 })
    try {
      for await (const part of stream) yield part as Uint8Array
    } catch (error) {
      throw fileError(error, key)
    } finally {
      stream.destroy()
    }
  }

  async read(key: string, range?: ByteRange): Promise<Uint8Array> {
    let file: FileHandle | undefined
    try {
      file = await open(this.#path(key), 'r')
      const start = range?.start ?? 0
      const size = Math.max(0, Math.min((await file.stat()).size, range?.end ?? Infinity) - start)
      const bytes = new Uint8Array(size)
      for (let offset = 0; offset < size;) {
        const { bytesRead } = await file.read(bytes, offset, size - offset, start + offset)
        if (bytesRead === 0) return bytes.subarray(0, offset)
        offset += bytesRead
      }
      return bytes
    } catch (error) {
      throw fileError(error, key)
    } finally {
      await file?.close()
    }
  }

  async delete(keys: readonly string[]): Promise<void> {
    for (const key of keys) await rm(this.#path(key), { force: true })
  }

  async* list(prefix: string): AsyncGenerator<StoredObject> {
    await this.#ready
    yield* this.#walk('', prefix)
  }

  async* #walk(folder: string, prefix: string): AsyncGenerator<StoredObject> {
    const entries = await readdir(join(this.#directory, folder), { withFileTypes: true }).catch(() => [])
    // A folder `a` is listed as `a/…`, so it sorts as such.
    const names = entries.map((entry) => entry.isDirectory() ? `${entry.name}/` : entry.name).sort()
    for (const name of names) {
      const key = folder + name
      if (folder === '' && name === `${UNFINISHED}/`) continue
      if (!key.startsWith(prefix) && !prefix.startsWith(key)) continue
      if (name.endsWith('/')) yield* this.#walk(key, prefix)
      else if (key.startsWith(prefix)) {
        const status = await stat(join(this.#directory, key)).catch(() => undefined)
        if (status !== undefined) yield { key, size: status.size, modifiedAt: status.mtime }
      }
    }
  }

  async close(): Promise<void> {
    await this.#ready
  }

  /** Folders by the first two characters of the last word keep any one of them small. */
  #path(key: string): string {
    return join(this.#directory, checkKey(key))
  }
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let offset = 0; offset < bytes.length;) offset += (await file.write(bytes, offset)).bytesWritten
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

function fileError(error: unknown, key: string): FirnError {
  const code = errorCode(error)
  if (code === 'ENOENT') return notFound(key, error)
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') return new FirnError('forbidden', `object '${key}': ${(error as Error).message}`, { cause: error })
  return asFirnError(error)
}
