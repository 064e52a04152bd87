/**
 * Ring: nix. Writes NARs: from a stream of events, and at once from a tree that can be read synchronously (the
 * evaluator has to know a path's hash before it goes on). Small tokens are gathered into pages; contents pass through.
 */
import { narNameProblem, NAR_MAGIC, type NarEvent } from './nar.ts'
import { padded } from './byte-source.ts'
import { FormatError } from './errors.ts'

const PAGE_SIZE = 64 * 1024
/** Contents up to this are copied into the page, larger ones are handed on as they are. */
const COPY_LIMIT = 16 * 1024

const HEAD = tokens(NAR_MAGIC)
const REGULAR = tokens('(', 'type', 'regular', 'contents')
const EXECUTABLE = tokens('(', 'type', 'regular', 'executable', '', 'contents')
const DIRECTORY = tokens('(', 'type', 'directory')
const SYMLINK = tokens('(', 'type', 'symlink', 'target')
const ENTRY = tokens('entry', '(', 'name')
const NODE = tokens('node')
const CLOSE = tokens(')')

function tokens(...texts: string[]): Uint8Array {
  const bytes = new Uint8Array(texts.reduce((length, text) => length + 8 + padded(text.length), 0))
  let offset = 0
  for (const text of texts) {
    bytes[offset] = text.length
    for (let index = 0; index < text.length; index++) bytes[offset + 8 + index] = text.charCodeAt(index)
    offset += 8 + padded(text.length)
  }
  return bytes
}

/** The encoder under both writers. Pages are made anew, so the sink may keep them; large contents are handed on as they came. */
class NarEncoder {
  readonly #sink: (chunk: Uint8Array) => void
  #page = new Uint8Array(PAGE_SIZE)
  #used = 0
  /** Open directories and the last name in each. */
  readonly #open: { readonly path: string; last: string }[] = []
  #state: 'start' | 'inside' | 'done' = 'start'

  constructor(sink: (chunk: Uint8Array) => void) {
    this.#sink = sink
  }

  flush(): void {
    if (this.#used === 0) return
    this.#sink(this.#page.subarray(0, this.#used))
    this.#page = new Uint8Array(PAGE_SIZE)
    this.#used = 0
  }

  #put(bytes: Uint8Array): void {
    if (this.#used + bytes.length > PAGE_SIZE) this.flush()
    this.#page.set(bytes, this.#used)
    this.#used += bytes.length
  }

  #number(value: number): void {
    if (this.#used + 8 > PAGE_SIZE) this.flush()
    const view = new DataView(this.#page.buffer)
    view.setUint32(this.#used, value >>> 0, true)
    view.setUint32(this.#used + 4, Math.floor(value / 0x1_0000_0000), true)
    this.#used += 8
  }

  #string(text: string): void {
    this.#number(text.length)
    if (this.#used + padded(text.length) > PAGE_SIZE) this.flush()
    for (let index = 0; index < text.length; index++) {
      const code = text.charCodeAt(index)
      if (code > 255) throw new RangeError(`not a byte string: '${text}'`)
      this.#page[this.#used + index] = code
    }
    this.#used += padded(text.length)
  }

  /** What stands before a node at `path`. */
  #begin(path: string): void {
    if (this.#state === 'done') throw new FormatError('a NAR has one root')
    if (this.#state === 'start') {
      if (path !== '') throw new FormatError(`a NAR begins with its root, not with '${path}'`)
      this.#put(HEAD)
      this.#state = 'inside'
      return
    }
    const parent = this.#open.at(-1)!
    const prefix = parent.path === '' ? '' : `${parent.path}/`
    const name = path.slice(prefix.length)
    if (!path.startsWith(prefix)) throw new FormatError(`'${path}' is not in '${parent.path}', which is still open`)
    const problem = narNameProblem(name)
    if (problem !== undefined) throw new FormatError(problem)
    if (name <= parent.last) throw new FormatError(`'${path}' must come before '${parent.last}'`)
    parent.last = name
    this.#put(ENTRY)
    this.#string(name)
    this.#put(NODE)
  }

  #end(): void {
    this.#put(CLOSE)
    if (this.#open.length > 0) this.#put(CLOSE)
    else this.#state = 'done'
  }

  startDirectory(path: string): void {
    this.#begin(path)
    this.#open.push({ path, last: '' })
    this.#put(DIRECTORY)
  }

  endDirectory(path: string): void {
    const directory = this.#open.pop()
    if (directory?.path !== path) throw new FormatError(`'${path}' is not the directory that is open`)
    this.#end()
  }

  symlink(path: string, target: string): void {
    if (target === '' || target.length > 4095 || target.includes('\0')) throw new FormatError(`the symlink '${path}' has an invalid target`)
    this.#begin(path)
    this.#put(SYMLINK)
    this.#string(target)
    this.#end()
  }

  startFile(path: string, executable: boolean, size: number): void {
    this.#begin(path)
    this.#put(executable ? EXECUTABLE : REGULAR)
    this.#number(size)
  }

  content(chunk: Uint8Array): void {
    if (chunk.length <= COPY_LIMIT) return this.#put(chunk)
    this.flush()
    this.#sink(chunk)
  }

  endFile(path: string, expected: number, written: number): void {
    if (written !== expected) throw new FormatError(`'${path}' has ${written} bytes, but ${expected} were announced`)
    const padding = padded(expected) - expected
    if (this.#used + padding > PAGE_SIZE) this.flush()
    this.#used += padding // pages are made of zeros
    this.#end()
  }

  finish(): void {
    if (this.#state !== 'done') throw new FormatError('the NAR has no end')
    this.flush()
  }
}

/**
 * Writes a NAR as events come. Throws FormatError if they are out of order, a name is not allowed, or a file's content
 * has another size than announced.
 */
export async function* writeNar(events: AsyncIterable<NarEvent> | Iterable<NarEvent>): AsyncGenerator<Uint8Array, void, undefined> {
  const ready: Uint8Array[] = []
  const encoder = new NarEncoder((chunk) => ready.push(chunk))
  const drain = function* (): Generator<Uint8Array, void, undefined> {
    yield* ready
    ready.length = 0
  }
  for await (const event of events) {
    switch (event.kind) {
      case 'directory-start': encoder.startDirectory(event.path); break
      case 'directory-end': encoder.endDirectory(event.path); break
      case 'symlink': encoder.symlink(event.path, event.target); break
      case 'file': {
        let written = 0
        encoder.startFile(event.path, event.executable, event.size)
        if (event.size > 0) {
          for await (const chunk of event.content) {
            written += chunk.length
            if (written > event.size) break
            encoder.content(chunk)
            if (ready.length > 0) yield* drain()
          }
        }
        encoder.endFile(event.path, event.size, written)
      }
    }
    if (ready.length > 0) yield* drain()
  }
  encoder.finish()
  yield* drain()
}

/** A tree that can be read at once. Paths are byte strings as in NarEvent, '' for the root. */
export interface NarSourceSync {
  status(path: string): { readonly kind: 'regular' | 'directory' | 'symlink'; readonly executable: boolean }
  readFile(path: string): Uint8Array
  /** Names in any order; leave out what a filter rejects. */
  readDirectory(path: string): readonly string[]
  readLink(path: string): string
}

/** Writes a whole tree to the sink. Errors of the source pass through. */
export function writeNarSync(tree: NarSourceSync, sink: (chunk: Uint8Array) => void): void {
  const encoder = new NarEncoder(sink)
  const visit = (path: string): void => {
    const status = tree.status(path)
    switch (status.kind) {
      case 'symlink': return encoder.symlink(path, tree.readLink(path))
      case 'regular': {
        const content = tree.readFile(path)
        encoder.startFile(path, status.executable, content.length)
        encoder.content(content)
        return encoder.endFile(path, content.length, content.length)
      }
      case 'directory': {
        encoder.startDirectory(path)
        for (const name of [...tree.readDirectory(path)].sort()) visit(path === '' ? name : `${path}/${name}`)
        encoder.endDirectory(path)
      }
    }
  }
  visit('')
  encoder.finish()
}

/** The NAR of one file, as chunks: what a text or a flat download is when it is served. Put together at once: there is one of each derivation. */
export function narOfFile(content: Uint8Array, executable = false): Uint8Array[] {
  const opening = executable ? EXECUTABLE : REGULAR
  const head = new Uint8Array(HEAD.length + opening.length + 8)
  head.set(HEAD)
  head.set(opening, HEAD.length)
  new DataView(head.buffer).setBigUint64(HEAD.length + opening.length, BigInt(content.length), true)
  const padding = padded(content.length) - content.length
  const tail = new Uint8Array(padding + CLOSE.length)
  tail.set(CLOSE, padding)
  return [head, content, tail]
}
