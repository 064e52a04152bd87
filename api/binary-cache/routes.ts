/**
 * Ring: api. The farm as a binary cache at the API's root, as Nix speaks to one over HTTP. NARs are rendered from castore
 * when they are asked for, and compressed on the way for clients that say they take zstd (Nix since 2.26; 2.8 says
 * nothing and gets plain bytes, with ranges to resume). Upstream counterpart: libstore/http-binary-cache-store.cc is the client.
 */
import { constants, createZstdCompress } from 'node:zlib'
import { type Request, type Response, Router } from 'express'
import { FirnError } from '../../contract/errors.ts'
import { formatNarInfo } from '../../nix/narinfo.ts'
import { STORE_DIRECTORY } from '../../nix/store-path.ts'
import type { PathInfo } from '../../store/path-info/interface.ts'
import type { ApiDependencies } from '../dependencies.ts'
import { writeBody, writeCompressed } from '../http/body.ts'
import { announce, type ByteRange, notModified, requestedRange } from '../http/range.ts'
import { exchangeOf } from '../http/observe.ts'
import { logOfDerivation } from '../streams/log.ts'
import { KeptInMemory, type KnownPath } from './kept.ts'
import { narListing } from './listing.ts'
import { narBytes } from './nar-body.ts'

const HASH = '[0-9abcdfghijklmnpqrsvwxyz]{32}'
/** A NAR's address holds its hash, so its content never changes. */
const IMMUTABLE = 'public, max-age=31536000, immutable'
/** A narinfo may gain signatures. */
const SHORT = 'public, max-age=300'
/** Level 1 compresses faster than a gigabit link sends; higher ones would make the farm the bottleneck. */
const ZSTD_LEVEL = 1

export function binaryCacheRoutes(dependencies: ApiDependencies, authorise: (request: Request) => Promise<void>): Router {
  const { settings, store, metrics } = dependencies
  const router = Router({ caseSensitive: true, strict: true })
  const kept = new KeptInMemory(store)

  const found = async (hashPart: string): Promise<KnownPath> => {
    const known = await kept.path(hashPart)
    if (!known) throw new FirnError('not-found', `no valid path has the hash ${hashPart}`)
    return known
  }
  const route = (name: string, serve: (request: Request, response: Response) => Promise<void>) => async (request: Request, response: Response): Promise<void> => {
    response.locals['route'] = name
    await authorise(request)
    await serve(request, response)
  }

  router.get('/nix-cache-info', route('nix-cache-info', async (_request, response) => {
    response.set({ 'Content-Type': 'text/x-nix-cache-info', 'Cache-Control': SHORT })
    response.send(`StoreDir: ${STORE_DIRECTORY}\nWantMassQuery: 1\nPriority: ${settings.cache.priority}\n`)
  }))

  router.get(new RegExp(`^/(${HASH})\\.narinfo$`), route('narinfo', async (request, response) => {
    const known = await kept.path(request.params[0]!)
    metrics.cache.narinfo.inc({ result: known ? 'hit' : 'miss' })
    if (!known) {
      response.status(404).set({ 'Content-Type': 'text/plain; charset=utf-8' }).send('404')
      return
    }
    response.set({ 'Content-Type': 'text/x-nix-narinfo', 'Cache-Control': SHORT })
    // the tag is that of express: weak, over the text
    response.send(narInfoText(known))
  }))

  router.get(new RegExp(`^/nar/(${HASH})-([0-9abcdfghijklmnpqrsvwxyz]{52})\\.nar(\\.zst)?$`), route('nar', async (request, response) => {
    const known = await found(request.params[0]!)
    if (known.narHash !== request.params[1]) throw new FirnError('not-found', `path ${known.info.storePath.baseName} has another NAR hash`)
    await sendNar(request, response, known, request.params[2] !== undefined)
  }))

  router.get(new RegExp(`^/(${HASH})\\.ls$`), route('listing', async (request, response) => {
    const { info, narHash } = await found(request.params[0]!)
    if (notModified(request, response, `"ls-${narHash}"`)) return
    response.set({ 'Cache-Control': SHORT })
    response.json(narListing(info.root, await kept.tree(info.root, store.blobs)))
  }))

  router.get(/^\/log\/([^/]+)$/, route('drv-log', async (request, response) => {
    const log = await logOfDerivation(dependencies, request.params[0]!)
    if (!log) throw new FirnError('not-found', `there is no log of '${request.params[0]!.slice(0, 250)}'`)
    response.set({ 'Content-Type': 'text/plain; charset=utf-8', 'Cache-Control': 'no-store' })
    if (request.method === 'HEAD') response.end()
    else await writeBody(response, log, exchangeOf(request, response).signal)
  }))

  async function* rendered(info: PathInfo, range?: ByteRange): AsyncGenerator<Uint8Array, void, undefined> {
    yield* narBytes(info.root, await kept.tree(info.root, store.blobs), store.blobs, range)
  }

  async function sendNar(request: Request, response: Response, known: KnownPath, asFile: boolean): Promise<void> {
    const { signal } = exchangeOf(request, response)
    const { info, narHash } = known
    const wantsRange = request.headers.range !== undefined
    // a range is one of plain bytes: who resumes must not get an encoding in the middle
    const encode = !asFile && !wantsRange && acceptsZstd(request)
    const compressed = asFile || encode
    response.set({ 'Content-Type': asFile ? 'application/zstd' : 'application/x-nix-nar', 'Cache-Control': IMMUTABLE, 'Vary': 'Accept-Encoding' })
    if (encode) response.set('Content-Encoding', 'zstd')
    const etag = compressed ? `"${narHash}-zstd"` : `"${narHash}"`
    if (notModified(request, response, etag)) return
    const range = compressed ? undefined : requestedRange(request, info.narSize, etag)
    if (!compressed) announce(response, info.narSize, range)
    if (request.method === 'HEAD') {
      response.end()
      return
    }
    response.once('close', () => { if (!response.writableFinished) metrics.cache.aborted.inc() })
    const small = await kept.smallNar(known, () => rendered(info))
    if (small && !compressed) {
      const bytes = range ? small.subarray(range.start, range.end) : small
      metrics.cache.narBytes.inc(bytes.length)
      response.end(bytes)
      return
    }
    const bytes = counted(small ? once(small) : rendered(info, range), (count) => metrics.cache.narBytes.inc(count))
    if (compressed) await writeCompressed(response, bytes, createZstdCompress({ params: { [constants.ZSTD_c_compressionLevel]: ZSTD_LEVEL } }), signal)
    else await writeBody(response, bytes, signal)
  }
  return router
}

function narInfoText({ info, signatures, narHash }: KnownPath): string {
  return formatNarInfo({
    storePath: info.storePath,
    url: `nar/${info.storePath.hash}-${narHash}.nar`,
    compression: 'none',
    narHash: info.narHash,
    narSize: info.narSize,
    // of an uncompressed archive, the file is the NAR; clients show and check it
    fileHash: info.narHash,
    fileSize: info.narSize,
    references: info.references,
    ...(info.deriver && { deriver: info.deriver }),
    ...(info.contentAddress && { contentAddress: info.contentAddress }),
    signatures,
  })
}

function acceptsZstd(request: Request): boolean {
  const accepted = request.headers['accept-encoding']
  if (accepted === undefined) return false
  return accepted.split(',').some((part) => {
    const [coding, ...parameters] = part.split(';').map((text) => text.trim().toLowerCase())
    return coding === 'zstd' && !parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter))
  })
}

async function* counted(source: AsyncIterable<Uint8Array>, count: (bytes: number) => void): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const chunk of source) {
    count(chunk.length)
    yield chunk
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes
}
