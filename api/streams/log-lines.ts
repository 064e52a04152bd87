/**
 * Ring: api. The lines of a log: where they begin, and which hold a text. A gigabyte is read once for the index; a log that grows is
 * read on from where its index ends.
 */
import { LRUCache } from 'lru-cache'
import type { LogIndex, LogMatches } from '../../contract/views.ts'
import type { FoundLog } from '../../state/logs.ts'
import type { ApiDependencies } from '../dependencies.ts'
import { type LogPart, logParts } from './log.ts'

const EVERY = 1000
const REMEMBERED = 100
const NEWLINE = 10
/** Of a line that was found. */
const SHOWN = 500

interface Known {
  bytes: number
  newlines: number
  /** Whether the last byte ended a line. */
  atStart: boolean
  readonly offsets: number[]
}

export class LogLines {
  readonly #dependencies: ApiDependencies
  readonly #known = new LRUCache<number, Known>({ max: REMEMBERED })
  /** One reader of a log at a time. */
  readonly #reading = new Map<number, Promise<Known>>()

  constructor(dependencies: ApiDependencies) {
    this.#dependencies = dependencies
  }

  async index(buildId: number, place: FoundLog): Promise<LogIndex> {
    const known = await this.#read(buildId, place)
    return { attempt: place.number, ended: place.ended, bytes: known.bytes, lines: known.newlines + (known.atStart ? 0 : 1), every: EVERY, offsets: [...known.offsets] }
  }

  async #read(buildId: number, place: FoundLog): Promise<Known> {
    const before = this.#reading.get(place.attemptId)
    const reading = (async () => {
      await before?.catch(() => undefined)
      const known = this.#known.get(place.attemptId) ?? { bytes: 0, newlines: 0, atStart: true, offsets: [0] }
      if (known.bytes < place.bytes || known.bytes === 0) {
        for await (const part of logParts(this.#dependencies, buildId, place, { start: known.bytes })) extend(known, part.bytes)
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

  /** Lines from `from` on that hold the text. */
  async search(buildId: number, place: FoundLog, query: string, from: number, limit: number): Promise<LogMatches> {
    const { offsets } = await this.#read(buildId, place)
    const block = Math.min(Math.floor(from / EVERY), offsets.length - 1)
    const matches: LogMatches['matches'] = []
    const wanted = query.toLowerCase()
    let line = block * EVERY
    for await (const text of linesOf(logParts(this.#dependencies, buildId, place, { start: offsets[block]! }))) {
      if (line >= from && text.toLowerCase().includes(wanted)) {
        if (matches.length === limit) return { attempt: place.number, matches, next: line }
        matches.push({ line, text: text.slice(0, SHOWN) })
      }
      line++
    }
    return { attempt: place.number, matches, next: null }
  }
}

function extend(known: Known, bytes: Uint8Array): void {
  for (let at = bytes.indexOf(NEWLINE); at !== -1; at = bytes.indexOf(NEWLINE, at + 1)) {
    known.newlines++
    if (known.newlines % EVERY === 0) known.offsets.push(known.bytes + at + 1)
  }
  known.bytes += bytes.length
  if (bytes.length > 0) known.atStart = bytes[bytes.length - 1] === NEWLINE
}

/** Without their ends; decoded in large pieces, which is what makes a gigabyte bearable. */
async function* linesOf(parts: AsyncIterable<LogPart>): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const { bytes } of parts) {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split('\n')
    rest = lines.pop()!
    yield* lines
  }
  rest += decoder.decode()
  if (rest !== '') yield rest
}
