/**
 * Ring: store. PathInfo: the index row that makes a store path valid. A path is valid if and only if its row is here, and a
 * row is written only after everything under the path is stored. Upstream counterpart: Nix' ValidPaths database.
 * All operations take many paths and cost one query.
 */
import type { Node } from '../../castore/nodes.ts'
import type { ContentAddress } from '../../nix/content-address.ts'
import type { Hash } from '../../nix/hash.ts'
import type { StorePath } from '../../nix/store-path.ts'

export interface PathInfo {
  readonly storePath: StorePath
  /** Castore root of the content. */
  readonly root: Node
  /** SHA-256 of the NAR. */
  readonly narHash: Hash
  /** Bytes of the NAR. */
  readonly narSize: number
  /** Sorted by base name; may contain the path itself. */
  readonly references: readonly StorePath[]
  readonly deriver?: StorePath
  readonly contentAddress?: ContentAddress
  /** `name:base64`, each over the path's fingerprint. */
  readonly signatures: readonly string[]
  readonly registeredAt: Date
  /** Built or computed here, not taken from somebody else. */
  readonly ultimate: boolean
}

export interface PutOptions {
  /**
   * References that aren't valid are allowed. For derivations, whose sources may be fetches that nobody needed yet;
   * otherwise 'conflict' is thrown and nothing is written.
   */
  readonly allowMissingReferences?: boolean
}

export interface Closure {
  /** Base names of valid paths, those asked for included, in no particular order. */
  readonly paths: readonly string[]
  /** Base names that are referred to or asked for, but aren't valid. */
  readonly missing: readonly string[]
}

export interface PathInfoStore {
  /** By hash part (32 characters). Absent keys aren't valid. */
  get(hashParts: readonly string[]): Promise<Map<string, PathInfo>>
  /** Which of these hash parts are valid. */
  has(hashParts: readonly string[]): Promise<Set<string>>
  /**
   * Registers all of these in one transaction. Where a path is valid already its row stays as it is (the first to commit
   * wins). Returns the base names that became valid by this call.
   */
  put(infos: readonly PathInfo[], options?: PutOptions): Promise<string[]>
  /** All that is reachable from these base names by references. */
  closure(baseNames: readonly string[]): Promise<Closure>
  /** Base names of valid paths that refer to this one. */
  referrers(hashPart: string): Promise<string[]>
  /** Valid paths that this derivation (base name of the .drv) made. */
  outputsOf(deriver: string): Promise<PathInfo[]>
  /** Adds signatures to valid paths; those that are there already are kept once. */
  addSignatures(signatures: ReadonlyMap<string, readonly string[]>): Promise<void>
  /** Base names of all valid paths, in order of their hash part. */
  list(): AsyncIterable<string>
  /** Figures for metrics. */
  count(): Promise<{ readonly paths: number; readonly narBytes: number }>
}
