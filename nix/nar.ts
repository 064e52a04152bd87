/**
 * Ring: nix. NAR, Nix's archive format: what a store path's hash is taken over and what caches serve. Read here and
 * written in nar-writer.ts, as streams of events in the order of the archive, nothing held whole.
 * Upstream: libutil/archive.cc.
 *
 * The reader is as strict as Nix: an archive has exactly one encoding (tokens in order, padding of zeros, names sorted
 * and unique), because a path's identity is the hash of these bytes.
 */
import { ByteSource, padded } from './byte-source.ts'
import type { FormatError } from './errors.ts'

/** Paths are byte strings, '' for the root, else names joined by '/'. Parents come before what is in them. */
export type NarEvent =
  | { readonly kind: 'directory-start'; readonly path: string }
  | { readonly kind: 'directory-end'; readonly path: string }
  | NarFile
  | { readonly kind: 'symlink'; readonly path: string; readonly target: string }

export interface NarFile {
  readonly kind: 'file'
  readonly path: string
  readonly executable: boolean
  /** Bytes of its content. */
  readonly size: number
  /**
   * To be read before the next event is asked for, and once; what isn't read is skipped. Chunks are views on the
   * chunks of the source.
   */
  readonly content: AsyncIterable<Uint8Array>
}

export const NAR_MAGIC = 'nix-archive-1'
const TAG_LIMIT = 32
const NAME_LIMIT = 255
const TARGET_LIMIT = 4095
/** Deeper trees can't be laid out anywhere; Nix since 2.36 already stops at 64. */
const DEPTH_LIMIT = 1024

/** Why it can't be a name in a NAR; undefined where it can. */
export function narNameProblem(name: string): string | undefined {
  if (name === '' || name === '.' || name === '..' || name.includes('/') || name.includes('\0')) return `NAR contains invalid file name '${name}'`
  return name.length > NAME_LIMIT ? `NAR contains a file name longer than ${NAME_LIMIT} bytes` : undefined
}

/** Reads a stream that holds one NAR and nothing else. Throws FormatError on anything that Nix wouldn't have written. */
export async function* readNar(source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): AsyncGenerator<NarEvent, void, undefined> {
  const input = new ByteSource(source)
  try {
    yield* readNarFrom(input)
    if (!(await input.atEnd())) throw input.error('bad archive: something follows the end')
  } finally {
    await input.close()
  }
}

/** Reads one NAR off a longer stream and stops right behind it. */
export async function* readNarFrom(input: ByteSource): AsyncGenerator<NarEvent, void, undefined> {
  const token = async (limit: number): Promise<string> => input.tryString(limit) ?? await input.string(limit)
  const bad = (message: string): FormatError => input.error(`bad archive: ${message}`)
  const expect = async (expected: string): Promise<void> => {
    const tag = await token(TAG_LIMIT)
    if (tag !== expected) throw bad(`expected tag '${expected}', got '${tag}'`)
  }

  if (await token(NAR_MAGIC.length) !== NAR_MAGIC) throw bad('input doesn\'t look like a Nix archive')

  /** The directories that are open, and the last name met in each. */
  const open: { readonly path: string; last: string }[] = []
  let path = ''
  for (;;) {
    // one node
    await expect('(')
    await expect('type')
    const type = await token(TAG_LIMIT)
    if (type === 'directory') {
      if (open.length >= DEPTH_LIMIT) throw bad(`directories are nested deeper than ${DEPTH_LIMIT}`)
      open.push({ path, last: '' })
      yield { kind: 'directory-start', path }
    } else if (type === 'regular') {
      const tag = await token(TAG_LIMIT)
      const executable = tag === 'executable'
      if (executable) {
        if (await token(0) !== '') throw bad('executable marker has non-empty value')
        await expect('contents')
      } else if (tag !== 'contents') {
        throw bad(`expected tag 'contents', got '${tag}'`)
      }
      const size = input.tryNumber() ?? await input.number()
      const content = new NarContent(input, size)
      yield { kind: 'file', path, executable, size, content }
      await content.finish()
      await expect(')')
    } else if (type === 'symlink') {
      await expect('target')
      const target = await token(TARGET_LIMIT)
      if (target === '' || target.includes('\0')) throw bad('NAR contains an invalid symlink target')
      yield { kind: 'symlink', path, target }
      await expect(')')
    } else {
      throw bad(`unknown file type '${type}'`)
    }
    if (type !== 'directory' && open.length > 0) await expect(')') // of the entry

    // up to the next node
    let directory = open.at(-1)
    for (;;) {
      if (directory === undefined) return
      const tag = await token(TAG_LIMIT)
      if (tag === 'entry') break
      if (tag !== ')') throw bad(`expected tag 'entry' or ')', got '${tag}'`)
      open.pop()
      yield { kind: 'directory-end', path: directory.path }
      directory = open.at(-1)
      if (directory !== undefined) await expect(')')
    }
    await expect('(')
    await expect('name')
    const name = await token(NAME_LIMIT)
    const problem = narNameProblem(name)
    if (problem !== undefined) throw bad(problem)
    if (name <= directory.last) throw bad('NAR directory is not sorted')
    directory.last = name
    await expect('node')
    path = directory.path === '' ? name : `${directory.path}/${name}`
  }
}

/** The content of one file within the stream of the archive. */
class NarContent implements AsyncIterable<Uint8Array> {
  readonly #input: ByteSource
  readonly #size: number
  #left: number
  #begun = false

  constructor(input: ByteSource, size: number) {
    this.#input = input
    this.#size = size
    this.#left = size
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    if (this.#begun) throw new Error('the content of a file in a NAR can be read only once')
    this.#begun = true
    return { next: () => this.#next() }
  }

  async #next(): Promise<IteratorResult<Uint8Array>> {
    const value = await this.#take()
    return value === undefined ? { done: true, value: undefined } : { done: false, value }
  }

  async #take(): Promise<Uint8Array | undefined> {
    if (this.#left === 0) return undefined
    const chunk = this.#input.tryChunk(this.#left) ?? await this.#input.chunk(this.#left)
    this.#left -= chunk.length
    return chunk
  }

  /** Skips what was not read, and the padding. Reading later gives nothing more. */
  async finish(): Promise<void> {
    while (this.#left > 0) await this.#take()
    if (padded(this.#size) !== this.#size && !this.#input.tryPadding(this.#size)) await this.#input.padding(this.#size)
  }
}
