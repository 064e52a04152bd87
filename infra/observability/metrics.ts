/**
 * Metrics for Prometheus, all names in one place. Counters and histograms belong to the process that counts; figures of the
 * whole farm (nodes by state, queue lengths) are read from the database when somebody scrapes, by `farmGauges`.
 */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'

export interface FarmMetrics {
  readonly registry: Registry
  readonly http: {
    /** Labels: route, method, status. Seconds to the end of the response. */
    readonly duration: Histogram<'route' | 'method' | 'status'>
    readonly open: Gauge<'route'>
  }
  readonly cache: {
    /** Label: hit or miss. */
    readonly narinfo: Counter<'result'>
    /** Bytes of NARs given out, before compression. */
    readonly narBytes: Counter
    readonly aborted: Counter
  }
  readonly activities: {
    /** Seconds. Labels: activity, outcome (succeeded, failed, fault, cancelled). */
    readonly duration: Histogram<'activity' | 'outcome'>
    readonly running: Gauge<'activity'>
  }
  readonly builds: {
    /** Seconds of each step of a realisation. */
    readonly step: Histogram<'step'>
    /** Labels: how (built, fetched, substituted, valid) or the kind of the cause. */
    readonly ended: Counter<'result'>
  }
  readonly fetches: {
    readonly bytes: Counter<'host'>
    readonly requests: Counter<'host' | 'result'>
  }
  readonly store: {
    readonly bytes: Counter<'direction' | 'backend'>
    readonly requests: Counter<'operation' | 'backend'>
  }
  readonly evaluations: {
    readonly ended: Counter<'state'>
    /** Seconds of computing, without waiting. */
    readonly busy: Counter
    readonly attributes: Counter
  }
}

const SECONDS = [0.001, 0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 1800, 7200]

/** A registry of its own with all of Firn's metrics; one a process, more only in tests. */
export function createMetrics(options: { readonly processMetrics?: boolean } = {}): FarmMetrics {
  const registry = new Registry()
  const registers = [registry]
  if (options.processMetrics !== false) collectDefaultMetrics({ register: registry })
  const counter = <Label extends string>(name: string, help: string, labelNames: readonly Label[] = []) => new Counter<Label>({ name, help, labelNames, registers })
  const histogram = <Label extends string>(name: string, help: string, labelNames: readonly Label[]) => new Histogram<Label>({ name, help, labelNames, buckets: SECONDS, registers })
  const gauge = <Label extends string>(name: string, help: string, labelNames: readonly Label[] = []) => new Gauge<Label>({ name, help, labelNames, registers })
  return {
    registry,
    http: {
      duration: histogram('firn_http_request_seconds', 'Time to the end of HTTP responses, by route.', ['route', 'method', 'status']),
      open: gauge('firn_http_open_requests', 'HTTP requests that are being answered.', ['route']),
    },
    cache: {
      narinfo: counter('firn_cache_narinfo_total', 'Look-ups of narinfo files.', ['result']),
      narBytes: counter('firn_cache_nar_bytes_total', 'Bytes of NARs given out, before compression.'),
      aborted: counter('firn_cache_nar_aborted_total', 'NAR downloads that the client broke off.'),
    },
    activities: {
      duration: histogram('firn_activity_seconds', 'Time of activities.', ['activity', 'outcome']),
      running: gauge('firn_activity_running', 'Activities that run in this process.', ['activity']),
    },
    builds: {
      step: histogram('firn_build_step_seconds', 'Time of the steps of a realisation.', ['step']),
      ended: counter('firn_builds_ended_total', 'Realisations that this process ended, by how or by cause.', ['result']),
    },
    fetches: {
      bytes: counter('firn_fetch_bytes_total', 'Bytes downloaded.', ['host']),
      requests: counter('firn_fetch_requests_total', 'Requests of downloads.', ['host', 'result']),
    },
    store: {
      bytes: counter('firn_store_bytes_total', 'Bytes read from and written to the object store.', ['direction', 'backend']),
      requests: counter('firn_store_requests_total', 'Requests to the object store.', ['operation', 'backend']),
    },
    evaluations: {
      ended: counter('firn_evaluations_ended_total', 'Evaluations that this process ended.', ['state']),
      busy: counter('firn_evaluator_busy_seconds_total', 'Time that evaluators computed.'),
      attributes: counter('firn_evaluator_attributes_total', 'Attributes evaluated.'),
    },
  }
}

/** Figures of the whole farm at the moment of a scrape. */
export interface FarmFigures {
  readonly evaluations: Readonly<Record<string, number>>
  readonly builds: Readonly<Record<string, number>>
  readonly queued: readonly { readonly system: string; readonly count: number }[]
  readonly workers: { readonly live: number; readonly slots: number }
  readonly store: { readonly paths: number; readonly narBytes: number }
}

/** Registers gauges that `read` fills at each scrape, in one call for all of them. Where it fails, the last values stay and the scrape goes on. */
export function farmGauges(registry: Registry, read: () => Promise<FarmFigures>): void {
  let reading: Promise<FarmFigures | undefined> | undefined
  // all gauges of one scrape are collected at the same time and share one answer
  const figures = (): Promise<FarmFigures | undefined> => {
    reading ??= read().catch(() => undefined).finally(() => { setTimeout(() => { reading = undefined }, 50).unref() })
    return reading
  }
  const gauge = <Label extends string>(name: string, help: string, labelNames: readonly Label[], fill: (gauge: Gauge<Label>, figures: FarmFigures) => void): void => {
    new Gauge<Label>({
      name, help, labelNames, registers: [registry],
      async collect() {
        const current = await figures()
        if (!current) return
        this.reset()
        fill(this, current)
      },
    })
  }
  gauge('firn_evaluations', 'Evaluations by state.', ['state'], (own, { evaluations }) => { for (const [state, count] of Object.entries(evaluations)) own.set({ state }, count) })
  gauge('firn_builds', 'Builds by state.', ['state'], (own, { builds }) => { for (const [state, count] of Object.entries(builds)) own.set({ state }, count) })
  gauge('firn_queued_builds', 'Builds that wait for a worker, by system.', ['system'], (own, { queued }) => { for (const { system, count } of queued) own.set({ system }, count) })
  gauge('firn_workers', 'Workers that were seen lately.', [], (own, { workers }) => { own.set(workers.live) })
  gauge('firn_worker_slots', 'Build slots of live workers.', [], (own, { workers }) => { own.set(workers.slots) })
  gauge('firn_store_paths', 'Valid store paths.', [], (own, { store }) => { own.set(store.paths) })
  gauge('firn_store_nar_bytes', 'Sum of the NAR sizes of valid store paths.', [], (own, { store }) => { own.set(store.narBytes) })
}
