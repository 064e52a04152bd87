/**
 * Ring: store. Paths of archives as paths of entries: made relative, kept inside, with the folders that an archive leaves out, and
 * with its single top folder stripped where that is wanted (`fetchTarball`).
 */
import { FirnError } from '../../contract/errors.ts'
import type { Entry } from './interface.ts'

export class ArchivePaths {
  readonly #stripTop: boolean
  readonly #directories = new Set<string>()
  #top: string | undefined

  constructor(stripTop: boolean) {
    this.#stripTop = stripTop
  }

  /** Names of a path in the archive (a byte string); 'invalid-input' for one that leaves the archive. */
  static split(path: string): string[] {
    const names = path.split('/').filter((name) => name !== '' && name !== '.')
    if (path.startsWith('/') || names.includes('..')) throw new FirnError('invalid-input', `the archive holds '${path}', which lies outside of it`)
    return names
  }

  /** The entry's path; undefined for the archive's own root. */
  place(path: string): string | undefined {
    const names = ArchivePaths.split(path)
    if (!this.#stripTop) return names.length === 0 ? undefined : names.join('/')
    const [top, ...rest] = names
    if (top === undefined) return undefined
    this.#top ??= top
    if (top !== this.#top) throw new FirnError('invalid-input', `the archive has more than one top-level file ('${this.#top}', '${top}'), so there is no folder to unpack`)
    return rest.join('/')
  }

  /** Entries of folders that have to be there before this path and weren't told of. */
  *parents(path: string): Generator<Entry, void, undefined> {
    if (path === '') return
    const names = path.split('/')
    for (let count = 0; count < names.length; count++) {
      const parent = names.slice(0, count).join('/')
      if (!this.#directories.has(parent)) yield this.directory(parent)
    }
  }

  directory(path: string): Entry {
    this.#directories.add(path)
    return { kind: 'directory', path }
  }

  knows(path: string): boolean {
    return this.#directories.has(path)
  }
}
