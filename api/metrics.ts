/** Ring: api. The part of the process' metrics that the API counts in; infra/observability/metrics.ts makes all of them. */
import type { Counter, Gauge, Histogram, Registry } from 'prom-client'

export interface ApiMetrics {
  readonly registry: Registry
  readonly http: { readonly duration: Histogram<'route' | 'method' | 'status'>; readonly open: Gauge<'route'> }
  readonly cache: { readonly narinfo: Counter<'result'>; readonly narBytes: Counter; readonly aborted: Counter }
}
