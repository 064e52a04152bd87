/**
 * Ring: store. Upstream binary caches as one: look-ups in bulk and in parallel, the best answer by priority, downloads streamed
 * into castore with their hash checked on the way. Upstream counterpart: libstore/build/substitution-goal.cc.
 */
import pLimit from 'p-limit'

import { FirnError } from '../../contract/errors.ts'
import { formatHash } from '../../nix/hash.ts'
import type { PublicKey } from '../../nix/signature.ts'
import type { StorePath } from '../../nix/store-path.ts'
import type { BlobStore } from '../blobs/interface.ts'
import { compressionOf, decompress } from '../ingest/decompress.ts'
import { ingest } from '../ingest/ingest.ts'
import { entriesOfNar } from '../ingest/nar.ts'
import type { PathInfo, PathInfoStore } from '../path-info/interface.ts'
import type { Substitutable, SubstituteOptions, Substituters } from './interface.ts'
import { isTrusted } from './trust.ts'
import type { Upstream } from './upstream.ts'

/** Downloads at the same time; each is decompressed and hashed, so more than a few a core wins nothing. */
const DOWNLOADS = 8
/** What was found is believed for so long without asking again. */
const FOUND_MILLISECONDS = 300_000

interface Found {
  readonly candidates: readonly { readonly upstream: Upstream; readonly substitutable: Substitutable }[]
  readonly until: number
}

export interface SubstitutersOptions {
  readonly upstreams: readonly Upstream[]
  readonly trustedKeys: readonly PublicKey[]
  readonly blobs: BlobStore
  readonly pathInfos: PathInfoStore
  readonly onWarning: (message: string) => void
}

export class UpstreamSubstituters implements Substituters {
  readonly #options: SubstitutersOptions
  readonly #found = new Map<string, Found>()
  readonly #running = new Map<string, Promise<PathInfo>>()
  readonly #limit = pLimit(DOWNLOADS)

  constructor(options: SubstitutersOptions) {
    this.#options = options
  }

  async lookup(storePaths: readonly StorePath[]): Promise<Map<string, Substitutable>> {
    const found = await this.#find(storePaths)
    return new Map([...found].flatMap(([baseName, { candidates }]) => (candidates[0] ? [[baseName, candidates[0].substitutable]] : [])))
  }

  async substitutable(storePaths: readonly StorePath[]): Promise<Map<string, { downloadSize?: number; narSize: number; paths: number }>> {
    if (this.#options.upstreams.length === 0) return new Map()
    const closure = await this.#closure(storePaths)
    const result = new Map<string, { downloadSize?: number; narSize: number; paths: number }>()
    for (const { baseName } of storePaths) {
      const cost = costOf(baseName, closure)
      if (cost) result.set(baseName, cost)
    }
    return result
  }

  async substitute(storePaths: readonly StorePath[], options: SubstituteOptions = {}): Promise<PathInfo[]> {
    const closure = await this.#closure(storePaths)
    const wanted = storePaths.filter(({ baseName }) => !costOf(baseName, closure))
    if (wanted.length > 0) throw new FirnError('not-found', `no substituter has ${wanted.map(({ baseName }) => baseName).join(', ')} with all that it refers to`, { data: { paths: wanted.map(String) } })
    const progress = progressOf(closure, options)
    const all = Promise.all([...closure.values()].flatMap((entry) => (entry.kind === 'found' ? [this.#ensure(entry.candidates, progress)] : [])))
    await untilAborted(all, options.signal)
    const infos = await this.#options.pathInfos.get(storePaths.map(({ hash }) => hash))
    return storePaths.map(({ hash, baseName }) => infos.get(hash) ?? missing(baseName))
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#running.values())
    await Promise.all(this.#options.upstreams.map(({ cache }) => cache.close()))
  }

  /** Asks every cache for what isn't known, all at once; candidates are in order of priority. */
  async #find(storePaths: readonly StorePath[]): Promise<Map<string, Found>> {
    const now = Date.now()
    for (const [baseName, { until }] of this.#found) if (until < now) this.#found.delete(baseName)
    const asked = storePaths.filter(({ baseName }) => !this.#found.has(baseName))
    const answers = asked.length === 0 ? [] : await Promise.all(this.#options.upstreams.map(async (upstream) => {
      const priority = upstream.paused ? undefined : await upstream.priority()
      return { upstream, priority, narInfos: priority === undefined ? [] : await upstream.narInfos(asked.map(({ hash }) => hash)) }
    }))
    const candidates = new Map<string, { priority: number; upstream: Upstream; substitutable: Substitutable }[]>()
    for (const { upstream, priority = 50, narInfos } of answers) {
      for (const narInfo of narInfos) {
        const { storePath } = narInfo
        if (!isTrusted(narInfo, this.#options.trustedKeys)) {
          this.#options.onWarning(`${upstream.cache.url} has ${storePath.baseName}, but no trusted key signed it`)
          continue
        }
        const list = candidates.get(storePath.baseName) ?? []
        list.push({ priority, upstream, substitutable: { storePath, cache: upstream.cache.url, narInfo } })
        candidates.set(storePath.baseName, list)
      }
    }
    for (const [baseName, list] of candidates) this.#found.set(baseName, { candidates: list.sort((a, b) => a.priority - b.priority), until: now + FOUND_MILLISECONDS })
    return new Map(storePaths.flatMap(({ baseName }) => (this.#found.has(baseName) ? [[baseName, this.#found.get(baseName)!]] : [])))
  }

  /** All that these paths refer to, level by level: a closure of depth ten costs ten rounds of look-ups. */
  async #closure(roots: readonly StorePath[]): Promise<Closure> {
    const closure: Closure = new Map()
    let level = [...new Map(roots.map((path) => [path.baseName, path])).values()]
    while (level.length > 0) {
      const valid = await this.#options.pathInfos.has(level.map(({ hash }) => hash))
      for (const path of level) if (valid.has(path.hash)) closure.set(path.baseName, { kind: 'valid' })
      const asked = level.filter(({ hash }) => !valid.has(hash))
      const found = await this.#find(asked)
      const next = new Map<string, StorePath>()
      for (const { baseName } of asked) {
        const candidates = found.get(baseName)?.candidates
        closure.set(baseName, candidates ? { kind: 'found', candidates } : { kind: 'missing' })
        for (const reference of candidates?.[0]?.substitutable.narInfo.references ?? []) if (!closure.has(reference.baseName)) next.set(reference.baseName, reference)
      }
      level = [...next.values()].filter(({ baseName }) => !closure.has(baseName))
    }
    return closure
  }

  /** One download a path, whoever asks. It becomes valid only after what it refers to. */
  #ensure(candidates: Found['candidates'], onBytes: (bytes: number) => void): Promise<PathInfo> {
    const { storePath, narInfo } = candidates[0]!.substitutable
    const running = this.#running.get(storePath.baseName)
    if (running) return running
    const work = (async () => {
      const info = await this.#limit(() => this.#download(candidates, onBytes))
      // Whoever asked for this one asked for its references as well, before or in the same turn of the loop.
      const others = narInfo.references.filter(({ baseName }) => baseName !== storePath.baseName)
      await Promise.all(others.flatMap(({ baseName }) => this.#running.get(baseName) ?? []))
      await this.#options.pathInfos.put([info])
      return info
    })().finally(() => this.#running.delete(storePath.baseName))
    this.#running.set(storePath.baseName, work)
    return work
  }

  async #download(candidates: Found['candidates'], onBytes: (bytes: number) => void): Promise<PathInfo> {
    let failure: unknown
    for (const { upstream, substitutable } of candidates) {
      try {
        return await this.#downloadFrom(upstream, substitutable, onBytes)
      } catch (error) {
        failure = error
        this.#options.onWarning(`taking ${substitutable.storePath.baseName} from ${upstream.cache.url} failed: ${(error as Error).message}`)
        this.#found.delete(substitutable.storePath.baseName)
      }
    }
    throw failure
  }

  async #downloadFrom(upstream: Upstream, { narInfo, storePath }: Substitutable, onBytes: (bytes: number) => void): Promise<PathInfo> {
    const nar = decompress(counted(upstream.cache.nar(narInfo), onBytes), compressionOf(narInfo.compression))
    const { root, narHash, narSize } = await ingest(entriesOfNar(limited(nar, narInfo.narSize, storePath)), this.#options.blobs)
    const got = formatHash(narHash, 'sri')
    const expected = formatHash(narInfo.narHash, 'sri')
    if (got !== expected || narSize !== narInfo.narSize) {
      throw new FirnError('hash-mismatch', `${upstream.cache.url} served ${storePath.baseName} with NAR hash ${got}, its narinfo says ${expected}`, { data: { path: storePath.toString(), got, expected } })
    }
    return {
      storePath, root, narHash, narSize, references: [...narInfo.references].sort((a, b) => (a.baseName < b.baseName ? -1 : 1)),
      deriver: narInfo.deriver, contentAddress: narInfo.contentAddress, signatures: narInfo.signatures, registeredAt: new Date(), ultimate: false,
    }
  }
}

type Closure = Map<string, { readonly kind: 'valid' | 'missing' } | { readonly kind: 'found'; readonly candidates: Found['candidates'] }>

/** What it takes to get a path with all it refers to; undefined where something of it can't be had. */
function costOf(root: string, closure: Closure): { downloadSize?: number; narSize: number; paths: number } | undefined {
  const seen = new Set([root])
  const cost = { downloadSize: 0 as number | undefined, narSize: 0, paths: 0 }
  for (const baseName of seen) {
    const entry = closure.get(baseName)
    if (entry?.kind === 'valid') continue
    if (entry?.kind !== 'found') return undefined
    const { narInfo } = entry.candidates[0]!.substitutable
    cost.paths++
    cost.narSize += narInfo.narSize
    cost.downloadSize = cost.downloadSize === undefined || narInfo.fileSize === undefined ? undefined : cost.downloadSize + narInfo.fileSize
    for (const reference of narInfo.references) seen.add(reference.baseName)
  }
  return cost
}

function progressOf(closure: Closure, { onProgress }: SubstituteOptions): (bytes: number) => void {
  const sizes = [...closure.values()].flatMap((entry) => (entry.kind === 'found' ? [entry.candidates[0]!.substitutable.narInfo.fileSize] : []))
  const total = sizes.every((size) => size !== undefined) ? sizes.reduce<number>((sum, size) => sum + (size ?? 0), 0) : undefined
  let sum = 0
  return (bytes) => onProgress?.({ bytes: sum += bytes, total })
}

async function* counted(content: AsyncIterable<Uint8Array>, onBytes: (bytes: number) => void): AsyncGenerator<Uint8Array> {
  for await (const chunk of content) {
    onBytes(chunk.length)
    yield chunk
  }
}

/** A NAR that is longer than its narinfo says is cut off before it fills the disk. */
async function* limited(content: AsyncIterable<Uint8Array>, size: number, storePath: StorePath): AsyncGenerator<Uint8Array> {
  let rest = size
  for await (const chunk of content) {
    rest -= chunk.length
    if (rest < 0) throw new FirnError('hash-mismatch', `the NAR of ${storePath.baseName} is longer than its narinfo says (${size} bytes)`)
    yield chunk
  }
}

/** A download goes on when one of those who wait for it gives up: another may wait for it, and what is stored is stored. */
async function untilAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return work
  signal.throwIfAborted()
  const aborted = Promise.withResolvers<never>()
  const onAbort = (): void => aborted.reject(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([work, aborted.promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
    work.catch(() => undefined)
  }
}

function missing(baseName: string): never {
  throw new FirnError('unavailable', `${baseName} was substituted, but is gone again`)
}
