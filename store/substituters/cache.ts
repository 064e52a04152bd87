/**
 * Ring: store. One upstream binary cache, over HTTP or in a folder. Upstream counterpart: libstore/http-binary-cache-store.cc,
 * local-binary-cache-store.cc, binary-cache-store.cc.
 */
import { createReadStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { Agent, request } from 'undici'

import { asFirnError, errorCode, FirnError } from '../../contract/errors.ts'
import { FormatError } from '../../nix/errors.ts'
import { type NarInfo, parseNarInfo } from '../../nix/narinfo.ts'
import { collectBytes } from '../bytes.ts'

/** Look-ups in flight at one cache: 800 narinfos take seconds at 8 and under one at some hundred (nix#5118). */
const CONNECTIONS = 128
const NARINFO_LIMIT = 64 * 1024 * 1024

export interface BinaryCache {
  readonly url: string
  /** What `nix-cache-info` says; asked once. Errors: 'unavailable'. */
  info(): Promise<{ readonly storeDir: string; readonly priority: number }>
  /** The narinfo of a hash part, or undefined where the cache doesn't have it. Errors: 'unavailable', 'corrupt'. */
  narInfo(hashPart: string): Promise<NarInfo | undefined>
  /** The compressed NAR. Errors: 'unavailable', 'not-found'. */
  nar(narInfo: NarInfo, signal?: AbortSignal): AsyncIterable<Uint8Array>
  close(): Promise<void>
}

export function openBinaryCache(url: string, timeoutSeconds = 10): BinaryCache {
  const address = url.endsWith('/') ? url : `${url}/`
  const { protocol } = new URL(address)
  const transport = protocol === 'file:' ? fileTransport() : protocol === 'http:' || protocol === 'https:' ? httpTransport(timeoutSeconds) : undefined
  if (!transport) throw new FirnError('invalid-input', `substituter '${url}' must begin with https://, http:// or file://`)
  return new RemoteCache(url, new URL(address), transport)
}

/** Bytes of an address; undefined where nothing is there. */
interface Transport {
  get(address: URL, signal?: AbortSignal): Promise<AsyncIterable<Uint8Array> | undefined>
  close(): Promise<void>
}

class RemoteCache implements BinaryCache {
  readonly url: string
  readonly #address: URL
  readonly #transport: Transport
  #info: ReturnType<BinaryCache['info']> | undefined

  constructor(url: string, address: URL, transport: Transport) {
    this.url = url
    this.#address = address
    this.#transport = transport
  }

  info(): ReturnType<BinaryCache['info']> {
    this.#info ??= this.#readInfo().catch((error: unknown) => {
      this.#info = undefined
      throw error
    })
    return this.#info
  }

  async #readInfo(): Promise<{ storeDir: string; priority: number }> {
    const content = await this.#text('nix-cache-info')
    const field = (name: string): string | undefined => content?.match(new RegExp(`^${name}:\\s*(.*?)\\s*$`, 'm'))?.[1]
    return { storeDir: field('StoreDir') ?? '/nix/store', priority: Number(field('Priority') ?? 50) || 50 }
  }

  async narInfo(hashPart: string): Promise<NarInfo | undefined> {
    const content = await this.#text(`${hashPart}.narinfo`)
    if (content === undefined) return undefined
    try {
      const narInfo = parseNarInfo(content)
      if (narInfo.storePath.hash !== hashPart) throw new FormatError(`it is about ${narInfo.storePath.baseName}`)
      return narInfo
    } catch (error) {
      throw new FirnError('corrupt', `${this.url} answered ${hashPart}.narinfo with something else: ${(error as Error).message}`, { cause: error })
    }
  }

  async* nar(narInfo: NarInfo, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    const content = await this.#transport.get(new URL(narInfo.url, this.#address), signal)
    if (!content) throw new FirnError('not-found', `${this.url} has a narinfo of ${narInfo.storePath.baseName}, but not its NAR`)
    yield* content
  }

  async #text(name: string): Promise<string | undefined> {
    const content = await this.#transport.get(new URL(name, this.#address))
    return content && Buffer.from(await collectBytes(content, NARINFO_LIMIT)).toString('utf8')
  }

  close(): Promise<void> {
    return this.#transport.close()
  }
}

function httpTransport(timeoutSeconds: number): Transport {
  const milliseconds = timeoutSeconds * 1000
  const agent = new Agent({ connections: CONNECTIONS, connect: { timeout: milliseconds }, headersTimeout: milliseconds, bodyTimeout: Math.max(milliseconds, 60_000) })
  return {
    async get(address, signal) {
      const failed = (reason: string, cause?: unknown): FirnError => new FirnError('unavailable', `${address.href}: ${reason}`, { cause })
      const answer = await request(address, { dispatcher: agent, signal }).catch((error: unknown) => { throw signal?.aborted ? error : failed(asFirnError(error).message, error) })
      if (answer.statusCode === 200) return bodyOf(answer.body, failed)
      await answer.body.dump()
      // S3 answers 403 for what isn't there to somebody who may not list.
      if ([403, 404, 410].includes(answer.statusCode)) return undefined
      throw failed(`answered ${answer.statusCode}`)
    },
    close: () => agent.close(),
  }
}

async function* bodyOf(body: AsyncIterable<Uint8Array>, failed: (reason: string, cause?: unknown) => FirnError): AsyncGenerator<Uint8Array> {
  try {
    yield* body
  } catch (error) {
    throw failed(`broke off: ${(error as Error).message}`, error)
  }
}

function fileTransport(): Transport {
  return {
    async get(address) {
      const path = fileURLToPath(address)
      if (path.endsWith('.narinfo') || path.endsWith('nix-cache-info')) {
        const content = await readFile(path).catch(absent)
        return content && (async function* () { yield content })()
      }
      return createReadStream(path, { highWaterMark: 256 * 1024 })
    },
    close: () => Promise.resolve(),
  }
}

function absent(error: unknown): undefined {
  if (errorCode(error) === 'ENOENT') return undefined
  throw asFirnError(error)
}
