/**
 * Ring: api. Who asks: a token, a user's session, or nobody. A farm on a machine of one's own (listening on loopback) is open; any other asks.
 * Nix sends what stands in its netrc file, so the password of Basic authentication is taken as a token too.
 */
import type { Request, Response } from 'express'
import { FirnError } from '../../contract/errors.ts'
import { findSession, findUserById } from '../../state/users.ts'
import { cookieOf, SESSION_COOKIE } from '../access/cookies.ts'
import { ANYBODY, describe, type Guarded, mayCall, NOBODY, type Principal, principalOfToken, principalOfUser } from '../access/principal.ts'
import type { ApiDependencies } from '../dependencies.ts'
import { findToken } from '../tokens.ts'
import { HttpError } from './problem.ts'

/** Gives who asks, if they may call the route. Errors: 'forbidden' (401 where signing in would help). */
export type Authorise = (request: Request, route: Guarded) => Promise<Principal>

/** Tokens and sessions found good are believed this long, so that a client's thousand requests are not a thousand queries. */
const REMEMBER_MILLISECONDS = 10_000
const REMEMBER_COUNT = 1000

export interface Authorisation {
  readonly authorise: Authorise
  /** A session has ended: it is not believed any longer. */
  forget(session: string): void
}

export function authorisation({ settings, database }: Pick<ApiDependencies, 'settings' | 'database'>): Authorisation {
  const open = settings.api.access === 'open' || (settings.api.access === 'auto' && isLoopback(settings.api.address))
  const publicHost = settings.api.publicUrl === undefined ? undefined : hostOf(settings.api.publicUrl)
  const remembered = new Map<string, { readonly principal: Principal; readonly until: number }>()

  async function remember(key: string, find: () => Promise<Principal | undefined>): Promise<Principal | undefined> {
    const known = remembered.get(key)
    if (known && known.until > performance.now()) return known.principal
    remembered.delete(key)
    const principal = await find()
    if (principal) {
      if (remembered.size >= REMEMBER_COUNT) remembered.clear()
      remembered.set(key, { principal, until: performance.now() + REMEMBER_MILLISECONDS })
    }
    return principal
  }

  const ofToken = async (text: string): Promise<Principal | undefined> => {
    const token = await findToken(database.db, text)
    if (!token || token.user_id === null) return token && principalOfToken(token, undefined)
    const owner = await findUserById(database.db, token.user_id)
    return owner && principalOfToken(token, principalOfUser(owner))
  }

  /** Errors: 401 for a token that is no good, whatever is asked for; a session that has ended is none. */
  async function principalOf(request: Request, route: Guarded): Promise<Principal> {
    const text = credentials(request)
    if (text !== undefined) {
      const principal = await remember(`token ${text}`, () => ofToken(text))
      if (principal) return principal
      if (route.scope === 'open') return NOBODY
      throw new HttpError(401, 'forbidden', 'the token is not known, has expired, or was revoked', { headers: { 'WWW-Authenticate': 'Bearer realm="firn", error="invalid_token"' } })
    }
    const cookie = cookieOf(request, SESSION_COOKIE)
    const principal = cookie === undefined ? undefined : await remember(`session ${cookie}`, async () => { const user = await findSession(database.db, cookie); return user && principalOfUser(user) })
    if (principal) {
      refuseForeignOrigin(request, publicHost)
      // who has signed in to an open farm may do no less there than who has not
      return open ? { ...principal, scopes: ANYBODY.scopes } : principal
    }
    // open routes too: a page of another site that signs somebody in is as bad
    if (!open && route.scope === 'open') refuseForeignOrigin(request, publicHost)
    if (!open) return NOBODY
    if (settings.api.access === 'auto') refuseForeignPages(request, publicHost, route)
    return ANYBODY
  }

  return {
    forget: (session) => { remembered.delete(`session ${session}`) },
    async authorise(request, route) {
      const principal = await principalOf(request, route)
      if (route.scope === 'open' || await mayCall(database.db, principal, route, request)) return principal
      if (principal.kind === 'nobody') throw new HttpError(401, 'forbidden', 'this farm asks who you are: sign in, or send a token as `Authorization: Bearer …`', { headers: { 'WWW-Authenticate': 'Bearer realm="firn"' } })
      throw new FirnError('forbidden', describe(principal, route.scope))
    },
  }
}

/** For handlers: who asked, as `authorise` has found. */
export function principalOfResponse(response: Response): Principal {
  return (response.locals['principal'] as Principal | undefined) ?? NOBODY
}

/**
 * An open farm on loopback can be reached by any page in a browser of that machine. Browsers say where a request comes
 * from; what would change something is taken from the farm's own pages only. A page that made its own name point at this machine
 * (DNS rebinding) gives itself away by the host it asks for.
 */
function refuseForeignPages(request: Request, publicHost: string | undefined, route: Guarded): void {
  const host = request.headers.host
  const name = host?.replace(/:\d+$/, '').replace(/^\[|\]$/g, '')
  if (route.scope !== 'open' && name !== undefined && !isLoopback(name) && host !== publicHost) throw new FirnError('forbidden', `this farm does not answer for '${name.slice(0, 200)}'; set api.publicUrl if it should`)
  refuseForeignOrigin(request, publicHost)
}

function refuseForeignOrigin(request: Request, publicHost: string | undefined): void {
  const origin = request.headers.origin
  if (origin === undefined || request.method === 'GET' || request.method === 'HEAD') return
  const from = hostOf(origin)
  // behind a proxy the host may be rewritten; the public address is what the browser saw
  if (from === undefined || (from !== request.headers.host && from !== publicHost)) throw new FirnError('forbidden', `requests from pages of ${origin.slice(0, 200)} are not taken`)
}

function hostOf(url: string): string | undefined {
  return URL.canParse(url) ? new URL(url).host : undefined
}

function credentials(request: Request): string | undefined {
  const header = request.headers.authorization
  if (header === undefined) return undefined
  const [scheme, value] = header.split(/\s+/, 2)
  if (/^bearer$/i.test(scheme ?? '')) return value ?? ''
  if (/^basic$/i.test(scheme ?? '')) return Buffer.from(value ?? '', 'base64').toString('utf8').replace(/^[^:]*:/, '')
  return ''
}

export function isLoopback(address: string): boolean {
  return address === 'localhost' || address === '::1' || /^127\./.test(address)
}
