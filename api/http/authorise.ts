/**
 * Ring: api. Who may do what. A farm on a machine of one's own (listening on loopback) is open; any other asks for a token.
 * Nix sends what stands in its netrc file, so the password of Basic authentication is taken as a token too.
 */
import type { Request } from 'express'
import type { Scope } from '../../contract/api-routes.ts'
import { FirnError } from '../../contract/errors.ts'
import type { ApiDependencies } from '../dependencies.ts'
import { allows, findToken, type TokenRow } from '../tokens.ts'
import { HttpError } from './problem.ts'

export type Authorise = (request: Request, scope: Scope) => Promise<void>

/** Tokens found good are believed this long, so that a client's thousand requests are not a thousand queries. */
const REMEMBER_MILLISECONDS = 10_000
const REMEMBER_COUNT = 1000

export function authorisation({ settings, database }: Pick<ApiDependencies, 'settings' | 'database'>): Authorise {
  const open = settings.api.access === 'open' || (settings.api.access === 'auto' && isLoopback(settings.api.address))
  const publicHost = settings.api.publicUrl === undefined ? undefined : hostOf(settings.api.publicUrl)
  const remembered = new Map<string, { readonly token: TokenRow; readonly until: number }>()

  async function tokenOf(text: string): Promise<TokenRow | undefined> {
    const known = remembered.get(text)
    if (known && known.until > performance.now()) return known.token
    remembered.delete(text)
    const token = await findToken(database.db, text)
    if (token) {
      if (remembered.size >= REMEMBER_COUNT) remembered.clear()
      remembered.set(text, { token, until: performance.now() + REMEMBER_MILLISECONDS })
    }
    return token
  }

  return async (request, scope) => {
    if (scope === 'open') return
    const text = credentials(request)
    if (text === undefined) {
      if (open) {
        if (settings.api.access === 'auto') refuseForeignPages(request, publicHost)
        return
      }
      throw new HttpError(401, 'forbidden', 'this farm asks for a token: send it as `Authorization: Bearer …`', { headers: { 'WWW-Authenticate': 'Bearer realm="firn"' } })
    }
    const token = await tokenOf(text)
    if (!token) throw new HttpError(401, 'forbidden', 'the token is not known, has expired, or was revoked', { headers: { 'WWW-Authenticate': 'Bearer realm="firn", error="invalid_token"' } })
    if (!allows(token.scopes, scope)) throw new FirnError('forbidden', `token '${token.name}' lacks the scope '${scope}'; it has ${token.scopes.join(', ') || 'none'}`)
  }
}

/**
 * An open farm on loopback can be reached by any page in a browser of that machine. Browsers say where a request comes
 * from; what would change something is taken from the farm's own pages only. A page that made its own name point at this machine
 * (DNS rebinding) gives itself away by the host it asks for.
 */
function refuseForeignPages(request: Request, publicHost: string | undefined): void {
  const host = request.headers.host
  const name = host?.replace(/:\d+$/, '').replace(/^\[|\]$/g, '')
  if (name !== undefined && !isLoopback(name) && host !== publicHost) throw new FirnError('forbidden', `this farm does not answer for '${name.slice(0, 200)}'; set api.publicUrl if it should`)
  const origin = request.headers.origin
  if (origin === undefined || request.method === 'GET' || request.method === 'HEAD') return
  if (hostOf(origin) !== host) throw new FirnError('forbidden', `requests from pages of ${origin.slice(0, 200)} are not taken`)
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
