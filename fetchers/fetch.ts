/**
 * Ring: fetchers. A Fetch, from its addresses to a PathInfo that only has to be committed. Upstream counterpart:
 * builtin:fetchurl and Store::addToStore in one.
 *
 * Bytes go from the connection to the blob store as they come, and the hash is taken on the way. An address whose content
 * has the wrong hash is passed over as one that doesn't answer is: a mirror may be broken while the next address is not.
 */
import { FirnError } from '../contract/errors.ts'
import type { FetchRequest } from '../contract/fetch.ts'
import type { FailureCause } from '../contract/nodes.ts'
import type { ContentAddress } from '../nix/content-address.ts'
import { createHash, formatHash, hashesEqual, parseHash, type Hash, type HashAlgorithm } from '../nix/hash.ts'
import { makeFixedOutputPath, type StorePath } from '../nix/store-path.ts'
import type { BlobStore } from '../store/blobs/interface.ts'
import { entriesOfArchive } from '../store/ingest/archive.ts'
import { decompress, detectCompression } from '../store/ingest/decompress.ts'
import { ingest, type Ingested } from '../store/ingest/ingest.ts'
import type { Entry } from '../store/ingest/interface.ts'
import { entriesOfNar } from '../store/ingest/nar.ts'
import { peek } from '../store/ingest/peek.ts'
import { renderNar } from '../store/render-nar.ts'
import type { PathInfo } from '../store/path-info/interface.ts'
import type { Downloader } from './download.ts'
import { DownloadError, withoutPassword } from './errors.ts'
import type { GitCredentials, GitFetcher } from './git.ts'
import type { Download, DownloadOptions, DownloadProgress } from './interface.ts'
import { candidates } from './mirrors.ts'

export interface FetchOptions {
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: DownloadProgress) => void
  /** For the server of a git repository. */
  readonly credentials?: GitCredentials
}

/** What the download gave, stored but not registered; or why there is nothing. */
export type FetchOutcome = { readonly ok: true; readonly pathInfo: PathInfo } | { readonly ok: false; readonly cause: FailureCause }

export interface FetchParts {
  readonly blobs: BlobStore
  readonly downloader: Downloader
  readonly git: GitFetcher
}

/**
 * Does a fetch. Results are returned; faults of this machine or of the store are thrown, and so is an AbortError.
 */
export async function fetchLocked(request: FetchRequest, parts: FetchParts, options: FetchOptions = {}): Promise<FetchOutcome> {
  return request.kind === 'git' ? await fetchGit(request, parts, options) : await fetchUrl(request, parts, options)
}

type UrlRequest = FetchRequest & { readonly kind: 'url' }
type GitRequest = FetchRequest & { readonly kind: 'git' }

async function fetchUrl(request: UrlRequest, { blobs, downloader }: FetchParts, options: FetchOptions): Promise<FetchOutcome> {
  const wanted = parseHash(request.hash)
  const storePath = makeFixedOutputPath(request.name, { method: request.method, hash: wanted })
  if (request.method === 'flat' && (request.unpack || request.isNar === true || request.executable)) {
    return { ok: false, cause: { kind: 'invalid-derivation', reason: `'${request.name}' is known by the hash of a file (flat), so it can be neither unpacked nor executable` } }
  }
  const addresses = candidates(request.urls, downloader.settings, ofBytes(request) ? wanted : undefined)
  const download: DownloadOptions = { ...options, checked: true }
  let mismatch: FailureCause | undefined
  const reasons: string[] = []
  for (const url of addresses) {
    options.signal?.throwIfAborted()
    try {
      const { ingested, got } = await takeUrl(request, await downloader.open(url, download), blobs, wanted, options)
      if (hashesEqual(got, wanted)) return { ok: true, pathInfo: pathInfoOf(storePath, ingested, { method: request.method, hash: wanted }) }
      mismatch = { kind: 'hash-mismatch', path: storePath.toString(), expected: formatHash(wanted, 'sri'), got: formatHash(got, 'sri') }
    } catch (error) {
      reasons.push(reasonToGoOn(error, url, options))
    }
  }
  return { ok: false, cause: mismatch ?? { kind: 'unreachable', urls: addresses.map(withoutPassword), reason: reasons.join('; ') } }
}

/** Whether the hash is that of the bytes as they are served. */
function ofBytes(request: UrlRequest): boolean {
  return request.method === 'flat'
}

/** What the address has, in the store, with its hash by the request's method. */
async function takeUrl(request: UrlRequest, download: Download, blobs: BlobStore, wanted: Hash, { signal }: FetchOptions): Promise<{ readonly ingested: Ingested; readonly got: Hash }> {
  if (request.method === 'flat') {
    const hash = createHash(wanted.algorithm)
    const ingested = await ingest(entryOfDownload(download, false, (chunk) => hash.update(chunk)), blobs, signal ? { signal } : {})
    return { ingested, got: { algorithm: wanted.algorithm, bytes: hash.digest() } }
  }
  const ingested = await ingest(entriesOf(request, download), blobs, signal ? { signal } : {})
  return { ingested, got: await narHash(ingested, blobs, wanted.algorithm) }
}

function entriesOf(request: UrlRequest, download: Download): AsyncIterable<Entry> {
  if (request.unpack) return entriesOfArchive(download.content, { stripTop: true })
  return request.isNar === true ? entriesOfCompressedNar(download.content, request.executable) : entryOfDownload(download, request.executable)
}

/** One file. The size, where the server says it, lets the NAR's hash be taken in the same pass. */
export async function* entryOfDownload(download: Download, executable: boolean, onChunk: (chunk: Uint8Array) => void = () => {}): AsyncGenerator<Entry, void, undefined> {
  const content = (async function* () {
    for await (const chunk of download.content) {
      onChunk(chunk)
      yield chunk
    }
  })()
  yield { kind: 'file', path: '', executable, content, ...(download.total !== undefined && { size: download.total }) }
}

async function* entriesOfCompressedNar(source: AsyncIterable<Uint8Array>, executable: boolean): AsyncGenerator<Entry, void, undefined> {
  const { head, content } = await peek(source, 6)
  for await (const entry of entriesOfNar(decompress(content, detectCompression(head)))) {
    yield entry.kind === 'file' && entry.path === '' && executable ? { ...entry, executable } : entry
  }
}

async function narHash(ingested: Ingested, blobs: BlobStore, algorithm: HashAlgorithm): Promise<Hash> {
  if (algorithm === 'sha256') return ingested.narHash
  const hash = createHash(algorithm)
  for await (const chunk of renderNar(ingested.root, blobs)) hash.update(chunk)
  return { algorithm, bytes: hash.digest() }
}

/** Why this address was no good; throws what has nothing to do with it. */
function reasonToGoOn(error: unknown, url: string, { signal }: FetchOptions): string {
  signal?.throwIfAborted()
  if (error instanceof DownloadError) return error.message
  // what came is no archive, or a broken one
  if (error instanceof FirnError && (error.kind === 'invalid-input' || error.kind === 'corrupt')) return `'${withoutPassword(url)}': ${error.message}`
  throw error
}

async function fetchGit(request: GitRequest, { blobs, git }: FetchParts, options: FetchOptions): Promise<FetchOutcome> {
  let ingested: Ingested
  try {
    ingested = await ingest(git.entries(request, options), blobs, options.signal ? { signal: options.signal } : {})
  } catch (error) {
    return { ok: false, cause: { kind: 'unreachable', urls: [withoutPassword(request.url)], reason: reasonToGoOn(error, request.url, options) } }
  }
  const contentAddress: ContentAddress = { method: 'nar', hash: ingested.narHash }
  const storePath = makeFixedOutputPath(request.name, contentAddress)
  const wanted = request.hash === undefined ? undefined : parseHash(request.hash)
  if (wanted && !hashesEqual(wanted, await narHash(ingested, blobs, wanted.algorithm))) {
    return { ok: false, cause: { kind: 'hash-mismatch', path: makeFixedOutputPath(request.name, { method: 'nar', hash: wanted }).toString(), expected: formatHash(wanted, 'sri'), got: formatHash(ingested.narHash, 'sri') } }
  }
  return { ok: true, pathInfo: pathInfoOf(storePath, ingested, contentAddress) }
}

/** The row for content without references, made now. */
export function pathInfoOf(storePath: StorePath, ingested: Ingested, contentAddress: ContentAddress): PathInfo {
  return {
    storePath,
    root: ingested.root,
    narHash: ingested.narHash,
    narSize: ingested.narSize,
    references: [],
    contentAddress,
    signatures: [],
    registeredAt: new Date(),
    ultimate: true,
  }
}
