/** Ring: activities. Errors on their way to Temporal: the kind is the failure's type, and says whether it is tried again. */
import { ApplicationFailure, CancelledFailure } from '@temporalio/common'
import { asFirnError, RETRIED } from '../contract/errors.ts'
import { kindOfDatabaseError } from '../store/database.ts'

/** The failure that Temporal gets for an error. What is no result is retried elsewhere by the table of contract/errors.ts. */
export function failureOf(error: unknown): Error {
  if (error instanceof ApplicationFailure || error instanceof CancelledFailure) return error
  const known = asFirnError(error)
  const kind = (error instanceof Error ? kindOfDatabaseError(error) : undefined) ?? known.kind
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
