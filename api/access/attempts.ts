/**
 * Ring: api. How often a name may be tried: after five failures it has to wait, the longer the more there were. Kept in the process, so that
 * several of them allow a few tries more. By name and not by address: guesses come from many addresses, and a farm's users from one.
 */
import type { FirnError } from '../../contract/errors.ts'
import { HttpError } from '../http/problem.ts'

const FREE = 5
const LONGEST_MILLISECONDS = 15 * 60_000
const REMEMBERED = 10_000

export class Attempts {
  readonly #failures = new Map<string, { count: number; until: number }>()
  readonly #now: () => number

  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  /** Errors: 'limit' (429) while the name has to wait. */
  admit(name: string): void {
    const known = this.#failures.get(name)
    const wait = known === undefined || known.count < FREE ? 0 : Math.ceil((known.until - this.#now()) / 1000)
    if (wait > 0) throw new HttpError(429, 'limit', `too many wrong passwords for '${name.slice(0, 100)}'; try again in ${wait} seconds`, { headers: { 'Retry-After': String(wait) } })
  }

  failed(name: string): void {
    const count = (this.#failures.get(name)?.count ?? 0) + 1
    if (this.#failures.size >= REMEMBERED) this.#failures.clear()
    this.#failures.set(name, { count, until: this.#now() + Math.min(LONGEST_MILLISECONDS, 1000 * 2 ** Math.max(0, count - FREE)) })
  }

  succeeded(name: string): void {
    this.#failures.delete(name)
  }
}

/** The same for an unknown name and a wrong password. */
export function wrongPassword(): FirnError {
  return new HttpError(401, 'forbidden', 'the name or the password is wrong')
}
