/**
 * Ring: activities. One HTTP request of a notification. What a server refuses for good is 'invalid-input' and not tried again; what it may take
 * later is 'unavailable'; where it says when, that is when.
 */
import { ApplicationFailure } from '@temporalio/common'
import { FirnError } from '../../contract/errors.ts'
import { isAtAllowedHost } from '../../contract/hosts.ts'

const TIMEOUT_MILLISECONDS = 30_000
/** A limit that ends later than this is asked about again before. */
const LONGEST_WAIT_SECONDS = 3600

export interface Sending {
  readonly method: 'GET' | 'POST'
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
  /** What it is about, for errors. */
  readonly what: string
}

/** Gives the body of a good answer. */
export type Send = (sending: Sending) => Promise<string>

/** Sends to these hosts only (`notifications.hosts`): who may define a jobset could ask servers behind the farm's firewall otherwise. */
export function sendTo(hosts: readonly string[]): Send {
  return async (sending) => {
    if (!isAtAllowedHost(sending.url, hosts)) throw new FirnError('invalid-input', `${sending.what}: ${new URL(sending.url).host} is not among the hosts that this farm sends to (notifications.hosts)`)
    return await send(sending)
  }
}

async function send({ method, url, headers, body, what }: Sending): Promise<string> {
  let response: Response
  try {
    // a server that leads elsewhere would get the secrets there
    response = await fetch(url, { method, headers: { 'user-agent': 'firn', ...headers }, ...(body === undefined ? {} : { body }), redirect: 'manual', signal: AbortSignal.timeout(TIMEOUT_MILLISECONDS) })
  } catch (error) {
    throw new FirnError('unavailable', `${what}: ${new URL(url).host} does not answer`, { cause: error })
  }
  const text = (await response.text().catch(() => '')).slice(0, 1_000_000)
  if (response.ok) return text
  const message = `${what}: ${new URL(url).host} answered ${response.status}${text === '' ? '' : `: ${text.slice(0, 300)}`}`
  const wait = waitOf(response)
  if (wait !== undefined) throw ApplicationFailure.create({ message, type: 'unavailable', nextRetryDelay: wait * 1000 })
  if (response.status >= 500 || response.status === 408) throw new FirnError('unavailable', message)
  throw new FirnError('invalid-input', message)
}

/** Seconds, where the server counts requests and has had enough of them. GitHub says so by 403 as well. */
function waitOf({ status, headers }: Response): number | undefined {
  const after = headers.get('retry-after')
  const spent = headers.get('x-ratelimit-remaining') === '0' || headers.get('ratelimit-remaining') === '0'
  if (status !== 429 && !(status === 403 && (spent || after !== null))) return undefined
  if (after !== null && /^\d{1,6}$/.test(after)) return Math.min(LONGEST_WAIT_SECONDS, Math.max(1, Number(after)))
  const reset = Number(headers.get('x-ratelimit-reset') ?? headers.get('ratelimit-reset') ?? 'none')
  return Number.isFinite(reset) ? Math.min(LONGEST_WAIT_SECONDS, Math.max(1, Math.ceil(reset - Date.now() / 1000))) : 60
}
