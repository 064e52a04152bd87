/**
 * Ring: api. Signing in at an OpenID Connect provider: authorization code with PKCE. What has to be remembered between leaving and coming back is
 * in a cookie of the browser that left, so that any of several API processes can finish it, and no other browser can.
 */
import * as client from 'openid-client'
import { z } from 'zod'
import type { Settings } from '../../config/settings.ts'
import { userName } from '../../contract/access.ts'
import { FirnError } from '../../contract/errors.ts'
import type { Database } from '../../state/database.ts'
import { getUser, putUser, userOfSubject } from '../../state/users.ts'
import { HttpError } from '../http/problem.ts'

export const OPENID_PATH = '/api/v1/session/openid'
export const OPENID_COOKIE = 'firn_openid'
/** Long enough to find the other password. */
export const OPENID_SECONDS = 900

const remembered = z.object({ verifier: z.string().max(200), state: z.string().max(200), nonce: z.string().max(200), to: z.string().max(2000).startsWith('/ui/') })

export class OpenIdSignIn {
  readonly #settings: Settings['signIn']
  #provider: Promise<client.Configuration> | undefined

  constructor(settings: Settings['signIn']) {
    this.#settings = settings
  }

  get title(): string | undefined {
    return this.#settings.issuer === undefined || this.#settings.clientId === undefined ? undefined : this.#settings.title
  }

  /** The provider's description of itself, once it has been had. Errors: 'not-found' where none is set, 'unavailable'. */
  async #configuration(): Promise<client.Configuration> {
    const { issuer, clientId, clientSecret } = this.#settings
    if (issuer === undefined || clientId === undefined) throw new FirnError('not-found', 'this farm has no OpenID Connect provider (signIn.issuer and signIn.clientId)')
    const address = new URL(issuer)
    const plain = address.protocol === 'http:' && ['127.0.0.1', 'localhost', '[::1]'].includes(address.hostname)
    this.#provider ??= client.discovery(address, clientId, clientSecret, undefined, { ...(plain ? { execute: [client.allowInsecureRequests] } : {}), timeout: 10 })
    try {
      return await this.#provider
    } catch (error) {
      this.#provider = undefined
      throw new FirnError('unavailable', 'the OpenID Connect provider does not answer', { cause: error })
    }
  }

  /** Where to send the browser, and what its cookie has to say when it comes back. */
  async begin(callback: string, to: string): Promise<{ readonly location: string; readonly cookie: string }> {
    const configuration = await this.#configuration()
    const [verifier, state, nonce] = [client.randomPKCECodeVerifier(), client.randomState(), client.randomNonce()]
    const location = client.buildAuthorizationUrl(configuration, {
      redirect_uri: callback, scope: this.#settings.scope, code_challenge: await client.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256', state, nonce,
    })
    return { location: location.href, cookie: Buffer.from(JSON.stringify({ verifier, state, nonce, to })).toString('base64url') }
  }

  /** Who came back, as a user of this farm. Errors: 401 where the answer is no good, 'forbidden' where there is no such user. */
  async finish(db: Database, address: URL, cookie: string | undefined): Promise<{ readonly userId: number; readonly name: string; readonly to: string }> {
    const configuration = await this.#configuration()
    const kept = readCookie(cookie)
    if (!kept) throw new HttpError(401, 'forbidden', 'this browser did not begin to sign in here, or took too long; try again')
    const tokens = await tokensOf(configuration, address, kept)
    const claims = tokens.claims()!
    const subject = `${claims.iss} ${claims.sub}`
    const known = await userOfSubject(db, subject)
    if (known?.disabled) throw new FirnError('forbidden', `user '${known.name}' is disabled`)
    if (known) return { userId: known.id, name: known.name, to: kept.to }
    return { ...await this.#make(db, subject, { ...await moreClaims(configuration, tokens.access_token, claims.sub), ...claims }), to: kept.to }
  }

  /** A user who was here under the same name by another way stays who they were: only an administrator joins the two. */
  async #make(db: Database, subject: string, claims: Readonly<Record<string, unknown>>): Promise<{ readonly userId: number; readonly name: string }> {
    const text = (claim: string): string | undefined => (typeof claims[claim] === 'string' ? claims[claim] : undefined)
    if (!this.#settings.makeUsers) throw new FirnError('forbidden', `nobody here is '${subject}'; an administrator can set that as the subject of a user`)
    const name = userName.safeParse(text(this.#settings.nameClaim) ?? text('email') ?? text('sub'))
    if (!name.success) throw new FirnError('forbidden', `the provider's claim '${this.#settings.nameClaim}' gives no name that a user can have`)
    const taken = await getUser(db, name.data).catch((error: unknown) => {
      if (error instanceof FirnError && error.kind === 'not-found') return undefined
      throw error
    })
    if (taken) throw new FirnError('forbidden', `there is a user '${name.data}' already; an administrator can set '${subject}' as their subject`)
    const email = z.email().max(300).safeParse(text('email'))
    const { user } = await putUser(db, name.data, { displayName: (text('name') ?? '').slice(0, 200), email: email.success ? email.data : null, administrator: false, disabled: false, subject })
    return { userId: user.id, name: user.name }
  }
}

async function tokensOf(configuration: client.Configuration, address: URL, kept: z.output<typeof remembered>): Promise<Awaited<ReturnType<typeof client.authorizationCodeGrant>>> {
  try {
    return await client.authorizationCodeGrant(configuration, address, { pkceCodeVerifier: kept.verifier, expectedState: kept.state, expectedNonce: kept.nonce, idTokenExpected: true })
  } catch (error) {
    if (error instanceof client.AuthorizationResponseError) throw new HttpError(401, 'forbidden', `the provider did not let you in: ${error.error_description ?? error.error}`, { cause: error })
    throw new HttpError(401, 'forbidden', 'the provider\'s answer is no good; try again', { cause: error })
  }
}

/** Some providers name their users only when they are asked once more. */
async function moreClaims(configuration: client.Configuration, accessToken: string, subject: string): Promise<Readonly<Record<string, unknown>>> {
  if (configuration.serverMetadata().userinfo_endpoint === undefined) return {}
  try {
    return await client.fetchUserInfo(configuration, accessToken, subject)
  } catch (error) {
    throw new HttpError(401, 'forbidden', 'the provider does not say who you are; try again', { cause: error })
  }
}

function readCookie(cookie: string | undefined): z.output<typeof remembered> | undefined {
  try {
    return remembered.parse(JSON.parse(Buffer.from(cookie ?? '', 'base64url').toString('utf8')))
  } catch {
    return undefined
  }
}
