/**
 * Ring: state. A node that several evaluations want runs in the trace of whoever began it; the others' spans link to that trace. So the
 * node's row remembers where it was begun, as W3C's `traceparent`.
 */
import { type SpanContext, trace, TraceFlags } from '@opentelemetry/api'

/** OpenTelemetry's default limit of links of a span. */
const MOST_LINKS = 128

/** The active span as `traceparent`; null where nothing is traced. */
export function activeTraceParent(): string | null {
  const context = trace.getActiveSpan()?.spanContext()
  return context && trace.isSpanContextValid(context) ? `00-${context.traceId}-${context.spanId}-${context.traceFlags.toString(16).padStart(2, '0')}` : null
}

export interface RunElsewhere {
  readonly nodeKey: string
  readonly buildId: number
  readonly traceParent: string | null
}

/** Links the active span to where these nodes were begun, unless that is its own trace. */
export function linkToRuns(nodes: readonly RunElsewhere[]): void {
  const span = trace.getActiveSpan()
  if (!span?.isRecording()) return
  const { traceId } = span.spanContext()
  const links = nodes.flatMap(({ nodeKey, buildId, traceParent }) => {
    const context = parseTraceParent(traceParent)
    return context && context.traceId !== traceId ? [{ context, attributes: { 'firn.node': nodeKey, 'firn.build_id': buildId } }] : []
  })
  span.addLinks(links.slice(0, MOST_LINKS))
}

function parseTraceParent(text: string | null): SpanContext | undefined {
  const [, traceId, spanId, flags] = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/.exec(text ?? '') ?? []
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined
  return { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & TraceFlags.SAMPLED, isRemote: true }
}
