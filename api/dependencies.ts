/** Ring: api. What the API is given to work with; the composition (cli/, worker/) opens and closes these, the API only uses them. */
import type { Logger } from 'pino'
import type { Settings } from '../config/settings.ts'
import type { FarmDatabase } from '../state/database.ts'
import type { Motion } from '../state/motion.ts'
import type { Store } from '../store/open.ts'
import type { ApiMetrics } from './metrics.ts'

export interface ApiDependencies {
  readonly settings: Pick<Settings, 'api' | 'cache' | 'evaluator' | 'notifications' | 'signIn'>
  readonly version: string
  readonly database: FarmDatabase
  readonly store: ApiStore
  readonly motion: Motion
  readonly logger: Logger
  readonly metrics: ApiMetrics
}

/** What of the store the API uses. */
export type ApiStore = Pick<Store, 'blobs' | 'pathInfos' | 'publicKey' | 'signaturesOf'>
