/**
 * Ring: activities. What activities are given to work with. Factories take these; the worker makes them once.
 */
import type { Logger } from 'pino'
import type { Settings } from '../config/settings.ts'
import type { BuildDriver } from '../builder/interface.ts'
import type { Fetchers } from '../fetchers/open.ts'
import type { FarmDatabase } from '../state/database.ts'
import type { Motion } from '../state/motion.ts'
import type { WorkerStore } from '../store/open.ts'
import type { DerivationReader } from './derivations.ts'
import type { FarmFigures } from './figures.ts'
import type { GraphPlanner } from './graph.ts'
import type { OutcomeHub } from './outcome-hub.ts'
import type { RealisePlanner } from './realise-plans.ts'
import type { RunningThings } from './running.ts'
import type { Semaphore } from './semaphore.ts'

export interface Dependencies {
  readonly settings: Settings
  /** Name of this worker, unique in the farm. */
  readonly workerId: string
  readonly database: FarmDatabase
  readonly store: WorkerStore
  readonly motion: Motion
  readonly driver: BuildDriver
  readonly fetchers: Fetchers
  readonly derivations: DerivationReader
  readonly planner: GraphPlanner
  readonly realisePlans: RealisePlanner
  /** What runs here and can be stopped from outside. */
  readonly running: RunningThings
  /** Who waits here for nodes to end. */
  readonly hub: OutcomeHub
  /** Builds at the same time, over all queues of this worker. */
  readonly buildSlots: Semaphore
  readonly figures: FarmFigures
  readonly logger: Logger
}
