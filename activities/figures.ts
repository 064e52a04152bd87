/** Ring: activities. The metrics that activities count; the process's registry has more (infra/observability). */
import type { Counter, Gauge, Histogram } from 'prom-client'

export interface FarmFigures {
  readonly activities: {
    readonly duration: Histogram<'activity' | 'outcome'>
    readonly running: Gauge<'activity'>
  }
  readonly builds: {
    readonly step: Histogram<'step'>
    /** By how it succeeded, or by the kind of the cause. */
    readonly ended: Counter<'result'>
  }
  readonly evaluations: {
    readonly ended: Counter<'state'>
    readonly busy: Counter
    readonly attributes: Counter
  }
}
