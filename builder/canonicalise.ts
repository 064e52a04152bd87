/**
 * Ring: builder. Makes what a build wrote canonical: what isn't in a NAR becomes the same for everybody.
 * Upstream: libstore/posix-fs-canonicalise.cc. Modes become 0444 or 0555, times 1, owner this process; only files,
 * folders and symbolic links may be there.
 *
 * Extended attributes can't be removed from Node; the sandbox doesn't let builds make any (seccomp.ts), and nothing
 * reads them: the store keeps what a NAR holds.
 *
 * Synchronous calls on warm inodes take a few microseconds, less than handing each to a thread would; so the walk is
 * synchronous and lets others run every few milliseconds.
 */
import { chmodSync, lchownSync, lstatSync, lutimesSync, readdirSync, type Stats } from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import type { FailureCause } from '../contract/nodes.ts'

export interface CanonicaliseOptions {
  /** Owner that everything must have: who ran the build. Absent where it can't be told from others. */
  readonly owner?: number
}

/** What was found, over all outputs. */
export interface TreeFigures {
  readonly files: number
  readonly folders: number
  readonly links: number
  readonly bytes: number
}

export type CanonicaliseResult = { readonly ok: true; readonly figures: TreeFigures } | { readonly ok: false; readonly cause: FailureCause }

/** A rule broken, known by the path inside of the output. */
class Rejection extends Error {
  readonly reason: string

  constructor(reason: string) {
    super(reason)
    this.reason = reason
  }
}

const STORE_TIME = 1
const SLICE_MILLISECONDS = 5

/** Canonicalises all outputs of one build (name → local path). Hard links between them are allowed, links to anything else are not. */
export async function canonicaliseOutputs(outputs: ReadonlyMap<string, string>, options: CanonicaliseOptions = {}): Promise<CanonicaliseResult> {
  const walk = new Walk(options)
  for (const [output, path] of outputs) {
    try {
      walk.checkTop(path)
      await walk.canonicalise(path)
    } catch (error) {
      if (error instanceof Rejection) return { ok: false, cause: { kind: 'output-rejected', output, reason: error.reason } }
      throw error
    }
  }
  return { ok: true, figures: walk.figures }
}

class Walk {
  readonly #owner: number | undefined
  readonly #self = process.geteuid?.() ?? 0
  readonly #group = process.getegid?.() ?? 0
  /** Files with several names, changed already under one of them. */
  readonly #seen = new Set<string>()
  readonly figures = { files: 0, folders: 0, links: 0, bytes: 0 }

  constructor(options: CanonicaliseOptions) {
    this.#owner = options.owner
  }

  /** Others may have written to an output that isn't the build user's own, or that lets them. */
  checkTop(path: string): void {
    const stat = lstatSync(path)
    const writable = !stat.isSymbolicLink() && (stat.mode & 0o022) !== 0
    if (writable || (this.#owner !== undefined && stat.uid !== this.#owner)) throw new Rejection(`suspicious ownership or permission (mode ${(stat.mode & 0o7777).toString(8)}) on the output itself`)
  }

  async canonicalise(top: string): Promise<void> {
    // names as bytes: those of a build need not be UTF-8
    const open = [Buffer.from(top).toString('latin1')]
    let pause = performance.now() + SLICE_MILLISECONDS
    for (let path = open.pop(); path !== undefined; path = open.pop()) {
      if (performance.now() > pause) {
        await setImmediate()
        pause = performance.now() + SLICE_MILLISECONDS
      }
      const place = placeOf(path)
      if (this.#change(place, path, top)) for (const name of readdirSync(place, 'latin1')) open.push(`${path}/${name}`)
    }
  }

  /** Changes one; true for a folder. */
  #change(place: string | Buffer, path: string, top: string): boolean {
    const stat = lstatSync(place)
    const folder = stat.isDirectory()
    const inside = (): string => `'${Buffer.from(path.slice(top.length) || '/', 'latin1').toString()}'`
    if (!folder && !stat.isFile() && !stat.isSymbolicLink()) throw new Rejection(`${inside()} has an unsupported type: only files, directories and symbolic links are allowed`)
    const inode = stat.nlink > 1 && !folder ? `${stat.dev}:${stat.ino}` : undefined
    if (this.#owner !== undefined && stat.uid !== this.#owner) {
      if (inode !== undefined && this.#seen.has(inode)) return this.#count(stat)
      throw new Rejection(`invalid ownership on ${inside()}`)
    }
    if (inode !== undefined) this.#seen.add(inode)
    this.#setMode(place, stat)
    if (stat.mtimeMs !== STORE_TIME * 1000) lutimesSync(place, stat.atimeMs / 1000, STORE_TIME)
    if (stat.uid !== this.#self) lchownSync(place, this.#self, this.#group)
    return this.#count(stat)
  }

  #setMode(place: string | Buffer, stat: Stats): void {
    if (stat.isSymbolicLink()) return
    const mode = stat.isDirectory() || (stat.mode & 0o100) !== 0 ? 0o555 : 0o444
    // more than Nix does for files of mode 0555: it leaves those alone, with the same result
    if ((stat.mode & 0o7777) !== mode) chmodSync(place, mode)
  }

  #count(stat: Stats): boolean {
    if (stat.isDirectory()) this.figures.folders++
    else if (stat.isFile()) this.figures.files++
    else this.figures.links++
    if (stat.isFile()) this.figures.bytes += stat.size
    return stat.isDirectory()
  }
}

/** A byte string as a path for node:fs, which takes text as UTF-8. */
function placeOf(path: string): string | Buffer {
  for (let index = 0; index < path.length; index++) if (path.charCodeAt(index) >= 0x80) return Buffer.from(path, 'latin1')
  return path
}
