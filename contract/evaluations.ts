/**
 * Ring: contract. What may be evaluated, and what the evaluator's process and its supervisor say to each other.
 * The process speaks first, on its own file descriptors: what it says are frames (evaluator/frames.ts), what it is told one JSON value a line.
 */
import type { DerivationHash } from '../nix/derivation-hash.ts'
import type { FetchRequest, UnlockedFetch, UnlockedFetchResult } from './fetch.ts'

/** Arguments as given to `--arg` (an expression) and `--argstr` (a string). */
export type EvaluationArgument = { readonly kind: 'expression' | 'string'; readonly value: string }

export interface EvaluationSettings {
  readonly currentSystem: string
  readonly nixVersion: string
  /** `restricted` reads only what was given as input and the store; `pure` moreover knows no time, system or environment. */
  readonly mode: 'impure' | 'restricted' | 'pure'
  readonly allowedUris: readonly string[]
  /** Only allowed addresses are fetched in pure evaluation too; restricted evaluation always does that. */
  readonly restrictUris?: boolean
  readonly allowedPaths: readonly string[]
  /** Entries of NIX_PATH and -I, in order: `prefix` may be empty. */
  readonly searchPath: readonly { readonly prefix: string; readonly path: string }[]
  readonly allowImportFromDerivation: boolean
  readonly showTrace: boolean
}

/** What an evaluation is asked to do. Kept as JSON in `evaluation.request`. */
export interface EvaluationRequest {
  /** A file or folder (`default.nix`) on the machine, a file in the store (uploaded before), an expression, or a .drv. */
  readonly source:
    | { readonly kind: 'file'; readonly path: string }
    | { readonly kind: 'store'; readonly storePath: string; readonly file: string }
    | { readonly kind: 'expression'; readonly text: string; readonly basePath: string }
    /** A flake by its address (`github:o/r`, `git+file:///folder?dir=x`); attributes are looked for below each prefix in turn (`packages.x86_64-linux.`), then as they are. */
    | { readonly kind: 'flake'; readonly reference: string; readonly prefixes: readonly string[] }
    | { readonly kind: 'derivations'; readonly drvPaths: readonly string[] }
  /** Attribute paths to build, as users write them (`a.b`, `a."b.c"`); empty means the whole value. */
  readonly attributes: readonly string[]
  readonly arguments: Readonly<Record<string, EvaluationArgument>>
  /** Walk into attribute sets (`recurseForDerivations`), as jobsets do; otherwise each attribute is one derivation or a list of them. */
  readonly recurse: boolean
  readonly settings: Partial<EvaluationSettings>
  /** Find derivations, but build none (imports are still built). */
  readonly dryRun: boolean
  readonly priority: number
  /** Of jobsets: whether jobs carry their `meta`, and whether every set is walked into or only those that say so. */
  readonly jobs?: { readonly meta: boolean; readonly walk: 'all' | 'marked' } | undefined
}

export interface SourcePosition {
  readonly file: string
  readonly line: number
  readonly column: number
}

/** A job as the evaluator found it; the fields of nix-eval-jobs. */
export interface FoundJob {
  readonly attr: string
  readonly attrPath: readonly string[]
  readonly name: string
  readonly system: string
  readonly drvPath: string
  /** Output name → store path; null where it isn't known before the inputs are (floating content-addressed). */
  readonly outputs: Readonly<Record<string, string | null>>
  readonly meta?: unknown
  /** What `--apply` made of it. */
  readonly extraValue?: unknown
  /** .drv path → output names. */
  readonly inputDrvs: Readonly<Record<string, readonly string[]>>
  readonly constituents?: readonly string[]
  readonly requiredSystemFeatures: readonly string[]
}

/** Where something stands: below which of the attributes that were asked for, and the names from there, byte strings. */
export interface JobPlace {
  readonly root: number
  readonly names: readonly string[]
}

/** What an evaluator can't go on without. `key` is equal for equal needs of one evaluation. */
export type Need =
  /** The outputs of a derivation that was written before. */
  | { readonly kind: 'realise'; readonly key: string; readonly drvPath: string; readonly outputs: readonly string[] }
  /** The content of a fetch with a known hash. */
  | { readonly kind: 'fetch'; readonly key: string; readonly storePath: string; readonly request: FetchRequest }
  /** A fetch without a known hash. */
  | { readonly kind: 'unlocked-fetch'; readonly key: string; readonly request: UnlockedFetch }
  /** A store path that nobody said how to make: found in the farm's store or in a substituter, or fails. */
  | { readonly kind: 'path'; readonly key: string; readonly storePath: string }

export type NeedAnswer =
  /** Readable at `localPath` from now on. */
  | { readonly key: string; readonly ok: true; readonly storePath: string; readonly localPath: string; readonly fetched?: UnlockedFetchResult; /** store paths that it refers to, absolute: `readFile` gives its text that context */ readonly references?: readonly string[] }
  /** The message becomes an evaluation error at the place that needs it. */
  | { readonly key: string; readonly ok: false; readonly message: string }

/** From the evaluator's process to its supervisor, in an order that matters: content comes before what refers to it. */
export type EvaluatorMessage =
  | { readonly kind: 'ready' }
  /** A tree was added to the store: ingest it (after the filter: these paths only, relative, where `entries` is given). */
  | { readonly kind: 'source'; readonly storePath: string; readonly localPath: string; readonly narHash: string; readonly recursive: boolean; readonly entries?: readonly string[] }
  /** A text was added to the store (`toFile`). */
  | { readonly kind: 'text'; readonly storePath: string; readonly content: string; readonly references: readonly string[] }
  /** A derivation was written; `aterm` is its content, in memory that may be used again: good until who gets the message returns. References are its inputs. */
  | { readonly kind: 'derivation'; readonly drvPath: string; readonly aterm: Uint8Array; readonly references: readonly string[] }
  /** A fetch with a known hash was mentioned (not needed yet): a derivation may have it as input source. */
  | { readonly kind: 'known-fetch'; readonly storePath: string; readonly request: FetchRequest }
  | { readonly kind: 'job'; readonly job: FoundJob }
  | { readonly kind: 'job-error'; readonly attr: string; readonly attrPath: readonly string[]; readonly message: string; readonly position?: SourcePosition; /** needs that failed and made this error: a retry of them evaluates the attribute again */ readonly needs: readonly string[] }
  | { readonly kind: 'needs'; readonly needs: readonly Need[] }
  | { readonly kind: 'journal'; readonly key: string; readonly value: unknown }
  | { readonly kind: 'trace'; readonly level: 'trace' | 'warn'; readonly text: string }
  | { readonly kind: 'progress'; readonly attributesDone: number; readonly attributesWaiting: number; readonly needsOutstanding: number; readonly busySeconds: number }
  /** Nothing left to do before an answer comes: everything waits. */
  | { readonly kind: 'idle' }
  /** Done; an error of the whole (a syntax error, an unknown attribute) has a message. */
  | { readonly kind: 'finished'; readonly error?: { readonly message: string; readonly position?: SourcePosition } }
  | MemberMessage

/**
 * From a process that shares an evaluation with others (evaluator/shared/), which nobody else hears. `report` follows each sweep: what was found
 * since the last one, and how the process stands after having heard so many messages of this evaluation.
 */
export type MemberMessage =
  | { readonly kind: 'report'; readonly heard: number; readonly attributesDone: number; /** of those that aren't done: to be tried in the next sweep */ readonly attributesReady: number; readonly attributesWaiting: number; readonly busySeconds: number; readonly found: readonly JobPlace[]; readonly aggregates: readonly JobPlace[]; /** what took long */ readonly slow: readonly { readonly place: JobPlace; readonly milliseconds: number }[] }
  /** Hashes modulo of derivations, in the order in which they were asked for. */
  | { readonly kind: 'hashes'; readonly hashes: readonly DerivationHash[] }

export interface ShareStart {
  /** What all take for the time where the journal has none. */
  readonly time: number
  /** Begin with the value as a whole before anything is taken. */
  readonly prepare: boolean
  /** What was answered before this process joined. */
  readonly answers: readonly NeedAnswer[]
}

/** To such a process: it evaluates what it is told to take, as often as it is, until the evaluation ends. */
export type ToMember =
  | { readonly kind: 'take'; readonly places: readonly JobPlace[] }
  | { readonly kind: 'hash'; readonly drvPaths: readonly string[] }
  /** All jobs are known, by name; these are those that it didn't find itself. It completes the aggregates that it took, and these. */
  | { readonly kind: 'conclude'; readonly aggregates: readonly JobPlace[]; readonly jobs: readonly { readonly attr: string; readonly drvPath: string; readonly hash?: DerivationHash }[] }
  /** Nothing more of this evaluation is wanted: `ready` once it has stopped. */
  | { readonly kind: 'end' }

/** From the supervisor to the process. */
export type SupervisorMessage =
  | { readonly kind: 'start'; readonly request: EvaluationRequest; readonly settings: EvaluationSettings; /** local folder where store paths are readable, and where needs are laid out */ readonly localStore: string; readonly journal: Readonly<Record<string, unknown>>; /** stay when finished: another `start` with the same settings and folder may follow, and finds what is still true */ readonly keep?: boolean; /** this process is one of several */ readonly share?: ShareStart }
  | { readonly kind: 'answers'; readonly answers: readonly NeedAnswer[] }
  | { readonly kind: 'stop' }
  | ToMember
