/**
 * Ring: activities. An attempt's log on its way to those who read it: chunks in Postgres some five times a second while it
 * grows, zstd frames with a table of where they begin (store/blobs/seekable.ts) in the blob store when it is whole. Most builds of a large graph write nothing, and cost nothing here.
 */
import type { Database } from '../state/database.ts'
import { LineIndex } from '../state/line-index.ts'
import { addLogChunk, dropLogChunks, everyLogChunk } from '../state/logs.ts'
import type { BlobStore } from '../store/blobs/interface.ts'
import { compressSeekable } from '../store/blobs/seekable.ts'

const FLUSH_MILLISECONDS = 200
/** A chunk is written at once when it is this large; a builder that writes faster than Postgres takes it is held back. */
const FLUSH_BYTES = 64 * 1024
/** What is kept in memory to be compressed at the end; a longer log is read back. */
const KEPT_BYTES = 4 * 1024 * 1024
const TAIL_BYTES = 16 * 1024
const TAIL_LINES = 25

export class LogWriter {
  readonly #db: Database
  readonly #attemptId: number
  #pending: Uint8Array[] = []
  #pendingBytes = 0
  #kept: Uint8Array[] | undefined = []
  #tail: Uint8Array = new Uint8Array()
  #bytes = 0
  #flushed = 0
  #seq = 0
  #timer: NodeJS.Timeout | undefined
  #writing: Promise<void> = Promise.resolve()
  #failure: unknown
  #stored = false
  readonly #lines = new LineIndex()

  constructor(db: Database, attemptId: number) {
    this.#db = db
    this.#attemptId = attemptId
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Adds bytes; the promise ends when the writer is ready for more. */
  async write(chunk: Uint8Array): Promise<void> {
    if (chunk.length === 0) return
    const copy = chunk.slice()
    this.#pending.push(copy)
    this.#pendingBytes += copy.length
    this.#bytes += copy.length
    this.#lines.extend(copy)
    if (this.#bytes <= KEPT_BYTES) this.#kept?.push(copy)
    else this.#kept = undefined
    this.#tail = copy.length >= TAIL_BYTES ? copy.subarray(-TAIL_BYTES) : Buffer.concat([this.#tail, copy]).subarray(-TAIL_BYTES)
    if (this.#pendingBytes >= FLUSH_BYTES) await this.#flush()
    else this.#timer ??= setTimeout(() => { this.#flush().catch(() => undefined) }, FLUSH_MILLISECONDS)
  }

  /** A line of the farm's own. */
  async line(text: string): Promise<void> {
    await this.write(new TextEncoder().encode(`${text}\n`))
  }

  /** The last lines, for an outcome. */
  tail(): string[] {
    const lines = Buffer.from(this.#tail).toString('utf8').replaceAll('\0', '\uFFFD').replace(/\r?\n$/, '').split(/\r?\n/)
    return lines.length === 1 && lines[0] === '' ? [] : lines.slice(-TAIL_LINES)
  }

  /** The whole log becomes a blob. Gives nothing for an empty one. Call `settle` once the blob is recorded. */
  async finish(blobs: BlobStore): Promise<{ readonly logBlob?: string; readonly logBytes: number }> {
    if (this.#bytes === 0) return { logBytes: 0 }
    // what is in memory as a whole need not go through Postgres any more
    if (this.#kept && this.#seq === 0) this.#pending = []
    await this.#flush()
    const upload = blobs.upload()
    try {
      const { digest } = await upload.addStream(compressSeekable(this.#whole(), () => this.#lines.encode()))
      await upload.finish()
      this.#stored = true
      return { logBlob: digest, logBytes: this.#bytes }
    } catch (error) {
      await upload.abandon()
      throw error
    }
  }

  /** The blob is recorded: the chunks can go. */
  async settle(): Promise<void> {
    clearTimeout(this.#timer)
    if (this.#seq > 0 && this.#stored) await dropLogChunks(this.#db, this.#attemptId)
  }

  #flush(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const content = Buffer.concat(this.#pending)
    this.#pending = []
    this.#pendingBytes = 0
    const position = this.#flushed
    this.#flushed += content.length
    this.#writing = this.#writing.then(async () => {
      if (this.#failure !== undefined) throw this.#failure as Error
      if (content.length > 0) await addLogChunk(this.#db, this.#attemptId, this.#seq++, position, content)
    }).catch((error: unknown) => { this.#failure = error })
    return this.#writing.then(() => {
      if (this.#failure !== undefined) throw this.#failure as Error
    })
  }

  /** All that was written, however much it is. */
  async* #whole(): AsyncGenerator<Uint8Array, void, undefined> {
    if (this.#kept) yield* this.#kept
    else yield* everyLogChunk(this.#db, this.#attemptId)
  }
}
