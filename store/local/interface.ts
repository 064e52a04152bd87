/**
 * Ring: store. The local store: valid paths laid out as real files in a folder of this machine, for builds to mount and for
 * evaluations to read. It is a cache of castore bound by bytes, never the truth. Upstream counterpart: /nix/store itself.
 */
import type { StorePath } from '../../nix/store-path.ts'
import type { PathInfo } from '../path-info/interface.ts'

/** Keeps paths from being evicted; `release` more than once is no error. */
export interface Lease {
  /** Base name → absolute local path. */
  readonly localPaths: ReadonlyMap<string, string>
  release(): void
}

export interface LocalStoreFigures {
  readonly paths: number
  readonly bytes: number
  readonly leased: number
}

export interface LocalStore {
  /** Folder that holds `<base name>` for each path laid out. */
  readonly directory: string
  /** Where a path lies once laid out (which it need not be now). */
  localPath(storePath: StorePath): string
  /**
   * Lays out these valid paths (not their closures) and leases them. Requests for one path share the work.
   * Errors: 'not-found' names paths that aren't valid; 'exhausted' where leased paths leave no room on the disk.
   */
  layOut(storePaths: readonly StorePath[], options?: { readonly signal?: AbortSignal }): Promise<Lease>
  /** As `layOut` over the closure of these paths. */
  layOutClosure(storePaths: readonly StorePath[], options?: { readonly signal?: AbortSignal }): Promise<Lease>
  /**
   * Moves a built tree in under its store path, once the PathInfo made from it is committed, so that it isn't rendered again. The tree must be on
   * the same file system and canonical; where the path is there already, `builtTree` is deleted.
   */
  adopt(info: PathInfo, builtTree: string): Promise<void>
  /** A folder on the same file system, for work that ends in `adopt`; emptied when the store starts. */
  readonly scratchDirectory: string
  figures(): LocalStoreFigures
  close(): Promise<void>
}
