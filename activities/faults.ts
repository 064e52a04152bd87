/** Ring: activities. Errors on their way to Temporal: the kind is the failure's type, and says whether it is tried again. */
import { ApplicationFailure, CancelledFailure } from '@temporalio/common'
import { asFirnError, type ErrorKind, RETRIED } from '../contract/errors.ts'

/** The failure that Temporal gets for an error. What is no result is retried elsewhere by the table of contract/errors.ts. */
export function failureOf(error: unknown): Error {
  if (error instanceof ApplicationFailure || error instanceof CancelledFailure) return error
  const known = asFirnError(error)
  const kind = kindOfDatabaseError(error) ?? known.kind
  return ApplicationFailure.create({ message: known.message, type: kind, nonRetryable: !RETRIED[kind], details: [known.data], cause: known })
}

/** Runs an activity's body so that what it throws is a failure with a kind. */
export async function withKinds<T>(body: () => Promise<T>): Promise<T> {
  try {
    return await body()
  } catch (error) {
    throw failureOf(error)
  }
}

/** A database that restarts, or that ended a transaction for another's sake. */
function kindOfDatabaseError(error: unknown): ErrorKind | undefined {
  if (!(error instanceof Error)) return undefined
  const code = 'code' in error ? String(error.code) : ''
  if (/^(08|57P|25006|40)/.test(code) || /Connection terminated|timeout exceeded when trying to connect/.test(error.message)) return 'unavailable'
  return /^53/.test(code) ? 'exhausted' : undefined
}
