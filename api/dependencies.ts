/** Ring: api. What the API is given to work with; the composition (cli/, worker/) opens and closes these, the API only uses them. */
import type { Logger } from 'pino'
import type { Settings } from '../config/settings.ts'
import type { Scope } from '../contract/api-routes.ts'
import type { FarmDatabase } from '../state/database.ts'
import type { Motion } from '../state/motion.ts'
import type { Store } from '../store/open.ts'
import type { ApiMetrics } from './metrics.ts'

export interface ApiDependencies {
  readonly settings: Pick<Settings, 'api' | 'cache' | 'evaluator'>
  readonly version: string
  readonly database: FarmDatabase
  readonly store: Store
  readonly motion: Motion
  readonly logger: Logger
  readonly metrics: ApiMetrics
}

/** Who asks, as the authorisation found out. */
export interface Caller {
  readonly name: string
  readonly scopes: readonly Scope[]
}
