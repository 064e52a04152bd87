/** Ring: api. What the API is given to work with; the composition (cli/, worker/) opens and closes these, the API only uses them. */
import type { Logger } from 'pino'
import type { Settings } from '../config/settings.ts'
import type { FarmDatabase } from '../state/database.ts'
import type { Motion } from '../state/motion.ts'
import type { BlobStore } from '../store/blobs/interface.ts'
import type { PathInfo, PathInfoStore } from '../store/path-info/interface.ts'
import type { ApiMetrics } from './metrics.ts'

export interface ApiDependencies {
  readonly settings: Pick<Settings, 'api' | 'cache' | 'evaluator'>
  readonly version: string
  readonly database: FarmDatabase
  readonly store: ApiStore
  readonly motion: Motion
  readonly logger: Logger
  readonly metrics: ApiMetrics
}

/** What of the store the API uses. */
export interface ApiStore {
  readonly blobs: BlobStore
  readonly pathInfos: PathInfoStore
  /** `name:base64`, for `trusted-public-keys`; undefined where nothing is signed. */
  readonly publicKey: string | undefined
  /** Signatures of a path, the farm's own among them. */
  signaturesOf(info: PathInfo): Promise<readonly string[]>
}
