/**
 * Ring: api. A build's log as a stream: while it grows, from the rows that the worker writes; afterwards from the blob they
 * became. A reader does not notice the change from one to the other.
 */
import { Readable } from 'node:stream'
import { createZstdDecompress } from 'node:zlib'
import { parseDigest } from '../../castore/digest.ts'
import { findLog, type FoundLog, readLogChunks } from '../../state/logs.ts'
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

/** Parts of the log of one attempt, in order and without gaps. */
export async function* logParts(dependencies: ApiDependencies, buildId: number, place: FoundLog, options: LogOptions): AsyncGenerator<LogPart, void, undefined> {
  const { db } = dependencies.database
  const end = options.end ?? Infinity
  let current: FoundLog = place
  let position = options.start
  while (position < end) {
    if (current.blob !== null) {
      for await (const part of blobParts(dependencies, current.blob, position)) {
        yield cut(part, end)
        position = part.position + part.bytes.length
        if (position >= end) return
      }
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

async function* blobParts({ store }: ApiDependencies, blob: string, start: number): AsyncGenerator<LogPart, void, undefined> {
  const decompressor = createZstdDecompress()
  const compressed = Readable.from(store.blobs.open(parseDigest(blob)), { objectMode: false })
  compressed.once('error', (error) => decompressor.destroy(error))
  compressed.pipe(decompressor)
  let position = 0
  try {
    for await (const bytes of decompressor as AsyncIterable<Buffer>) {
      const skip = Math.max(0, start - position)
      if (skip < bytes.length) yield { position: position + skip, bytes: bytes.subarray(skip) }
      position += bytes.length
    }
  } finally {
    compressed.destroy()
    decompressor.destroy()
  }
}

/** Where the last `lines` lines begin. An unfinished last line counts as one. */
export async function offsetOfTail(parts: AsyncIterable<LogPart>, lines: number): Promise<number> {
  const NEWLINE = 10
  // starts of the last lines, in a ring; one more, since a line that has only just been begun is none yet
  const starts = new Float64Array(lines + 1)
  let count = 1
  let length = 0
  for await (const { position, bytes } of parts) {
    for (let at = bytes.indexOf(NEWLINE); at !== -1; at = bytes.indexOf(NEWLINE, at + 1)) starts[count++ % starts.length] = position + at + 1
    length = position + bytes.length
  }
  if (lines === 0) return length
  const begun = starts[(count - 1) % starts.length] === length ? 1 : 0
  const first = count - begun - lines
  return first <= 0 ? 0 : starts[first % starts.length]!
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
