/** Ring: api. Sessions: beginning one with a password, ending it, and saying who somebody is. */
import type { Session } from '../../contract/access.ts'
import { beginSession, endSession, findSession, hasPasswords, passwordOf, setPassword, type UserOfSession } from '../../state/users.ts'
import type { ApiDependencies } from '../dependencies.ts'
import type { Exchange } from '../http/router.ts'
import { Attempts, wrongPassword } from './attempts.ts'
import { cookie, cookieOf, SESSION_COOKIE } from './cookies.ts'
import { hashPassword, verifyPassword } from './passwords.ts'
import type { OpenIdSignIn } from './openid.ts'
import { NOBODY, type Principal, principalOfUser } from './principal.ts'

const DAY_SECONDS = 86_400

export class SignIn {
  readonly openId: OpenIdSignIn
  readonly #parts: Pick<ApiDependencies, 'database' | 'settings'>
  readonly #forget: (session: string) => void
  readonly #attempts = new Attempts()

  constructor(parts: Pick<ApiDependencies, 'database' | 'settings'>, openId: OpenIdSignIn, forget: (session: string) => void) {
    this.#parts = parts
    this.openId = openId
    this.#forget = forget
  }

  /** Begins a session; sets its cookie. Errors: 401, 'limit' (429). */
  async withPassword(exchange: Pick<Exchange, 'response'>, name: string, password: string): Promise<UserOfSession> {
    return await this.begin(exchange, await this.#userId(name, password))
  }

  async begin({ response }: Pick<Exchange, 'response'>, userId: number): Promise<UserOfSession> {
    const { database: { db }, settings } = this.#parts
    const { text } = await beginSession(db, userId, settings.signIn.sessionDays)
    const user = await findSession(db, text)
    if (!user) throw wrongPassword()
    response.append('Set-Cookie', cookie(settings.api, SESSION_COOKIE, text, { seconds: settings.signIn.sessionDays * DAY_SECONDS }))
    return user
  }

  async end({ request, response }: Pick<Exchange, 'request' | 'response'>): Promise<void> {
    const text = cookieOf(request, SESSION_COOKIE)
    if (text === undefined) return
    await endSession(this.#parts.database.db, text)
    this.#forget(text)
    response.append('Set-Cookie', cookie(this.#parts.settings.api, SESSION_COOKIE, '', { seconds: 0 }))
  }

  /** Ends all sessions of the user but a new one. */
  async changePassword(exchange: Exchange, name: string, old: string, password: string): Promise<UserOfSession> {
    const id = await this.#userId(name, old)
    await setPassword(this.#parts.database.db, id, await hashPassword(password))
    const before = cookieOf(exchange.request, SESSION_COOKIE)
    if (before !== undefined) this.#forget(before)
    return await this.begin(exchange, id)
  }

  async #userId(name: string, password: string): Promise<number> {
    this.#attempts.admit(name)
    const known = await passwordOf(this.#parts.database.db, name.replaceAll('\0', ''))
    if (!await verifyPassword(password, known?.password) || !known) {
      this.#attempts.failed(name)
      throw wrongPassword()
    }
    this.#attempts.succeeded(name)
    return known.id
  }

  async present({ kind, name, displayName, scopes, projects, expiresAt }: Principal): Promise<Session> {
    const { title } = this.openId
    return {
      kind, name, displayName, scopes: [...scopes], expiresAt: expiresAt?.toISOString() ?? null,
      roles: [...projects.values()].map((one) => ({ project: one.project, scopes: [...one.scopes] })),
      signIn: { password: await hasPasswords(this.#parts.database.db), openId: title === undefined ? null : { title } },
    }
  }

  async presentUser(user: UserOfSession | undefined): Promise<Session> {
    return await this.present(user ? principalOfUser(user) : NOBODY)
  }
}
