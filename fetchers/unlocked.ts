/**
 * Ring: fetchers. Downloads that no hash identifies: the result is stored, registered, and told with what locks it from now
 * on. Upstream: fetchTree and downloadTarball (libfetchers/), fetchGit and fetchMercurial.
 */
import { FirnError } from '../contract/errors.ts'
import type { UnlockedFetch, UnlockedFetchResult } from '../contract/fetch.ts'
import { createHash, formatHash } from '../nix/hash.ts'
import { makeFixedOutputPath, type FixedOutput } from '../nix/store-path.ts'
import { entriesOfArchive } from '../store/ingest/archive.ts'
import { ingest, type Ingested } from '../store/ingest/ingest.ts'
import { entriesOfLocalTree } from '../store/ingest/local-tree.ts'
import type { PathInfoStore } from '../store/path-info/interface.ts'
import { DownloadError, withoutPassword } from './errors.ts'
import { entryOfDownload, pathInfoOf, type FetchOptions, type FetchParts } from './fetch.ts'
import { checkOutMercurial } from './mercurial.ts'
import { mirrored } from './mirrors.ts'
import type { Download } from './interface.ts'

export interface UnlockedParts extends FetchParts {
  readonly pathInfos: PathInfoStore
  /** Where repositories are kept. */
  readonly folder: string
}

/** Does it. Throws DownloadError ('unavailable') where it can't be had, 'invalid-input' where what came is no archive. */
export async function fetchUnlocked(request: UnlockedFetch, parts: UnlockedParts, options: FetchOptions = {}): Promise<UnlockedFetchResult> {
  switch (request.kind) {
    case 'url': return await fetchFile(request, parts, options)
    case 'tarball': return await fetchTarball(request, parts, options)
    case 'git': return await fetchGit(request, parts, options)
    case 'mercurial': return await fetchMercurial(request, parts, options)
  }
}

/** Mirrors first; the last address's failure is the one that is told. */
async function openMirrored(url: string, { downloader }: UnlockedParts, options: FetchOptions): Promise<Download> {
  const addresses = mirrored([url], downloader.settings)
  for (const address of addresses.slice(0, -1)) {
    try {
      return await downloader.open(address, options)
    } catch (error) {
      if (!(error instanceof DownloadError)) throw error
    }
  }
  return await downloader.open(addresses.at(-1)!, options)
}

async function fetchFile(request: UnlockedFetch, parts: UnlockedParts, options: FetchOptions): Promise<UnlockedFetchResult> {
  const download = await openMirrored(request.url, parts, options)
  const hash = createHash('sha256')
  const ingested = await ingest(entryOfDownload(download, false, (chunk) => hash.update(chunk)), parts.blobs, options.signal ? { signal: options.signal } : {})
  const result = await register(request, ingested, { method: 'flat', hash: { algorithm: 'sha256', bytes: hash.digest() } }, parts)
  return { ...result, ...lockedUrl(download) }
}

async function fetchTarball(request: UnlockedFetch, parts: UnlockedParts, options: FetchOptions): Promise<UnlockedFetchResult> {
  const download = await openMirrored(request.url, parts, options)
  let lastModified = 0
  const entries = entriesOfArchive(download.content, { stripTop: true, onModified: (seconds) => void (lastModified = Math.max(lastModified, seconds)) })
  let ingested: Ingested
  try {
    ingested = await ingest(entries, parts.blobs, options.signal ? { signal: options.signal } : {})
  } catch (error) {
    if (error instanceof FirnError && (error.kind === 'invalid-input' || error.kind === 'corrupt')) throw new FirnError(error.kind, `unable to unpack '${withoutPassword(request.url)}': ${error.message}`, { cause: error })
    throw error
  }
  return { ...await registerTree(request, ingested, parts), lastModified, ...lockedUrl(download) }
}

async function fetchGit(request: UnlockedFetch, parts: UnlockedParts, options: FetchOptions): Promise<UnlockedFetchResult> {
  const source = {
    url: request.url,
    ...(request.ref !== undefined && { ref: request.ref }),
    ...(request.revision !== undefined && { revision: request.revision }),
    submodules: request.submodules ?? false,
    shallow: request.shallow ?? false,
    exportIgnore: request.exportIgnore ?? false,
    lfs: request.lfs ?? false,
  }
  const checkout = await parts.git.checkOut(source, options)
  const ingested = await ingest(parts.git.checkoutEntries(checkout, source, options), parts.blobs, options.signal ? { signal: options.signal } : {})
  return {
    ...await registerTree(request, ingested, parts),
    lastModified: checkout.lastModified,
    ...(checkout.kind === 'dirty' && checkout.revision !== undefined && { dirtyRevision: checkout.revision }),
    ...(checkout.kind === 'commit' && { revision: checkout.revision, ...(checkout.revisionCount !== undefined && { revisionCount: checkout.revisionCount }) }),
  }
}

async function fetchMercurial(request: UnlockedFetch, parts: UnlockedParts, options: FetchOptions): Promise<UnlockedFetchResult> {
  const checkout = await checkOutMercurial(parts.folder, request, options)
  try {
    const ingested = await ingest(entriesOfLocalTree(checkout.folder), parts.blobs, options.signal ? { signal: options.signal } : {})
    return { ...await registerTree(request, ingested, parts), revision: checkout.revision, revisionCount: checkout.revisionCount }
  } finally {
    await checkout.remove()
  }
}

async function registerTree(request: UnlockedFetch, ingested: Ingested, parts: UnlockedParts): Promise<UnlockedFetchResult> {
  return await register(request, ingested, { method: 'nar', hash: ingested.narHash }, parts)
}

async function register(request: UnlockedFetch, ingested: Ingested, address: FixedOutput, { pathInfos }: UnlockedParts): Promise<UnlockedFetchResult> {
  const storePath = makeFixedOutputPath(request.name, address)
  await pathInfos.put([pathInfoOf(storePath, ingested, { method: address.method, hash: address.hash })])
  return { storePath: storePath.toString(), narHash: formatHash(ingested.narHash, 'sri') }
}

function lockedUrl({ immutableUrl }: Download): { readonly lockedUrl?: string } {
  return immutableUrl === undefined ? {} : { lockedUrl: immutableUrl }
}
