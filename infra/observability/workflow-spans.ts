/**
 * Spans made inside workflows. Temporal's interceptors make them with version 1 of OpenTelemetry's SDK; this process exports with
 * version 2, where two fields have other names, and an exporter that misses them throws out of a timer and ends the process.
 */
import { type SpanContext, TraceFlags } from '@opentelemetry/api'
import type { ReadableSpan, SpanProcessor } from '@opentelemetry/sdk-trace-base'

interface OldNames {
  readonly parentSpanId?: string
  readonly instrumentationLibrary?: ReadableSpan['instrumentationScope']
}

/** Takes spans of either version, and hands on those of version 2. */
export function workflowSpanProcessor(processor: SpanProcessor): SpanProcessor {
  return {
    onStart: (span, context) => processor.onStart(span, context),
    onEnd: (span) => processor.onEnd(renamed(span)),
    forceFlush: () => processor.forceFlush(),
    shutdown: () => processor.shutdown(),
  }
}

function renamed(span: ReadableSpan & OldNames): ReadableSpan {
  const { traceId } = span.spanContext()
  const parent: SpanContext | undefined = span.parentSpanContext
    ?? (span.parentSpanId ? { traceId, spanId: span.parentSpanId, traceFlags: TraceFlags.SAMPLED, isRemote: true } : undefined)
  return {
    ...span,
    spanContext: () => span.spanContext(),
    instrumentationScope: span.instrumentationScope ?? span.instrumentationLibrary ?? { name: '@temporalio/interceptor-workflow' },
    ...(parent ? { parentSpanContext: parent } : {}),
  }
}
