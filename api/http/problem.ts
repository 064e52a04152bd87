/**
 * Ring: api. Errors as problem+json (RFC 9457). The kind of a FirnError is the stable name that programs decide by; the
 * HTTP status follows from it by one table.
 */
import type { z } from 'zod'
import { asFirnError, type ErrorKind, FirnError } from '../../contract/errors.ts'
import type { Problem } from '../../contract/api.ts'
import { databaseError } from '../../store/database.ts'

const STATUS: Record<ErrorKind, number> = {
  'invalid-input': 400,
  'not-found': 404,
  'forbidden': 403,
  'conflict': 409,
  'hash-mismatch': 422,
  'corrupt': 500,
  'unavailable': 503,
  'exhausted': 503,
  'killed': 503,
  'limit': 413,
  'missing-requirement': 503,
  'cancelled': 503,
  'internal': 500,
}

const TITLE: Readonly<Record<number, string>> = {
  400: 'Bad request', 401: 'Unauthorized', 403: 'Forbidden', 404: 'Not found', 405: 'Method not allowed', 409: 'Conflict',
  412: 'Precondition failed', 413: 'Content too large', 415: 'Unsupported media type', 416: 'Range not satisfiable',
  422: 'Unprocessable content', 429: 'Too many requests', 500: 'Internal error', 503: 'Unavailable',
}

/** A problem that HTTP itself has a status for (415, 416, 405, 401), beyond what the kinds of FirnError tell apart. */
export class HttpError extends FirnError {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  constructor(status: number, kind: ErrorKind, message: string, options: { headers?: Record<string, string>; data?: Record<string, unknown>; cause?: unknown } = {}) {
    super(kind, message, options)
    this.status = status
    this.headers = options.headers ?? {}
  }
}

/** What of a request did not fit its schema. */
export class RequestError extends FirnError {
  readonly issues: readonly { readonly path: string; readonly message: string }[]
  constructor(where: string, error: z.ZodError) {
    const issues = error.issues.map((issue) => ({ path: [where, ...issue.path.map(String)].join('.'), message: issue.message }))
    super('invalid-input', issues.map((issue) => `${issue.path}: ${issue.message}`).join('; ').slice(0, 2000))
    this.issues = issues
  }
}

/** Status, headers and body that tell of an error. What is internal is told by its request id, not by its message. */
export function problemOf(thrown: unknown, requestId: string): { status: number; headers: Readonly<Record<string, string>>; body: Problem } {
  const error = asFirnError(foreignError(thrown))
  const status = error instanceof HttpError ? error.status : STATUS[error.kind]
  const hidden = error.kind === 'internal' && !(error instanceof HttpError)
  const body: Problem = {
    type: `urn:firn:problem:${error.kind}`,
    title: TITLE[status] ?? 'Error',
    status,
    detail: hidden ? `an error inside Firn; the server's log tells more under request ${requestId}` : error.message,
    kind: error.kind,
    requestId,
  }
  if (!hidden && Object.keys(error.data).length > 0) body.data = { ...error.data }
  if (error instanceof RequestError) body.issues = [...error.issues]
  return { status, headers: error instanceof HttpError ? error.headers : {}, body }
}

/** Errors of express' body parser and router carry a status; the portable rings' errors a kind of their own. */
function foreignError(thrown: unknown): unknown {
  if (thrown instanceof FirnError || !(thrown instanceof Error)) return thrown
  if ('kind' in thrown && thrown.kind === 'format') return new HttpError(422, 'invalid-input', thrown.message, { cause: thrown })
  const status = 'status' in thrown && typeof thrown.status === 'number' ? thrown.status : 0
  if (status === 413) return new FirnError('limit', 'the request body is too large', { cause: thrown })
  if (status === 415) return new HttpError(415, 'invalid-input', thrown.message, { cause: thrown })
  if (status >= 400 && status < 500) return new FirnError('invalid-input', thrown.message, { cause: thrown })
  return databaseError(thrown)
}
