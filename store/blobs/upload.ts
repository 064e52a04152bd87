/**
 * Ring: store. An upload of blobs: digests them, cuts large ones into chunks, leaves out what is stored already (asked of the
 * index for hundreds at once), fills packs with the rest, and puts up several packs at a time. What it holds in memory is
 * bounded by a pack under way, the packs being put up, and a batch that waits for the index's answer.
 */
import { Chunker, chunksOfBytes, DEFAULT_CHUNKING } from '../../castore/chunking.ts'
import { createDigester, type Digest, digestOf } from '../../castore/digest.ts'
import { FirnError } from '../../contract/errors.ts'
import { concatBytes } from '../bytes.ts'
import type { ObjectStore } from '../objects/interface.ts'
import type { BlobIndex, Manifest, Pack, Piece } from './index-interface.ts'
import type { BlobUpload, BlobWriter, StoredBlob, UploadFigures } from './interface.ts'
import { encodePack, newPackKey } from './pack.ts'

/** Blobs up to this are one piece; larger ones are cut. */
const SINGLE_PIECE_LIMIT = 1024 * 1024
/** A pack is closed when it has this many bytes or more. */
const PACK_SIZE = 16 * 1024 * 1024
/** A last pack of at most this size isn't worth an object, and lies in the index. */
const INLINE_LIMIT = 32 * 1024
const BATCH_PIECES = 512
const BATCH_BYTES = 8 * 1024 * 1024
/** Packs of one upload that are on their way at the same time. */
const CONCURRENT_PACKS = 3

/** What all uploads of a process share: bytes that they hold, so that many at once close their packs early. */
export interface UploadBudget {
  readonly limit: number
  held: number
}

interface OpenPack {
  readonly parts: Uint8Array[]
  readonly pieces: Piece[]
  size: number
}

export class PackUpload implements BlobUpload {
  readonly #objects: ObjectStore
  readonly #index: BlobIndex
  readonly #budget: UploadBudget
  readonly #seen = new Set<Digest>()
  readonly #manifests = new Map<Digest, Manifest>()
  readonly #running = new Set<Promise<void>>()
  #batch: { readonly digest: Digest; readonly bytes: Uint8Array }[] = []
  #batchBytes = 0
  #batchesWaiting = 0
  #tail: Promise<void> = Promise.resolve()
  #pack: OpenPack = { parts: [], pieces: [], size: 0 }
  #failure: unknown
  #failed = false
  #closed = false
  #held = 0
  readonly #figures = { blobs: 0, bytes: 0, storedBytes: 0, packs: 0 }

  constructor(objects: ObjectStore, index: BlobIndex, budget: UploadBudget) {
    this.#objects = objects
    this.#index = index
    this.#budget = budget
  }

  async add(bytes: Uint8Array): Promise<StoredBlob> {
    this.#check()
    const digest = digestOf(bytes)
    this.#count(bytes.length)
    if (bytes.length <= SINGLE_PIECE_LIMIT) {
      await this.#offer(digest, bytes)
      return { digest, size: bytes.length }
    }
    if (this.#seen.has(digest) || (await this.#index.known([digest])).has(digest)) return { digest, size: bytes.length }
    const pieces: Piece[] = []
    for (const chunk of chunksOfBytes(bytes, DEFAULT_CHUNKING)) {
      const piece = { digest: digestOf(chunk), length: chunk.length }
      pieces.push(piece)
      await this.#offer(piece.digest, chunk)
    }
    this.#describe(digest, bytes.length, pieces)
    return { digest, size: bytes.length }
  }

  async addStream(content: AsyncIterable<Uint8Array>): Promise<StoredBlob> {
    const writer = this.openBlob()
    for await (const part of content) await writer.write(part)
    return await writer.end()
  }

  openBlob(): BlobWriter {
    this.#check()
    const whole = createDigester()
    const head: Uint8Array[] = []
    const pieces: Piece[] = []
    const ready: Uint8Array[] = []
    let chunker: Chunker | undefined
    const offerReady = async (): Promise<void> => {
      for (const chunk of ready) {
        const piece = { digest: digestOf(chunk), length: chunk.length }
        pieces.push(piece)
        await this.#offer(piece.digest, chunk)
      }
      ready.length = 0
    }
    return {
      write: async (part) => {
        whole.update(part)
        if (chunker === undefined) {
          head.push(part.slice())
          if (whole.size <= SINGLE_PIECE_LIMIT) return
          chunker = new Chunker((chunk) => ready.push(chunk), DEFAULT_CHUNKING)
          for (const begun of head) chunker.update(begun)
          head.length = 0
        } else {
          chunker.update(part)
        }
        if (ready.length > 0) await offerReady()
      },
      end: async () => {
        const size = whole.size
        const digest = whole.digest()
        this.#count(size)
        if (chunker === undefined) {
          await this.#offer(digest, concatBytes(head, size))
        } else {
          chunker.finish()
          await offerReady()
          this.#describe(digest, size, pieces)
        }
        return { digest, size }
      },
    }
  }

  async finish(): Promise<UploadFigures> {
    if (this.#closed) throw new FirnError('internal', 'the upload has ended')
    this.#closed = true
    try {
      if (this.#isSmall()) await this.#putSmall()
      else await this.#drain()
      const manifests = [...this.#manifests.values()]
      for (let start = 0; start < manifests.length; start += 200) await this.#index.addManifests(manifests.slice(start, start + 200))
      return this.#figures
    } finally {
      this.#release()
    }
  }

  async abandon(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#fail(new FirnError('cancelled', 'the upload was abandoned'))
    await this.#tail
    await Promise.all(this.#running)
    this.#release()
  }

  #count(bytes: number): void {
    this.#figures.blobs++
    this.#figures.bytes += bytes
  }

  #describe(digest: Digest, size: number, pieces: readonly Piece[]): void {
    // Chunking a blob may give one chunk, whose digest is the blob's.
    if (pieces.length > 1) this.#manifests.set(digest, { digest, size, pieces })
    this.#seen.add(digest)
  }

  /** Takes a piece; waits while too much is on its way. The empty piece is never stored. */
  async #offer(digest: Digest, bytes: Uint8Array): Promise<void> {
    this.#check()
    if (bytes.length === 0 || this.#seen.has(digest)) return
    this.#seen.add(digest)
    this.#batch.push({ digest, bytes })
    this.#batchBytes += bytes.length
    this.#held += bytes.length
    this.#budget.held += bytes.length
    if (this.#batch.length >= BATCH_PIECES || this.#batchBytes >= BATCH_BYTES) this.#send()
    if (this.#budget.held > this.#budget.limit) await this.#drain()
    else if (this.#batchesWaiting > 1) await this.#tail
    this.#check(true)
  }

  /** Queues the batch behind those that wait for the index. */
  #send(): void {
    const batch = this.#batch
    if (batch.length === 0) return
    this.#batch = []
    this.#batchBytes = 0
    this.#batchesWaiting++
    this.#tail = this.#tail.then(() => this.#pick(batch)).catch((error: unknown) => this.#fail(error)).finally(() => { this.#batchesWaiting-- })
  }

  /** Puts into the open pack what isn't stored yet. */
  async #pick(batch: readonly { readonly digest: Digest; readonly bytes: Uint8Array }[]): Promise<void> {
    if (this.#failed) return
    const known = await this.#index.known(batch.map(({ digest }) => digest))
    for (const { digest, bytes } of batch) {
      if (known.has(digest)) {
        this.#free(bytes.length)
        continue
      }
      this.#pack.parts.push(bytes)
      this.#pack.pieces.push({ digest, length: bytes.length })
      this.#pack.size += bytes.length
      if (this.#pack.size >= PACK_SIZE) await this.#close()
    }
  }

  /** Starts to put the open pack up; waits only while too many are on their way. */
  async #close(): Promise<void> {
    const pack = this.#pack
    if (pack.pieces.length === 0 || this.#failed) return
    this.#pack = { parts: [], pieces: [], size: 0 }
    while (this.#running.size >= CONCURRENT_PACKS) await Promise.race(this.#running)
    const run = this.#put(pack).catch((error: unknown) => this.#fail(error)).finally(() => {
      this.#free(pack.size)
      this.#running.delete(run)
    })
    this.#running.add(run)
  }

  /**
   * The object first, then the index. An object that no index row names (we died, or the index failed) is garbage; it is not
   * deleted here, since a commit whose answer got lost may have happened.
   */
  async #put(pack: OpenPack): Promise<void> {
    const inline = this.#closed && pack.size <= INLINE_LIMIT
    const place: Pack['place'] = inline ? { content: concatBytes(pack.parts, pack.size) } : { key: newPackKey() }
    if ('key' in place) await this.#objects.put(place.key, encodePack(pack.parts, pack.pieces))
    await this.#index.addPack({ place, size: pack.size, pieces: pack.pieces })
    this.#figures.packs++
    this.#figures.storedBytes += pack.size
  }

  /** The whole upload is a batch that nothing was asked about yet and that the index holds itself. */
  #isSmall(): boolean {
    return this.#batch.length > 0 && this.#batchBytes <= INLINE_LIMIT && this.#batchesWaiting === 0 && this.#pack.pieces.length === 0 && this.#figures.packs === 0 && this.#running.size === 0
  }

  /** A derivation, or the output of a build that says little: one statement, since each is waited for. */
  async #putSmall(): Promise<void> {
    this.#check(true)
    const batch = this.#batch
    const size = this.#batchBytes
    const added = await this.#index.addUnknown({ place: { content: concatBytes(batch.map(({ bytes }) => bytes), size) }, size, pieces: batch.map(({ digest, bytes }) => ({ digest, length: bytes.length })) })
    if (!added) return
    this.#figures.packs++
    this.#figures.storedBytes += size
  }

  /** Ends when nothing is held any more; throws if anything failed. */
  async #drain(): Promise<void> {
    this.#send()
    await this.#tail
    await this.#close()
    await Promise.all(this.#running)
    this.#check(true)
  }

  #free(bytes: number): void {
    this.#held -= bytes
    this.#budget.held -= bytes
  }

  #release(): void {
    this.#free(this.#held)
    this.#batch = []
    this.#pack = { parts: [], pieces: [], size: 0 }
  }

  #fail(error: unknown): void {
    if (this.#failed) return
    this.#failed = true
    this.#failure = error
  }

  #check(closedIsFine = false): void {
    if (this.#failed) throw this.#failure
    if (this.#closed && !closedIsFine) throw new FirnError('internal', 'the upload has ended')
  }
}
