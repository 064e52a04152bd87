/**
 * Ring: eval. The one interface through which the evaluator reaches the world. All operations are synchronous: what
 * can't be answered now throws `Suspended` with the need, and the evaluator goes on with whatever does not depend on
 * it. Implementations: memory (beside this file, for tests and the browser), and in activities/ and cli/ the real ones.
 */
import type { FetchRequest, UnlockedFetch, UnlockedFetchResult } from '../contract/fetch.ts'
import type { Need } from '../contract/evaluations.ts'
import type { DerivationOutput } from '../nix/derivation.ts'
import type { SortedMap } from '../nix/sorting.ts'

export type FileKind = 'regular' | 'directory' | 'symlink' | 'unknown'

export interface FileStatus {
  readonly kind: FileKind
  readonly executable: boolean
  readonly size: number
}

/**
 * Thrown by EvalIO, through the evaluator, up to whoever can go on with something else. Never seen by `tryEval`. It is no Error: nothing is wrong, nobody
 * looks at its stack, and there may be thousands.
 */
export class Suspended {
  readonly need: Need
  constructor(need: Need) {
    this.need = need
  }
}

/** Store paths, one for each output that was asked for, or what has to be done before they can be read. */
export type Realised =
  | { readonly paths: readonly string[]; readonly need?: undefined }
  | { readonly need: Need; readonly paths?: undefined }

/** Thrown by EvalIO at the place that needs something whose answer was a failure; becomes an evaluation error there. */
export class NeedFailed extends Error {
  readonly key: string
  constructor(key: string, message: string) {
    super(message)
    this.key = key
  }
}

/**
 * Paths are absolute byte strings as the expression sees them (`/nix/store/…` included, wherever the store's content really lies).
 * Errors are `EvalIOError`; a path below a store path that isn't valid yet throws `Suspended`.
 */
export interface EvalIO {
  /** Bytes of a file; follows symlinks. */
  readFile(path: string): Uint8Array
  /**
   * The same for who wants only what the bytes mean, under a name of the reader's. An implementation that looks at the world again later asks
   * `meansTheSame` of other bytes, and goes by the answer.
   */
  readSource?(path: string, name: string, meansTheSame: (content: Uint8Array) => boolean): Uint8Array
  /** Names and kinds of a folder's entries, in any order. */
  readDirectory(path: string): ReadonlyMap<string, FileKind>
  /** Status without following a symlink at the end; undefined where nothing is. */
  status(path: string): FileStatus | undefined
  readLink(path: string): string
  /** Contents by hash, for caches keyed by content; undefined where the implementation keeps none. */
  environment(name: string): string | undefined
  /** Seconds since 1970, the same during one evaluation. */
  currentTime(): number

  /** Adds a file or tree to the store under `name`; returns the store path. `filter` gets absolute paths and kinds. */
  addPath(request: { readonly path: string; readonly name: string; readonly method: 'flat' | 'nar'; readonly filter?: (path: string, kind: FileKind) => boolean; readonly expectedHash?: string }): string
  /** What a tree or file is for a lock: its NAR hash (SRI), and when the newest file in it was modified (seconds since 1970). */
  describeTree(path: string): { readonly narHash: string; readonly lastModified: number }
  /** Adds a text (`toFile`); references are absolute store paths. */
  addText(name: string, content: string, references: readonly string[]): string
  /** Writes a derivation. Its text is printed when asked for: where nothing is written, few are ever read. */
  addDerivation(derivation: AddedDerivation): void
  /** The ATerm of a derivation that was written, by this evaluation or before. */
  readDerivation(drvPath: string): string

  /** Makes these outputs readable below their store paths. What they need is given, not thrown: it is what most evaluations wait for, and who asked notes it. */
  realise(drvPath: string, outputs: readonly string[]): Realised
  /** Makes sure that a store path is valid (`builtins.storePath`, `fetchClosure`), or throws `Suspended`. */
  ensurePath(storePath: string): void
  /** What a valid store path refers to, where the implementation knows; `readFile` needs it for string contexts. */
  references?(storePath: string): readonly string[] | undefined
  /** Tells of a fetch with a known hash, whose path is known before anybody needs it. Never suspends. */
  mentionFetch(storePath: string, request: FetchRequest): void
  /** A fetch whose result no hash tells beforehand: suspends until it was done once. */
  fetchUnlocked(request: UnlockedFetch): UnlockedFetchResult

  /** `builtins.trace` and warnings, whole messages without a line's end. */
  trace(level: 'trace' | 'warn', text: string): void
}

/** A derivation that an evaluation made. */
export interface AddedDerivation {
  readonly drvPath: string
  /** Its input derivations and sources. */
  readonly references: readonly string[]
  readonly outputs: SortedMap<DerivationOutput>
  /** Its text, in memory that is used again: good until the next is printed. */
  aterm(): Uint8Array
}

export class EvalIOError extends Error {
  readonly kind: 'missing' | 'not-a-directory' | 'is-a-directory' | 'forbidden' | 'unsupported' | 'failed'
  readonly path: string
  constructor(kind: EvalIOError['kind'], path: string, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.kind = kind
    this.path = path
  }
}
