/**
 * Ring: contract. A Fetch: a download whose result is known by its hash. `builtins.fetch*` with a hash,
 * `builtin:fetchurl` derivations and locked flake inputs all become one, and none runs before its content is needed.
 */
export type FetchRequest =
  /** One file, as it is (`unpack` false), or unpacked into a directory (tarball or zip, its single top folder stripped). */
  | {
    readonly kind: 'url'
    readonly name: string
    /** Tried in this order, each on the configured mirrors first. */
    readonly urls: readonly string[]
    readonly unpack: boolean
    readonly executable: boolean
    /** SRI or `algo:hash`; the hash of the file (`flat`) or of the NAR of the result (`nar`). */
    readonly hash: string
    readonly method: 'flat' | 'nar'
    /** Text that the downloaded NAR is, for `fetchurl` with `unpack` of `.nar.xz`. */
    readonly isNar?: boolean
  }
  | {
    readonly kind: 'git'
    readonly name: string
    readonly url: string
    readonly revision: string
    readonly ref?: string
    readonly submodules: boolean
    readonly shallow: boolean
    readonly exportIgnore: boolean
    readonly lfs: boolean
    /** NAR hash, if known beforehand. */
    readonly hash?: string
  }

/** A download whose result no hash tells beforehand: done once for an evaluation, then remembered in its journal. */
export interface UnlockedFetch {
  readonly kind: 'url' | 'tarball' | 'git' | 'mercurial'
  readonly name: string
  readonly url: string
  readonly ref?: string
  readonly revision?: string
  readonly submodules?: boolean
  readonly shallow?: boolean
  readonly exportIgnore?: boolean
  readonly lfs?: boolean
}

/** What an unlocked fetch gave. */
export interface UnlockedFetchResult {
  /** Store path, absolute. */
  readonly storePath: string
  /** SRI. */
  readonly narHash: string
  /** Of a commit; a working tree with changes has none. */
  readonly revision?: string
  readonly revisionCount?: number
  /** The commit that a working tree with changes is based on. */
  readonly dirtyRevision?: string
  /** Seconds since 1970. */
  readonly lastModified?: number
  /** The address to use for it from now on, where the server said so (`Link: rel="immutable"`). */
  readonly lockedUrl?: string
}
