/**
 * Ring: contract. Every error that crosses a border of Firn carries a stable `kind`, its data, and its cause.
 * Across Temporal the kind is the failure's type; `RETRIED` says which kinds are faults of the machinery (tried
 * again elsewhere) and which are results or mistakes of the caller (never tried again by themselves).
 */

export const RETRIED = {
  /** The caller's input does not parse or does not fit; the message says what to do. */
  'invalid-input': false,
  /** What was asked for does not exist. */
  'not-found': false,
  /** The caller may not do this. */
  'forbidden': false,
  /** The state of things does not allow it (already finished, already exists). */
  'conflict': false,
  /** A hash is not what was promised. Cached as a result. */
  'hash-mismatch': false,
  /** Stored data does not match its digest; never served. */
  'corrupt': false,
  /** A server did not answer, or a connection broke. */
  'unavailable': true,
  /** No space left, out of memory, too many files: another machine, or this one later, may do it. */
  'exhausted': true,
  /** A process of ours died. */
  'killed': true,
  /** A limit of time or size that belongs to the request was met. */
  'limit': false,
  /** The machine lacks something to install; the message names it. */
  'missing-requirement': false,
  /** Cancelled by a user, or nobody wants it any more. */
  'cancelled': false,
  /** A bug of Firn. */
  'internal': true,
} as const satisfies Record<string, boolean>

export type ErrorKind = keyof typeof RETRIED

/** Base of all errors that Firn raises on purpose. `data` is JSON and is shown with `--json` and in API problems. */
export class FirnError extends Error {
  readonly kind: ErrorKind
  readonly data: Readonly<Record<string, unknown>>

  constructor(kind: ErrorKind, message: string, options: { data?: Record<string, unknown>; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = `FirnError(${kind})`
    this.kind = kind
    this.data = options.data ?? {}
  }
}

/** The error as a FirnError; anything unknown becomes `internal` with its cause kept. */
export function asFirnError(error: unknown): FirnError {
  if (error instanceof FirnError) return error
  const message = error instanceof Error ? error.message : String(error)
  return new FirnError(kindOfSystemError(error), message, { cause: error })
}

/** The `code` that the system (`ENOENT`), Node or a database (an SQLSTATE) put on an error; undefined where it has none. */
export function errorCode(error: unknown): string | undefined {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : undefined
}

function kindOfSystemError(error: unknown): ErrorKind {
  const code = errorCode(error) ?? ''
  if (['ENOSPC', 'EDQUOT', 'EMFILE', 'ENFILE', 'ENOMEM'].includes(code)) return 'exhausted'
  if (['ECONNREFUSED', 'ECONNRESET', 'ETIMEDOUT', 'EPIPE', 'ENOTFOUND', 'EAI_AGAIN'].includes(code)) return 'unavailable'
  return 'internal'
}
