/**
 * Ring: store. The index of blobs: which pieces there are, in which pack each lies, and which pieces make a large blob. It
 * answers in bulk only. A piece that the index knows is durable.
 */
import type { Digest } from '../../castore/digest.ts'

export interface Piece {
  readonly digest: Digest
  /** Bytes. */
  readonly length: number
}

/** Where a piece lies. */
export type PieceLocation =
  | { readonly kind: 'object'; readonly key: string; readonly position: number; readonly length: number }
  /** In the index itself. */
  | { readonly kind: 'inline'; readonly bytes: Uint8Array }

/** A blob of more than one piece. */
export interface Manifest {
  readonly digest: Digest
  readonly size: number
  readonly pieces: readonly Piece[]
}

/** Pieces lie in a pack one after the other, from its first byte on. */
export interface Pack {
  /** Object key, or the bytes themselves where the pack is too small for an object. */
  readonly place: { readonly key: string } | { readonly content: Uint8Array }
  readonly size: number
  readonly pieces: readonly Piece[]
}

export interface BlobIndex {
  /** Which of these are stored, as a piece or as a larger blob. */
  known(digests: readonly Digest[]): Promise<Set<Digest>>
  manifests(digests: readonly Digest[]): Promise<Map<Digest, Manifest>>
  locate(pieces: readonly Digest[]): Promise<Map<Digest, PieceLocation>>
  /** Makes a pack's pieces known. A piece that is known already stays where it is. */
  addPack(pack: Pack): Promise<void>
  /** As `addPack` unless all its pieces are known: `known` and `addPack` in one go, for what is small. False where nothing was added. */
  addUnknown(pack: Pack): Promise<boolean>
  /** Their pieces must be known before. */
  addManifests(manifests: readonly Manifest[]): Promise<void>
}
