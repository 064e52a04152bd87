/** Ring: fetchers. Why a download fails. */
import { FirnError } from '../contract/errors.ts'

/** One address failed. `permanent`: the server answered and asking again would change nothing. */
export class DownloadError extends FirnError {
  readonly url: string
  readonly permanent: boolean

  constructor(url: string, reason: string, options: { permanent?: boolean; cause?: unknown; data?: Record<string, unknown> } = {}) {
    super('unavailable', `unable to download '${withoutPassword(url)}': ${reason}`, { data: { url: withoutPassword(url), ...options.data }, cause: options.cause })
    this.url = url
    this.permanent = options.permanent ?? false
  }
}

/** An address fit to be shown and recorded. */
export function withoutPassword(url: string): string {
  return url.replace(/^([a-z][a-z0-9+.-]*:\/\/[^/:@]*):[^/@]*@/i, '$1:***@')
}
