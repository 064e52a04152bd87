/**
 * Ring: store. Blobs: byte strings addressed by their BLAKE3 digest; files' contents and encoded directories alike.
 * Upstream counterpart: tvix' castore BlobService. A blob is stored in pieces (one if it is small, chunks cut by content
 * otherwise), and pieces lie many to an object, a *pack*, so that requests to a bucket depend on bytes, not on files.
 */
import type { Digest } from '../../castore/digest.ts'

export interface StoredBlob {
  readonly digest: Digest
  readonly size: number
}

/** What an upload has cost so far, in bytes and requests. */
export interface UploadFigures {
  readonly blobs: number
  readonly bytes: number
  /** Bytes that weren't there before. */
  readonly storedBytes: number
  readonly packs: number
}

/**
 * One batch of blobs that become durable together. Blobs may be added concurrently; `add…` waits while too much is on
 * its way. Nothing may refer to a blob before `finish` has ended well. `abandon` stops an upload; what it stored and
 * nothing refers to is garbage for a later collection.
 */
export interface BlobUpload {
  /** Adds a blob that the caller holds in memory. The bytes must not be changed afterwards. */
  add(bytes: Uint8Array): Promise<StoredBlob>
  /** Adds a blob whose bytes come one part after the other; parts may be changed once `write` has returned. */
  openBlob(): BlobWriter
  /** As `openBlob`, from a stream. */
  addStream(content: AsyncIterable<Uint8Array>): Promise<StoredBlob>
  /** Ends when everything added is durable and can be read by anybody. */
  finish(): Promise<UploadFigures>
  abandon(): Promise<void>
}

export interface BlobWriter {
  /** Waits while too much is on its way. */
  write(part: Uint8Array): Promise<void>
  end(): Promise<StoredBlob>
}

/** A part of a blob's bytes, with its place in the blob. */
export interface BlobPart {
  readonly digest: Digest
  /** Offset in the blob. */
  readonly offset: number
  /** Size of the whole blob. */
  readonly size: number
  readonly bytes: Uint8Array
}

/** Errors: 'not-found' for a digest that isn't stored, 'corrupt' where stored bytes don't match, and those of the object store. */
export interface BlobStore {
  /** Which of these are stored; one query for any number. */
  has(digests: readonly Digest[]): Promise<Set<Digest>>
  upload(): BlobUpload
  /** Bytes of a blob, without reading it. */
  size(digest: Digest): Promise<number>
  /** Bytes of a blob, or of a range `[start, end)` of it, read ahead. */
  open(digest: Digest, range?: { readonly start: number; readonly end?: number }): AsyncIterable<Uint8Array>
  /** Many blobs one after the other, each part with its digest, in the order given; read ahead across blobs. */
  openMany(digests: readonly Digest[]): AsyncIterable<BlobPart>
  /** As `openMany`, in whatever order costs the fewest requests; a blob asked for twice is given once. */
  gather(digests: readonly Digest[]): AsyncIterable<BlobPart>
  /** A blob whole in memory; 'limit' if it is larger than `limit` bytes (64 MiB unless given). */
  read(digest: Digest, limit?: number): Promise<Uint8Array>
  /** Small blobs (directories) whole in memory, in few requests. */
  readMany(digests: readonly Digest[]): Promise<Map<Digest, Uint8Array>>
  close(): Promise<void>
}
