/**
 * Ring: store. Where bytes finally lie: a flat space of immutable objects under string keys (a folder, a bucket, memory).
 * Nothing else of the store knows S3 or the file system. Upstream counterpart: none; Nix has no such layer, Buildbarn's
 * blob access and tvix' object_store backend are its nearest relatives.
 */
export interface ByteRange {
  /** First byte. */
  readonly start: number
  /** One past the last byte; absent means to the end. */
  readonly end?: number
}

export interface StoredObject {
  readonly key: string
  readonly size: number
  readonly modifiedAt: Date
}

/**
 * Keys are `/`-separated words of [A-Za-z0-9._-]; an object never changes once it is there, so storing a key again
 * is allowed only with equal content. Errors: 'not-found', 'unavailable', 'exhausted' (disk or quota full), 'forbidden'.
 */
export interface ObjectStore {
  /** Stores an object; visible only when it is whole and durable. A stream that throws leaves nothing behind. */
  put(key: string, body: Uint8Array | AsyncIterable<Uint8Array>): Promise<void>
  /** Bytes of an object or of a range of it. The first read throws 'not-found' where there is none. */
  get(key: string, range?: ByteRange): AsyncIterable<Uint8Array>
  /** The bytes of a range, whole in memory: for ranges that the caller keeps small. */
  read(key: string, range?: ByteRange): Promise<Uint8Array>
  /** Deletes objects; those that aren't there are passed over. */
  delete(keys: readonly string[]): Promise<void>
  /** All objects whose key starts with `prefix`, in the order of their keys. */
  list(prefix: string): AsyncIterable<StoredObject>
  close(): Promise<void>
}
