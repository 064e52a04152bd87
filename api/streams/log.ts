/**
 * Ring: api. A build's log as a stream: while it grows, from the rows that the worker writes; afterwards from the blob they
 * became. A reader does not notice the change from one to the other.
 */
import { parseDigest } from '../../castore/digest.ts'
import { findLog, type FoundLog, readLogChunks } from '../../state/logs.ts'
import { SeekableBlob } from '../../store/blobs/seekable.ts'
import type { ApiDependencies } from '../dependencies.ts'
import { buildsOfPath } from '../queries/paths.ts'
import type { ChangeHub } from './hub.ts'

export interface LogOptions {
  /** First byte. */
  readonly start: number
  /** One past the last byte. */
  readonly end?: number
  /** Go on until the attempt has ended. */
  readonly follow?: { readonly hub: ChangeHub; readonly signal: AbortSignal }
}

export interface LogPart {
  /** Offset of the first byte. */
  readonly position: number
  readonly bytes: Uint8Array
}

/** New log lines need not be seen faster than one can read. */
const FOLLOW_MILLISECONDS = 200
/** Of the end of a log, looked at first for its last lines. */
const TAIL_BYTES = 64 * 1024

/** Parts of the log of one attempt, in order and without gaps. */
export async function* logParts(dependencies: ApiDependencies, buildId: number, place: FoundLog, options: LogOptions): AsyncGenerator<LogPart, void, undefined> {
  const { db } = dependencies.database
  const end = options.end ?? Infinity
  let current: FoundLog = place
  let position = options.start
  while (position < end) {
    if (current.blob !== null) {
      yield* (await SeekableBlob.open(dependencies.store.blobs, parseDigest(current.blob))).read(position, end)
      return
    }
    const since = options.follow?.hub.seen() ?? 0
    const chunks = await readLogChunks(db, current.attemptId, position)
    for (const chunk of chunks) {
      // the first one may begin before what was asked for
      const skip = Math.max(0, position - chunk.position)
      if (skip >= chunk.content.length) continue
      yield cut({ position: chunk.position + skip, bytes: chunk.content.subarray(skip) }, end)
      position = chunk.position + chunk.content.length
      if (position >= end) return
    }
    if (chunks.length > 0) continue
    // `current` was read before the chunks: what had ended then has no more, unless it has become a blob since
    const ended = current.ended
    if (!ended && !options.follow) return
    const newer = await findLog(db, buildId, current.number)
    if (!newer || (ended && newer.blob === null)) return
    current = newer
    if (!current.ended) await options.follow?.hub.change(options.follow.signal, since, FOLLOW_MILLISECONDS)
  }
}

function cut(part: LogPart, end: number): LogPart {
  return part.position + part.bytes.length > end ? { position: part.position, bytes: part.bytes.subarray(0, end - part.position) } : part
}

/**
 * Where the last `lines` lines begin. An unfinished last line counts as one. `partsFrom` gives the log from an offset on; it is asked for more and
 * more of the end, so that the tail of a gigabyte is not the reading of a gigabyte.
 */
export async function offsetOfTail(partsFrom: (start: number) => AsyncIterable<LogPart>, length: number, lines: number): Promise<number> {
  for (let back = TAIL_BYTES; ; back *= 8) {
    const start = Math.max(0, length - back)
    const found = await offsetOfTailFrom(partsFrom(start), start, lines)
    if (found !== undefined || start === 0) return found ?? 0
  }
}

/** Undefined where the last lines begin before `start`, or may. */
async function offsetOfTailFrom(parts: AsyncIterable<LogPart>, start: number, lines: number): Promise<number | undefined> {
  const NEWLINE = 10
  // starts of the last lines, in a ring; one more, since a line that has only just been begun is none yet
  const starts = new Float64Array(lines + 1)
  // only the log's first byte is known to begin a line
  let count = start === 0 ? 1 : 0
  let length = start
  for await (const { position, bytes } of parts) {
    for (let at = bytes.indexOf(NEWLINE); at !== -1; at = bytes.indexOf(NEWLINE, at + 1)) starts[count++ % starts.length] = position + at + 1
    length = position + bytes.length
  }
  if (lines === 0) return length
  const begun = count > 0 && starts[(count - 1) % starts.length] === length ? 1 : 0
  const first = count - begun - lines
  return first < 0 ? undefined : starts[first % starts.length]!
}

/** The log of the newest attempt at a derivation or at what made an output path, by base name; undefined where there is none. */
export async function logOfDerivation(dependencies: ApiDependencies, baseName: string): Promise<AsyncIterable<Uint8Array> | undefined> {
  const { db } = dependencies.database
  const [build] = (await buildsOfPath(dependencies, baseName, 1)).items
  if (!build) return undefined
  const place = await findLog(db, build.id)
  return place && bytesOf(logParts(dependencies, build.id, place, { start: 0 }))
}

export async function* bytesOf(parts: AsyncIterable<LogPart>): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const { bytes } of parts) yield bytes
}
