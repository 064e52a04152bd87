/** Ring: store. The blob store: packs in an object store, and an index of what lies where. See pack.ts for why. */
import type { Digest } from '../../castore/digest.ts'
import { FirnError } from '../../contract/errors.ts'
import { concatBytes } from '../bytes.ts'
import type { ObjectStore } from '../objects/interface.ts'
import type { BlobIndex } from './index-interface.ts'
import type { BlobPart, BlobStore, BlobUpload } from './interface.ts'
import { EMPTY_BLOB, type ReaderOptions, readPieces, type WantedPiece } from './reader.ts'
import { PackUpload, type UploadBudget } from './upload.ts'
import '../native-hashes.ts'

const READ_LIMIT = 64 * 1024 * 1024
const RESOLVE_BATCH = 2000

interface Range {
  readonly start: number
  readonly end: number
}
const WHOLE: Range = { start: 0, end: Infinity }

export interface PackedBlobStoreOptions {
  /** Bytes that all uploads of this store together hold in memory; 256 MiB unless given. */
  readonly uploadMemory?: number
}

export class PackedBlobStore implements BlobStore {
  readonly #objects: ObjectStore
  readonly #index: BlobIndex
  readonly #budget: UploadBudget

  constructor(objects: ObjectStore, index: BlobIndex, options: PackedBlobStoreOptions = {}) {
    this.#objects = objects
    this.#index = index
    this.#budget = { limit: options.uploadMemory ?? 256 * 1024 * 1024, held: 0 }
  }

  async has(digests: readonly Digest[]): Promise<Set<Digest>> {
    const known = await this.#index.known(digests.filter((digest) => digest !== EMPTY_BLOB))
    if (digests.includes(EMPTY_BLOB)) known.add(EMPTY_BLOB)
    return known
  }

  upload(): BlobUpload {
    return new PackUpload(this.#objects, this.#index, this.#budget)
  }

  async size(digest: Digest): Promise<number> {
    if (digest === EMPTY_BLOB) return 0
    const manifest = (await this.#index.manifests([digest])).get(digest)
    if (manifest !== undefined) return manifest.size
    const location = (await this.#index.locate([digest])).get(digest)
    if (location === undefined) throw new FirnError('not-found', `blob ${digest} is not stored`, { data: { digest } })
    return location.kind === 'inline' ? location.bytes.length : location.length
  }

  async* open(digest: Digest, range: { readonly start: number; readonly end?: number } = { start: 0 }): AsyncGenerator<Uint8Array> {
    const end = range.end ?? Infinity
    for await (const { offset, bytes } of this.#parts([digest], {}, { start: range.start, end })) {
      const part = bytes.subarray(Math.max(0, range.start - offset), Math.min(bytes.length, end - offset))
      if (part.length > 0) yield part
    }
  }

  openMany(digests: readonly Digest[]): AsyncIterable<BlobPart> {
    return this.#parts(digests, {})
  }

  gather(digests: readonly Digest[]): AsyncIterable<BlobPart> {
    return this.#parts([...new Set(digests)], { byPlace: true })
  }

  async read(digest: Digest, limit = READ_LIMIT): Promise<Uint8Array> {
    const parts: Uint8Array[] = []
    for await (const { bytes, size } of this.#parts([digest], {})) {
      if (size > limit) throw new FirnError('limit', `blob ${digest} has ${size} bytes, more than ${limit}`, { data: { digest, size, limit } })
      parts.push(bytes)
    }
    return concatBytes(parts)
  }

  async readMany(digests: readonly Digest[]): Promise<Map<Digest, Uint8Array>> {
    const whole = new Map<Digest, Uint8Array>()
    for await (const { digest, offset, size, bytes } of this.gather(digests)) {
      if (bytes.length === size) {
        whole.set(digest, bytes.slice())
        continue
      }
      if (size > READ_LIMIT) throw new FirnError('limit', `blob ${digest} has ${size} bytes, more than ${READ_LIMIT}`, { data: { digest, size, limit: READ_LIMIT } })
      let target = whole.get(digest)
      if (target === undefined) whole.set(digest, target = new Uint8Array(size))
      target.set(bytes, offset)
    }
    return whole
  }

  async close(): Promise<void> {
    await this.#objects.close()
  }

  #parts(digests: readonly Digest[], options: ReaderOptions, range: Range = WHOLE): AsyncGenerator<BlobPart, void, undefined> {
    return readPieces(this.#objects, this.#index, this.#resolve(digests, range), options)
  }

  /** The pieces of blobs, a group for each query; of large blobs only those that overlap the range. */
  async* #resolve(digests: readonly Digest[], range: Range): AsyncGenerator<WantedPiece[]> {
    for (let start = 0; start < digests.length; start += RESOLVE_BATCH) {
      const batch = digests.slice(start, start + RESOLVE_BATCH)
      const manifests = await this.#index.manifests(batch)
      const group: WantedPiece[] = []
      for (const blob of batch) {
        const manifest = manifests.get(blob)
        if (manifest === undefined) {
          group.push({ blob, piece: blob, offset: 0 })
          continue
        }
        let offset = 0
        for (const { digest, length } of manifest.pieces) {
          const end = offset + length
          if (offset < range.end && end > range.start) group.push({ blob, piece: digest, offset, size: manifest.size })
          offset = end
        }
      }
      yield group
    }
  }
}
