/** Ring: store. PathInfo in memory: for tests and one-off commands. */
import type { Closure, PathInfo, PathInfoStore, PutOptions } from './interface.ts'
import { missingReferences, recordOf } from './rows.ts'

export class MemoryPathInfoStore implements PathInfoStore {
  readonly #infos = new Map<string, PathInfo>()

  get(hashParts: readonly string[]): Promise<Map<string, PathInfo>> {
    const found = new Map<string, PathInfo>()
    for (const hash of hashParts) {
      const info = this.#infos.get(hash)
      if (info !== undefined) found.set(hash, info)
    }
    return Promise.resolve(found)
  }

  has(hashParts: readonly string[]): Promise<Set<string>> {
    return Promise.resolve(new Set(hashParts.filter((hash) => this.#infos.has(hash))))
  }

  put(infos: readonly PathInfo[], options: PutOptions = {}): Promise<string[]> {
    const together = new Set(infos.map(({ storePath }) => storePath.hash))
    const missing = new Set<string>()
    for (const info of infos) {
      recordOf(info) // refuses what Postgres would refuse
      if (options.allowMissingReferences === true || this.#infos.has(info.storePath.hash)) continue
      for (const { hash, baseName } of info.references) if (!together.has(hash) && !this.#infos.has(hash)) missing.add(baseName)
    }
    if (missing.size > 0) return Promise.reject(missingReferences([...missing].sort()))
    const registered: string[] = []
    for (const info of infos) {
      if (this.#infos.has(info.storePath.hash)) continue
      this.#infos.set(info.storePath.hash, { ...info, references: [...info.references].sort((left, right) => left.baseName < right.baseName ? -1 : 1), signatures: [...new Set(info.signatures)].sort() })
      registered.push(info.storePath.baseName)
    }
    return Promise.resolve(registered)
  }

  closure(baseNames: readonly string[]): Promise<Closure> {
    const paths = new Set<string>()
    const missing = new Set<string>()
    const pending = [...baseNames]
    for (let baseName = pending.pop(); baseName !== undefined; baseName = pending.pop()) {
      if (paths.has(baseName) || missing.has(baseName)) continue
      const info = this.#infos.get(baseName.slice(0, 32))
      if (info?.storePath.baseName !== baseName) {
        missing.add(baseName)
        continue
      }
      paths.add(baseName)
      for (const reference of info.references) pending.push(reference.baseName)
    }
    return Promise.resolve({ paths: [...paths], missing: [...missing] })
  }

  referrers(hashPart: string): Promise<string[]> {
    const found = [...this.#infos.values()].filter(({ storePath, references }) => storePath.hash !== hashPart && references.some(({ hash }) => hash === hashPart))
    return Promise.resolve(found.map(({ storePath }) => storePath.baseName).sort())
  }

  outputsOf(deriver: string): Promise<PathInfo[]> {
    return Promise.resolve([...this.#infos.values()].filter((info) => info.deriver?.baseName === deriver))
  }

  addSignatures(signatures: ReadonlyMap<string, readonly string[]>): Promise<void> {
    for (const [hash, added] of signatures) {
      const info = this.#infos.get(hash)
      if (info !== undefined) this.#infos.set(hash, { ...info, signatures: [...new Set([...info.signatures, ...added])].sort() })
    }
    return Promise.resolve()
  }

  async* list(): AsyncGenerator<string> {
    for (const hash of [...this.#infos.keys()].sort()) {
      const info = this.#infos.get(hash)
      if (info !== undefined) yield info.storePath.baseName
    }
  }

  count(): Promise<{ readonly paths: number; readonly narBytes: number }> {
    let narBytes = 0
    for (const { narSize } of this.#infos.values()) narBytes += narSize
    return Promise.resolve({ paths: this.#infos.size, narBytes })
  }
}
