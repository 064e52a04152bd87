/** Ring: api. If-Match and If-None-Match of requests that replace something: versions are the ETags. */
import type { Precondition } from '../../state/projects.ts'
import { asFirnError } from '../../contract/errors.ts'
import { HttpError } from './problem.ts'

export function preconditionOf(headers: { readonly 'if-match'?: string | undefined; readonly 'if-none-match'?: '*' | undefined }): Precondition {
  const version = /"(\d+)"/.exec(headers['if-match'] ?? '')?.[1]
  return { ...(version === undefined ? {} : { version: Number(version) }), ...(headers['if-none-match'] === '*' ? { absent: true } : {}) }
}

/** What does not hold is 412, whatever else would be a conflict. */
export async function conditionally<T>(write: () => Promise<T>): Promise<T> {
  try {
    return await write()
  } catch (error) {
    const { kind, message } = asFirnError(error)
    if (kind === 'conflict') throw new HttpError(412, 'conflict', message, { cause: error })
    throw error
  }
}
