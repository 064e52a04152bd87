/**
 * Ring: fetchers. Downloads one address as a stream. Upstream: libstore/filetransfer.cc, which does it with curl.
 *
 * A connection that breaks or stalls is made again and goes on where it stopped, if the server can do that and still has
 * the same file: `If-Range` with its validator asks for that. A server that sends all of it again is read up to the
 * place. Without a validator that is allowed only where a hash will tell (`checked`), or nothing was passed on yet.
 */
import { createReadStream, readFileSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import type { IncomingHttpHeaders } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { EnvHttpProxyAgent, request as httpRequest, type Dispatcher } from 'undici'
import { FirnError } from '../contract/errors.ts'
import { DownloadError } from './errors.ts'
import type { Download, DownloadOptions, DownloadSettings } from './interface.ts'
import { credentialsFor, parseNetrc, type Netrc } from './netrc.ts'

const MOST_REDIRECTS = 10
const LONGEST_PAUSE_SECONDS = 60
const USER_AGENT = 'firn'
/** Where systems keep their authorities. */
const AUTHORITIES = ['/etc/ssl/certs/ca-certificates.crt', '/etc/pki/tls/certs/ca-bundle.crt', '/etc/ssl/cert.pem']

/** An answer to one request. */
interface Answer {
  readonly url: string
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: AsyncIterable<Uint8Array>
  readonly immutableUrl?: string
}

/** Keeps connections open between downloads. Proxies come from the environment (`http_proxy`, `https_proxy`, `no_proxy`). */
export class Downloader {
  readonly #settings: DownloadSettings
  readonly #agent: Dispatcher
  readonly #netrc: Netrc

  constructor(settings: DownloadSettings) {
    this.#settings = settings
    this.#netrc = settings.netrc === undefined ? { machines: new Map() } : parseNetrc(readFileSync(settings.netrc, 'utf8'))
    const ca = authorities(settings.certificates)
    const tls = ca === undefined ? {} : { ca }
    this.#agent = new EnvHttpProxyAgent({
      connect: { timeout: settings.connectSeconds * 1000, ...tls },
      requestTls: { timeout: settings.connectSeconds * 1000, ...tls },
      // plain addresses are asked of the proxy itself, as curl does: many allow tunnels to port 443 only
      proxyTunnel: false,
      headersTimeout: settings.connectSeconds * 1000,
      bodyTimeout: settings.stallSeconds * 1000,
    })
  }

  get settings(): DownloadSettings {
    return this.#settings
  }

  /** Begins a download. Throws DownloadError once the tries are used up or the server says that there is nothing. */
  async open(url: string, options: DownloadOptions = {}): Promise<Download> {
    const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(url)?.[1]?.toLowerCase()
    if (scheme === 'file') return await this.#openFile(url, options)
    if (scheme !== 'http' && scheme !== 'https') throw new DownloadError(url, `addresses of the form '${scheme ?? ''}:…' can't be downloaded`, { permanent: true })
    const transfer = new Transfer(url, this.#settings, options, async (headers) => await this.#request(url, headers, options.signal))
    return await transfer.open()
  }

  async close(): Promise<void> {
    // not 'close', which would wait for answers that nobody reads any more
    await this.#agent.destroy()
  }

  async #openFile(url: string, options: DownloadOptions): Promise<Download> {
    const path = pathOf(url)
    const found = await stat(path).catch((cause: unknown) => {
      throw new DownloadError(url, 'no such file', { permanent: true, cause })
    })
    if (!found.isFile()) throw new DownloadError(url, 'it is not a file', { permanent: true })
    const total = found.size
    return { url, total, content: countBytes(createReadStream(path, { highWaterMark: 256 * 1024, ...(options.signal && { signal: options.signal }) }), url, total, options) }
  }

  /** One request and its redirects. */
  async #request(start: string, headers: Readonly<Record<string, string>>, signal: AbortSignal | undefined): Promise<Answer> {
    let url = start
    let immutableUrl: string | undefined
    for (let redirects = 0; redirects <= MOST_REDIRECTS; redirects++) {
      const { address, authorization } = this.#authorize(url)
      const response = await httpRequest(address, {
        dispatcher: this.#agent,
        method: 'GET',
        // the bytes as they are stored, never an encoding of them
        headers: { 'user-agent': USER_AGENT, 'accept-encoding': 'identity', ...headers, ...(authorization !== undefined && { authorization }) },
        ...(signal && { signal }),
      })
      immutableUrl = immutableLink(response.headers['link'], url) ?? immutableUrl
      const location = response.headers['location']
      if (![301, 302, 303, 307, 308].includes(response.statusCode) || typeof location !== 'string') {
        return { url, status: response.statusCode, headers: response.headers, body: response.body, ...(immutableUrl !== undefined && { immutableUrl }) }
      }
      await response.body.dump({ limit: 64 * 1024 })
      url = new URL(location, url).href
      if (!/^https?:/.test(url)) throw new DownloadError(start, `redirected to '${url}'`, { permanent: true })
    }
    throw new DownloadError(start, `redirected more than ${MOST_REDIRECTS} times`, { permanent: true })
  }

  /** Credentials of the address itself, else those of netrc. */
  #authorize(url: string): { readonly address: URL; readonly authorization?: string } {
    const address = new URL(url)
    const own = address.username === '' ? undefined : { login: decodeURIComponent(address.username), password: decodeURIComponent(address.password) }
    const credentials = own ?? credentialsFor(this.#netrc, address.hostname)
    address.username = ''
    address.password = ''
    return { address, ...(credentials && { authorization: `Basic ${Buffer.from(`${credentials.login}:${credentials.password}`).toString('base64')}` }) }
  }
}

/** One download over all its connections. */
class Transfer {
  readonly #url: string
  readonly #settings: DownloadSettings
  readonly #options: DownloadOptions
  readonly #request: (headers: Readonly<Record<string, string>>) => Promise<Answer>
  #tries = 0
  /** Bytes that were passed on. */
  #offset = 0
  #total: number | undefined
  #validator: string | undefined

  constructor(url: string, settings: DownloadSettings, options: DownloadOptions, request: (headers: Readonly<Record<string, string>>) => Promise<Answer>) {
    this.#url = url
    this.#settings = settings
    this.#options = options
    this.#request = request
  }

  async open(): Promise<Download> {
    const answer = await this.#ask()
    const total = this.#total
    return {
      url: answer.url,
      ...(total !== undefined && { total }),
      ...(answer.immutableUrl !== undefined && { immutableUrl: answer.immutableUrl }),
      content: this.#read(answer),
    }
  }

  async *#read(first: Answer): AsyncGenerator<Uint8Array, void, undefined> {
    for (let answer: Answer | undefined = first; answer !== undefined;) {
      let skip = answer.status === 206 ? 0 : this.#offset
      try {
        for await (const chunk of answer.body) {
          const rest = skip > 0 ? chunk.subarray(Math.min(skip, chunk.length)) : chunk
          skip -= chunk.length - rest.length
          if (rest.length === 0) continue
          this.#offset += rest.length
          // bytes came: the tries begin anew, since only a server that gives nothing is not worth asking again
          this.#tries = 0
          this.#options.onProgress?.({ url: answer.url, bytes: this.#offset, ...(this.#total !== undefined && { total: this.#total }) })
          yield rest
        }
        if (this.#total !== undefined && this.#offset < this.#total) throw new Error(`the connection ended after ${this.#offset} of ${this.#total} bytes`)
        return
      } catch (error) {
        answer = await this.#again(error)
      }
    }
  }

  /** After a broken connection: the answer to go on with, or undefined where the file turns out to be complete. */
  async #again(error: unknown): Promise<Answer | undefined> {
    await this.#pause(error)
    if (this.#offset > 0 && this.#validator === undefined && this.#options.checked !== true) {
      throw new DownloadError(this.#url, `${reasonOf(error)}, and the server gives nothing to tell whether the file is still the same`, { cause: error })
    }
    return await this.#ask()
  }

  /** Asks until there is an answer with content that fits what was passed on already. */
  async #ask(): Promise<Answer> {
    for (;;) {
      this.#options.signal?.throwIfAborted()
      try {
        const answer = await this.#request(this.#headers())
        const problem = await this.#problemOf(answer)
        if (problem === undefined) return answer
        if (problem === 'complete') return { ...answer, body: (async function* () {})() }
        throw problem
      } catch (error) {
        await this.#pause(error)
      }
    }
  }

  #headers(): Record<string, string> {
    if (this.#offset === 0) return {}
    return { range: `bytes=${this.#offset}-`, ...(this.#validator !== undefined && { 'if-range': this.#validator }) }
  }

  /** Why an answer can't be used. */
  async #problemOf(answer: Answer): Promise<Error | 'complete' | undefined> {
    const { status, headers } = answer
    if (status === 206 && this.#offset > 0) {
      const start = /^bytes (\d+)-/.exec(String(headers['content-range'] ?? ''))?.[1]
      if (Number(start) === this.#offset) return undefined
      await discard(answer)
      return new DownloadError(this.#url, `the server sent the range '${headers['content-range']}' instead of the one from ${this.#offset}`, { permanent: true })
    }
    if (status === 416 && this.#offset > 0) {
      await discard(answer)
      const size = /\/(\d+)$/.exec(String(headers['content-range'] ?? ''))?.[1]
      // it had announced more than it has, and all of that is here
      if (Number(size) === this.#offset) {
        this.#total = this.#offset
        return 'complete'
      }
      return new DownloadError(this.#url, 'the server refuses to go on with the file', { permanent: true })
    }
    if (status === 200) {
      const validator = validatorOf(headers)
      if (this.#offset > 0 && this.#validator !== undefined && validator !== this.#validator) {
        await discard(answer)
        return new DownloadError(this.#url, 'the file changed while it was downloaded')
      }
      this.#validator = validator
      const length = headers['content-length']
      this.#total = typeof length === 'string' && /^\d+$/.test(length) ? Number(length) : undefined
      return undefined
    }
    await discard(answer)
    return new DownloadError(this.#url, `HTTP error ${status}`, { permanent: isPermanent(status), data: { status, ...retryAfter(headers) } })
  }

  /** Waits before the next try, or throws where there is none. */
  async #pause(error: unknown): Promise<void> {
    this.#options.signal?.throwIfAborted()
    if (error instanceof DownloadError && (error.permanent || error.message.endsWith('while it was downloaded'))) throw error
    if (++this.#tries >= this.#settings.tries) throw error instanceof DownloadError ? error : new DownloadError(this.#url, reasonOf(error), { cause: error })
    const wanted = error instanceof DownloadError ? Number(error.data['retryAfterSeconds'] ?? 0) : 0
    const pause = this.#settings.pauseSeconds * 2 ** (this.#tries - 1 + Math.random() / 2)
    await sleep(Math.min(Math.max(pause, wanted), LONGEST_PAUSE_SECONDS) * 1000, undefined, this.#options.signal ? { signal: this.#options.signal } : {})
  }
}

/** Statuses that another try would not change. */
function isPermanent(status: number): boolean {
  if (status >= 500) return [501, 505, 511].includes(status)
  return status !== 408 && status !== 425 && status !== 429
}

/** Tells one version of a file from another: a strong entity tag, else the time. */
function validatorOf(headers: IncomingHttpHeaders): string | undefined {
  const tag = headers['etag']
  return typeof tag === 'string' && !tag.startsWith('W/') ? tag : headers['last-modified']
}

function retryAfter(headers: IncomingHttpHeaders): { readonly retryAfterSeconds?: number } {
  const text = headers['retry-after']
  if (typeof text !== 'string') return {}
  const seconds = /^\d+$/.test(text) ? Number(text) : (Date.parse(text) - Date.now()) / 1000
  return Number.isFinite(seconds) ? { retryAfterSeconds: Math.max(0, seconds) } : {}
}

/** The address in `Link: <…>; rel="immutable"`. */
export function immutableLink(header: string | string[] | undefined, base: string): string | undefined {
  for (const link of [header ?? []].flat().flatMap((line) => line.split(/,(?=\s*<)/))) {
    const match = /^\s*<([^>]*)>(.*)$/.exec(link)
    if (match && /;\s*rel\s*=\s*"?immutable"?\s*(;|$)/.test(match[2]!)) return new URL(match[1]!, base).href
  }
  return undefined
}

/** Lets the connection be used again. */
async function discard(answer: Answer): Promise<void> {
  let bytes = 0
  try {
    for await (const chunk of answer.body) if ((bytes += chunk.length) > 64 * 1024) break
  } catch {
    // broken anyway
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const cause = error.cause instanceof Error ? `: ${error.cause.message}` : ''
  return `${error.message}${cause}`
}

function pathOf(url: string): string {
  try {
    return fileURLToPath(url)
  } catch (cause) {
    throw new FirnError('invalid-input', `'${url}' is not a valid file address`, { cause })
  }
}

function authorities(file: string | undefined): Buffer | undefined {
  const chosen = file ?? process.env['NIX_SSL_CERT_FILE'] ?? process.env['SSL_CERT_FILE']
  if (chosen !== undefined && chosen !== '') return readFileSync(chosen)
  for (const candidate of AUTHORITIES) {
    try {
      return readFileSync(candidate)
    } catch {
      // another system's place
    }
  }
  return undefined
}

async function* countBytes(stream: AsyncIterable<Uint8Array>, url: string, total: number, options: DownloadOptions): AsyncGenerator<Uint8Array, void, undefined> {
  let bytes = 0
  for await (const chunk of stream) {
    bytes += chunk.length
    options.onProgress?.({ url, bytes, total })
    yield chunk
  }
}
