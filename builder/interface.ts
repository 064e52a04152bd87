/**
 * Ring: builder. What a build is, as pure data, and what a driver makes of it.
 * Upstream counterpart: DerivationBuilderParams and DerivationBuilder (libstore/build/derivation-builder.hh).
 *
 * Texts that come from a derivation (builder, arguments, environment, files) are byte strings: a character is a byte.
 */
import type { StorePath } from '../nix/store-path.ts'

/** A valid store path that the build may read, and where it lies on this machine. */
export interface BuildInput {
  readonly storePath: StorePath
  /** Absolute; a file, a folder or a symbolic link. */
  readonly localPath: string
}

export interface BuildOutput {
  readonly name: string
  /** Where the build writes it: its final path, or a scratch path where that isn't known yet. */
  readonly storePath: StorePath
}

export interface BuildLimits {
  /** Whole build; 0 for none. */
  readonly timeoutSeconds: number
  /** Between two writes to the log; 0 for none. */
  readonly silentSeconds: number
  /** Bytes of log; 0 for none. */
  readonly logBytes: number
  /** Memory of all processes of the build; absent for no limit. */
  readonly memoryBytes?: number
}

export interface BuildRequest {
  /** For people: the derivation's name. */
  readonly name: string
  readonly system: string
  /** Absolute path in the container. */
  readonly builder: string
  /** Without argv[0], which is the builder's base name. */
  readonly args: readonly string[]
  /** Complete and final. */
  readonly environment: ReadonlyMap<string, string>
  /** Name in /build → content. */
  readonly files: ReadonlyMap<string, string>
  /** The closure, all of it: nothing else of the store can be seen. */
  readonly inputs: readonly BuildInput[]
  readonly outputs: readonly BuildOutput[]
  /** `none`: only loopback, of its own. `outside`: a fixed output, which may download. */
  readonly network: 'none' | 'outside'
  /** Show /dev/kvm. */
  readonly kvm: boolean
  readonly limits: BuildLimits
}

export interface BuildOptions {
  /** Log as it is written, standard output and error as one stream. A promise holds back the builder while it is pending. */
  readonly onLog?: (chunk: Uint8Array) => void | Promise<void>
  /** Kills the build. */
  readonly signal?: AbortSignal
}

export type BuildEnd =
  /** `signal` where the code says that one ended the builder. */
  | { readonly kind: 'exited'; readonly exitCode: number; readonly signal?: string }
  | { readonly kind: 'timed-out'; readonly seconds: number; readonly silent: boolean }
  | { readonly kind: 'log-limit'; readonly bytes: number }
  | { readonly kind: 'cancelled' }

/** A build that has ended. Its folders are kept until `release`. */
export interface BuildResult {
  readonly end: BuildEnd
  /** Output name → local path of what the build wrote, for those that exist. On the local store's file system. */
  readonly outputs: ReadonlyMap<string, string>
  readonly durationSeconds: number
  readonly logBytes: number
  /** Most memory used, where it could be told. */
  readonly peakMemoryBytes?: number
  /** Numeric owner of what the build wrote, as this machine sees it; absent where nothing can be told from it. */
  readonly owner?: number
  /** What was /build. */
  readonly buildFolder: string
  /** Removes the build's folders with whatever outputs are still there. With `keep`, the build folder stays and its place is returned. */
  release(options?: { readonly keep?: boolean }): Promise<string | undefined>
}

export interface ReapReport {
  readonly containers: number
  readonly cgroups: number
  readonly folders: number
}

/**
 * Runs builds. One driver per worker. Errors of `run` are faults of the machine, never results of the build:
 * 'missing-requirement', 'exhausted', 'killed' (the container vanished), 'invalid-input' (the request can't be expressed).
 */
export interface BuildDriver {
  readonly name: string
  /** A build is about to be run: what takes time and needs to know nothing of it may begin. Changes nothing that can be seen, and never fails. */
  prepare?(): void
  run(request: BuildRequest, options?: BuildOptions): Promise<BuildResult>
  /** Kills and deletes whatever an earlier driver with the same owner left behind. Call it before the first `run`. */
  reap(): Promise<ReapReport>
  /** Ends what the driver itself keeps running; builds must have ended. */
  close(): Promise<void>
}
