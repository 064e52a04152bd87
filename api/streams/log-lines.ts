/**
 * Ring: api. The lines of a log: where they begin, and which hold a text. A finished log brings its index; a log that grows is
 * read on from where its index ends.
 */
import { LRUCache } from 'lru-cache'
import { parseDigest } from '../../castore/digest.ts'
import type { LogIndex, LogMatches } from '../../contract/views.ts'
import { LineIndex } from '../../state/line-index.ts'
import type { FoundLog } from '../../state/logs.ts'
import { SeekableBlob } from '../../store/blobs/seekable.ts'
import type { ApiDependencies } from '../dependencies.ts'
import { type LogPart, logParts } from './log.ts'

const REMEMBERED = 100
const NEWLINE = 10
/** Searched at once. */
const PIECE_BYTES = 256 * 1024
const LONGEST_LINE_BYTES = 16 * 1024 * 1024
/** Of a log, by one request: about a second's work. */
const SEARCHED_BYTES = 64 * 1024 * 1024
/** Of a line that was found. */
const SHOWN = 500

export class LogLines {
  readonly #dependencies: ApiDependencies
  readonly #known = new LRUCache<number, LineIndex>({ max: REMEMBERED })
  /** One reader of a log at a time. */
  readonly #reading = new Map<number, Promise<LineIndex>>()

  constructor(dependencies: ApiDependencies) {
    this.#dependencies = dependencies
  }

  async index(buildId: number, place: FoundLog): Promise<LogIndex> {
    const known = await this.#read(buildId, place)
    return { attempt: place.number, ended: place.ended, bytes: known.bytes, lines: known.lines, every: known.every, offsets: [...known.offsets] }
  }

  async #read(buildId: number, place: FoundLog): Promise<LineIndex> {
    const before = this.#reading.get(place.attemptId)
    const reading = (async () => {
      await before?.catch(() => undefined)
      const known = this.#known.get(place.attemptId) ?? await this.#kept(place) ?? new LineIndex()
      if (known.bytes < place.bytes || known.bytes === 0) {
        for await (const part of logParts(this.#dependencies, buildId, place, { start: known.bytes })) known.extend(part.bytes)
      }
      this.#known.set(place.attemptId, known)
      return known
    })()
    this.#reading.set(place.attemptId, reading)
    try {
      return await reading
    } finally {
      if (this.#reading.get(place.attemptId) === reading) this.#reading.delete(place.attemptId)
    }
  }

  /** What the writer of a finished log kept beside it. */
  async #kept(place: FoundLog): Promise<LineIndex | undefined> {
    if (place.blob === null) return undefined
    const { note } = await SeekableBlob.open(this.#dependencies.store.blobs, parseDigest(place.blob))
    return note && LineIndex.decode(note)
  }

  /** Lines from `from` on that hold the text; of a long log only a part is looked at, and `next` says where to go on. */
  async search(buildId: number, place: FoundLog, query: string, from: number, limit: number): Promise<LogMatches> {
    const index = await this.#read(buildId, place)
    const block = Math.min(Math.floor(from / index.every), index.offsets.length - 1)
    const matches: LogMatches['matches'] = []
    const wanted = query.toLowerCase()
    let searched = 0
    for await (const { line: first, bytes } of searchable(logParts(this.#dependencies, buildId, place, { start: index.offsets[block]! }), index, block)) {
      if (searched >= SEARCHED_BYTES && first % index.every === 0) return { attempt: place.number, matches, next: first }
      searched += bytes.length
      const text = bytes.toString('utf8')
      if (!text.toLowerCase().includes(wanted)) continue
      for (const [at, one] of text.split('\n').entries()) {
        const line = first + at
        // of a line that was cut, both parts may hold it
        if (line < from || !one.toLowerCase().includes(wanted) || matches.at(-1)?.line === line) continue
        if (matches.length === limit) return { attempt: place.number, matches, next: line }
        matches.push({ line, text: one.slice(0, SHOWN) })
      }
    }
    return { attempt: place.number, matches, next: null }
  }
}

/**
 * Lines in large pieces that begin where the index says that a line begins: most hold nothing that is searched for, and are neither cut into lines
 * nor counted. A line beyond all measure is cut, or it would have to fit into memory.
 */
async function* searchable(parts: AsyncIterable<LogPart>, { offsets, every }: LineIndex, block: number): AsyncGenerator<{ readonly line: number; readonly bytes: Buffer }, void, undefined> {
  let line = block * every
  let next = block + 1
  let start = offsets[block]!
  let held: Uint8Array[] = []
  let size = 0
  for await (const part of parts) {
    let rest = part.bytes
    for (;;) {
      while (offsets[next] !== undefined && offsets[next]! - start < PIECE_BYTES) next++
      const missing = (offsets[next] ?? Infinity) - start - size
      if (missing > rest.length) break
      yield { line, bytes: Buffer.concat([...held, rest.subarray(0, missing)]) }
      rest = rest.subarray(missing);
      [start, line, held, size] = [offsets[next]!, next * every, [], 0]
      next++
    }
    held.push(rest)
    size += rest.length
    if (size < LONGEST_LINE_BYTES) continue
    const bytes = Buffer.concat(held)
    yield { line, bytes };
    [start, line, held, size] = [start + size, line + newlinesIn(bytes), [], 0]
  }
  if (size > 0) yield { line, bytes: Buffer.concat(held) }
}

function newlinesIn(bytes: Uint8Array): number {
  let count = 0
  for (let at = bytes.indexOf(NEWLINE); at !== -1; at = bytes.indexOf(NEWLINE, at + 1)) count++
  return count
}
