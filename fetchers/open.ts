/**
 * Ring: fetchers. Everything that gets content from elsewhere, behind two calls. Upstream counterpart: libfetchers and
 * builtin:fetchurl. A worker makes one and closes it at its end.
 */
import type { FetchRequest, UnlockedFetch, UnlockedFetchResult } from '../contract/fetch.ts'
import type { BlobStore } from '../store/blobs/interface.ts'
import type { PathInfoStore } from '../store/path-info/interface.ts'
import { Downloader } from './download.ts'
import { fetchLocked, type FetchOptions, type FetchOutcome } from './fetch.ts'
import { GitFetcher, type GitOptions } from './git.ts'
import { DOWNLOAD_DEFAULTS, type DownloadSettings } from './interface.ts'
import { fetchUnlocked } from './unlocked.ts'

export interface Fetchers {
  /** A fetch known by its hash: stored, its PathInfo still to be put. What can't be had is a result, not an error. */
  fetch(request: FetchRequest, options?: FetchOptions): Promise<FetchOutcome>
  /** A fetch without a hash: stored and registered. Throws where it can't be had. */
  fetchUnlocked(request: UnlockedFetch, options?: FetchOptions): Promise<UnlockedFetchResult>
  /** The revision that a git reference has on its server now; nothing is fetched. Throws where it can't be had. */
  gitRevision(source: { readonly url: string; readonly ref?: string }, options?: GitOptions): Promise<string>
  close(): Promise<void>
}

export interface FetchersSettings extends Partial<DownloadSettings> {
  /** Folder for repositories that are kept between fetches. */
  readonly folder: string
}

export function openFetchers(settings: FetchersSettings, store: { readonly blobs: BlobStore; readonly pathInfos: PathInfoStore }): Fetchers {
  const { folder, ...download } = settings
  const downloader = new Downloader({ ...DOWNLOAD_DEFAULTS, ...download })
  const parts = { blobs: store.blobs, pathInfos: store.pathInfos, downloader, git: new GitFetcher(folder), folder }
  return {
    fetch: async (request, options) => await fetchLocked(request, parts, options),
    fetchUnlocked: async (request, options) => await fetchUnlocked(request, parts, options),
    gitRevision: async (source, options) => await parts.git.remoteRevision(source, options),
    close: async () => await downloader.close(),
  }
}
