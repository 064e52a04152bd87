/**
 * Ring: store. The local store in a folder: paths are written under a temporary name and renamed, so that whatever carries a
 * store path's name is whole; leases keep them; the least recently used go first when the bound is met.
 */
import { mkdirSync, readdirSync } from 'node:fs'
import { lstat } from 'node:fs/promises'
import { join } from 'node:path'
import pLimit from 'p-limit'

import { FirnError, asFirnError } from '../../contract/errors.ts'
import { FormatError } from '../../nix/errors.ts'
import { type StorePath, parseBaseName } from '../../nix/store-path.ts'
import type { BlobStore } from '../blobs/interface.ts'
import type { PathInfo, PathInfoStore } from '../path-info/interface.ts'
import type { Lease, LocalStore, LocalStoreFigures } from './interface.ts'
import { moveTree, removeTree } from './move-tree.ts'
import { claimFolder } from './owner.ts'
import { writeTree } from './write-tree.ts'

/** Paths written at the same time: each waits for the object store most of the time. */
const WRITERS = 4
const SCRATCH = '.scratch'
const GRAVES = '.removed'

interface Present {
  bytes: number
  leases: number
}

export interface LocalStoreOptions {
  readonly directory: string
  /** Bound in bytes of NARs. */
  readonly maximumBytes: number
  readonly blobs: BlobStore
  readonly pathInfos: PathInfoStore
}

export class FolderLocalStore implements LocalStore {
  readonly directory: string
  readonly scratchDirectory: string
  readonly #graves: string
  readonly #options: LocalStoreOptions
  /** By base name, the least recently used first. */
  readonly #present = new Map<string, Present>()
  readonly #writing = new Map<string, Promise<void>>()
  readonly #limit = pLimit(WRITERS)
  #bytes = 0
  #unique = 0

  private constructor(options: LocalStoreOptions) {
    this.#options = options
    this.directory = options.directory
    this.scratchDirectory = join(options.directory, SCRATCH)
    this.#graves = join(options.directory, GRAVES)
  }

  /** Opens the folder, and takes over what a predecessor left: whole paths are kept, unfinished work is removed. Errors: 'conflict' where a process has it that lives. */
  static async open(options: LocalStoreOptions): Promise<FolderLocalStore> {
    const store = new FolderLocalStore(options)
    mkdirSync(store.directory, { recursive: true })
    claimFolder(store.directory)
    await Promise.all([SCRATCH, GRAVES].map((name) => removeTree(join(store.directory, name))))
    mkdirSync(store.scratchDirectory)
    mkdirSync(store.#graves)
    await store.#takeOver()
    return store
  }

  localPath(storePath: StorePath): string {
    return join(this.directory, storePath.baseName)
  }

  async layOut(storePaths: readonly StorePath[], options: { signal?: AbortSignal } = {}): Promise<Lease> {
    const leased: string[] = []
    let released = false
    const lease: Lease = {
      localPaths: new Map(storePaths.map((path) => [path.baseName, this.localPath(path)])),
      release: () => {
        if (released) return
        released = true
        for (const baseName of leased) this.#releaseOne(baseName)
        void this.#evict()
      },
    }
    const take = (baseName: string): void => {
      this.#touch(baseName).leases++
      leased.push(baseName)
    }
    const absent = new Map<string, StorePath>()
    // Leased before anything is awaited, so that no eviction comes in between.
    for (const path of new Map(storePaths.map((storePath) => [storePath.baseName, storePath])).values()) {
      if (this.#present.has(path.baseName)) take(path.baseName)
      else absent.set(path.baseName, path)
    }
    if (absent.size === 0) return lease
    try {
      const infos = await this.#options.pathInfos.get([...absent.values()].map(({ hash }) => hash))
      const invalid = [...absent.values()].filter((path) => infos.get(path.hash)?.storePath.baseName !== path.baseName)
      if (invalid.length > 0) throw new FirnError('not-found', `not valid in the store: ${invalid.map(String).join(', ')}`, { data: { paths: invalid.map(String) } })
      await Promise.all([...infos.values()].map(async (info) => {
        while (!this.#present.has(info.storePath.baseName)) await this.#write(info, options.signal)
        take(info.storePath.baseName)
      }))
      return lease
    } catch (error) {
      lease.release()
      throw error
    }
  }

  async layOutClosure(storePaths: readonly StorePath[], options: { signal?: AbortSignal } = {}): Promise<Lease> {
    const { paths, missing } = await this.#options.pathInfos.closure(storePaths.map(({ baseName }) => baseName))
    if (missing.length > 0) throw new FirnError('not-found', `not valid in the store: ${missing.join(', ')}`, { data: { paths: missing } })
    return this.layOut(paths.map(parseBaseName), options)
  }

  async adopt(info: PathInfo, builtTree: string): Promise<void> {
    const { baseName } = info.storePath
    await this.#writing.get(baseName)?.catch(() => undefined)
    if (this.#present.has(baseName)) return this.#remove(builtTree)
    // Registered first: somebody who lays the path out meanwhile waits for the rename.
    const work = (async () => {
      moveTree(builtTree, this.localPath(info.storePath))
      this.#add(info)
    })()
    this.#writing.set(baseName, work)
    try {
      await work
    } finally {
      this.#writing.delete(baseName)
    }
    await this.#evict()
  }

  figures(): LocalStoreFigures {
    let leased = 0
    for (const { leases } of this.#present.values()) if (leases > 0) leased++
    return { paths: this.#present.size, bytes: this.#bytes, leased }
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#writing.values())
  }

  /** Writes a path, or waits for whoever writes it already. */
  async #write(info: PathInfo, signal?: AbortSignal): Promise<void> {
    const { baseName } = info.storePath
    let work = this.#writing.get(baseName)
    if (!work) {
      work = this.#limit(() => this.#writeNow(info)).finally(() => this.#writing.delete(baseName))
      this.#writing.set(baseName, work)
    }
    await work
    signal?.throwIfAborted()
  }

  async #writeNow(info: PathInfo): Promise<void> {
    const temporary = join(this.scratchDirectory, `${this.#unique++}-${info.storePath.baseName}`)
    try {
      await this.#evict(info.narSize)
      await writeTree(info.root, Buffer.from(temporary).toString('latin1'), this.#options.blobs)
      moveTree(temporary, this.localPath(info.storePath))
    } catch (error) {
      await removeTree(temporary)
      throw asFirnError(error)
    }
    this.#add(info)
  }

  #add({ storePath, narSize }: PathInfo): void {
    this.#present.set(storePath.baseName, { bytes: narSize, leases: 0 })
    this.#bytes += narSize
  }

  /** Marks as used just now. */
  #touch(baseName: string): Present {
    const entry = this.#present.get(baseName)!
    this.#present.delete(baseName)
    this.#present.set(baseName, entry)
    return entry
  }

  #releaseOne(baseName: string): void {
    const entry = this.#present.get(baseName)
    if (entry) entry.leases--
  }

  /** Makes room for `more` bytes, as far as leases allow. */
  async #evict(more = 0): Promise<void> {
    const removed: string[] = []
    for (const [baseName, { bytes, leases }] of this.#present) {
      if (this.#bytes + more <= this.#options.maximumBytes) break
      if (leases > 0) continue
      this.#present.delete(baseName)
      this.#bytes -= bytes
      removed.push(baseName)
    }
    await Promise.all(removed.map((baseName) => this.#remove(join(this.directory, baseName))))
  }

  /** Renamed before it is removed, so that a half-removed tree never carries a store path's name. */
  async #remove(path: string): Promise<void> {
    const grave = join(this.#graves, String(this.#unique++))
    moveTree(path, grave)
    await removeTree(grave)
  }

  async #takeOver(): Promise<void> {
    const found = readdirSync(this.directory).flatMap((name) => {
      try {
        return [parseBaseName(name)]
      } catch (error) {
        if (error instanceof FormatError) return []
        throw error
      }
    })
    const infos = await this.#options.pathInfos.get(found.map(({ hash }) => hash))
    const aged = await Promise.all(found.map(async (path) => ({ path, changed: (await lstat(this.localPath(path))).ctimeMs })))
    for (const { path } of aged.sort((a, b) => a.changed - b.changed)) {
      const info = infos.get(path.hash)
      if (info?.storePath.baseName === path.baseName) this.#add(info)
      else await this.#remove(this.localPath(path))
    }
    await this.#evict()
  }
}
