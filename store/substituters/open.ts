/** Ring: store. Substituters from their settings. */
import { parsePublicKey } from '../../nix/signature.ts'
import type { BlobStore } from '../blobs/interface.ts'
import type { StoreDatabase } from '../database.ts'
import type { PathInfoStore } from '../path-info/interface.ts'
import type { SubstituterSettings } from '../settings.ts'
import { openBinaryCache } from './cache.ts'
import type { Substituters } from './interface.ts'
import { memoryMisses, postgresMisses } from './misses.ts'
import { UpstreamSubstituters } from './substituters.ts'
import { Upstream } from './upstream.ts'

export interface OpenSubstitutersOptions {
  readonly substituters: readonly SubstituterSettings[]
  /** `name:base64` */
  readonly trustedPublicKeys: readonly string[]
  readonly negativeSeconds?: number
  readonly timeoutSeconds?: number
  readonly pauseSeconds?: number
  readonly blobs: BlobStore
  readonly pathInfos: PathInfoStore
  /** Absent keeps misses in memory. */
  readonly database?: StoreDatabase
  readonly onWarning?: (message: string) => void
}

/** Errors: 'invalid-input' for an address that can't be a cache, FormatError for a malformed key. */
export function openSubstituters(options: OpenSubstitutersOptions): Substituters {
  const { blobs, pathInfos, database, negativeSeconds = 3600, pauseSeconds = 60, onWarning = (): void => undefined } = options
  const misses = database ? postgresMisses(database, negativeSeconds) : memoryMisses(negativeSeconds)
  const upstreams = options.substituters.map(({ url, priority }) => new Upstream(openBinaryCache(url, options.timeoutSeconds), { misses, pauseSeconds, priority, onWarning }))
  return new UpstreamSubstituters({ upstreams, trustedKeys: options.trustedPublicKeys.map(parsePublicKey), blobs, pathInfos, onWarning })
}
