/**
 * OpenTelemetry for every process of Firn: one set-up, spans sent over OTLP/HTTP to the default endpoint (or where the
 * standard OTEL_EXPORTER_OTLP_* variables point). Nobody listening there does no harm: spans are dropped.
 * Call `startTracing` before anything else starts spans; without it the API of OpenTelemetry does nothing and costs nothing.
 */
import { context, propagation, trace } from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { detectResources, envDetector, hostDetector, processDetector, type Resource, resourceFromAttributes } from '@opentelemetry/resources'
import { BatchSpanProcessor, type SpanProcessor } from '@opentelemetry/sdk-trace-base'
import { NodeTracerProvider } from '@opentelemetry/sdk-trace-node'
import { ATTR_SERVICE_NAME, ATTR_SERVICE_VERSION } from '@opentelemetry/semantic-conventions'
import { workflowSpanProcessor } from './workflow-spans.ts'

export interface TracingSettings {
  /** For example `firn-api`, `firn-worker`, `firn`. */
  readonly serviceName: string
  readonly version: string
  /** False turns tracing off altogether. */
  readonly otlp: boolean
  /** Spans go here instead of to OTLP (tests). */
  readonly spanProcessor?: SpanProcessor
}

export interface Tracing {
  /** What Temporal's workflow exporter needs to send spans made inside workflows; undefined when tracing is off. */
  readonly workflowSpans?: { readonly processor: SpanProcessor; readonly resource: Resource }
  /** Sends what is left, waiting two seconds at most. */
  shutdown(): Promise<void>
}

/** An endpoint that does not answer must not hold up the end of a command. */
const EXPORT_TIMEOUT_MILLISECONDS = 2000

export function startTracing(settings: TracingSettings): Tracing {
  if (!settings.otlp || process.env['OTEL_SDK_DISABLED'] === 'true') return { shutdown: () => Promise.resolve() }
  const resource = resourceFromAttributes({ [ATTR_SERVICE_NAME]: settings.serviceName, [ATTR_SERVICE_VERSION]: settings.version })
    .merge(detectResources({ detectors: [envDetector, hostDetector, processDetector] }))
  const processor = settings.spanProcessor
    ?? new BatchSpanProcessor(new OTLPTraceExporter({ timeoutMillis: EXPORT_TIMEOUT_MILLISECONDS }), { exportTimeoutMillis: EXPORT_TIMEOUT_MILLISECONDS, scheduledDelayMillis: 1000 })
  // not the SDK for all signals: its exporters take most of a second to load, and metrics and logs don't leave by OTLP here
  const provider = new NodeTracerProvider({ resource, spanProcessors: [processor] })
  provider.register()
  return {
    workflowSpans: { processor: workflowSpanProcessor(processor), resource },
    async shutdown() {
      await Promise.race([provider.shutdown().catch(() => undefined), new Promise((resolve) => { setTimeout(resolve, EXPORT_TIMEOUT_MILLISECONDS).unref() })])
    },
  }
}

/** Headers that carry the active trace to another process (`traceparent`), for HTTP requests and child processes. */
export function traceHeaders(): Record<string, string> {
  const carrier: Record<string, string> = {}
  propagation.inject(context.active(), carrier)
  return carrier
}

/** Runs `work` within the trace that the headers name, if they do. */
export function continueTrace<T>(headers: Readonly<Record<string, unknown>>, work: () => T): T {
  return context.with(propagation.extract(context.active(), headers), work)
}

/** Id of the active trace, for logs; undefined where there is none. */
export function activeTraceId(): string | undefined {
  return trace.getActiveSpan()?.spanContext().traceId
}
