/**
 * Ring: store. Upstream binary caches, from which paths are taken instead of being built. Upstream counterpart: Nix'
 * HttpBinaryCacheStore and LocalBinaryCacheStore, and the substitution goal.
 */
import type { NarInfo } from '../../nix/narinfo.ts'
import type { PathInfo } from '../path-info/interface.ts'
import type { StorePath } from '../../nix/store-path.ts'

/** A narinfo that a cache has and that may be trusted. */
export interface Substitutable {
  readonly storePath: StorePath
  /** Address of the cache. */
  readonly cache: string
  readonly narInfo: NarInfo
}

export interface SubstituteOptions {
  readonly signal?: AbortSignal
  /** Bytes of compressed NARs read so far, and their sum where all sizes are known. */
  readonly onProgress?: (progress: { readonly bytes: number; readonly total?: number }) => void
}

export interface Substituters {
  /** Asks all caches in parallel, by priority. Keyed by base name; absent where no cache has a trusted answer. Never throws for a failing cache. */
  lookup(storePaths: readonly StorePath[]): Promise<Map<string, Substitutable>>
  /**
   * Which of these paths can be taken with everything that they refer to; one value says how much that is. Paths that
   * are valid here already cost nothing.
   */
  substitutable(storePaths: readonly StorePath[]): Promise<Map<string, { readonly downloadSize?: number; readonly narSize: number; readonly paths: number }>>
  /**
   * Makes these paths valid with all they refer to; a path becomes valid only after its references. Concurrent calls share downloads.
   * Returns the PathInfos of what was asked for. Errors: 'not-found' where no cache has it, 'unavailable', 'hash-mismatch'.
   */
  substitute(storePaths: readonly StorePath[], options?: SubstituteOptions): Promise<PathInfo[]>
  close(): Promise<void>
}
