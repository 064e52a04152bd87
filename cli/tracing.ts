/**
 * Ring: cli. The command's own span, of which everything the farm does for it is a part. OpenTelemetry's SDK takes half a second to
 * load and its exporter two to give up, so neither happens where nobody listens at the endpoint.
 */
import { SpanStatusCode, trace } from '@opentelemetry/api'
import { connect } from 'node:net'
import type { Settings } from '../config/settings.ts'
import { firnVersion } from './version.ts'

const PROBE_MILLISECONDS = 300

/** Runs `work` within a span of this name, if traces are wanted and somebody takes them. */
export async function traced(name: string, settings: Settings, work: () => Promise<void>): Promise<void> {
  if (!settings.telemetry.otlp || !(await collectorListens())) return await work()
  const { startTracing } = await import('../infra/observability/tracing.ts')
  const tracing = startTracing({ serviceName: 'firn', version: firnVersion(), otlp: true })
  try {
    await trace.getTracer('firn').startActiveSpan(name, async (span) => {
      try {
        await work()
      } catch (error) {
        span.setStatus({ code: SpanStatusCode.ERROR, message: (error as Error).message })
        throw error
      } finally {
        span.end()
      }
    })
  } finally {
    await tracing.shutdown()
  }
}

async function collectorListens(): Promise<boolean> {
  const endpoint = process.env['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'] ?? process.env['OTEL_EXPORTER_OTLP_ENDPOINT'] ?? 'http://localhost:4318'
  if (!URL.canParse(endpoint)) return false
  const { protocol, hostname, port } = new URL(endpoint)
  return await new Promise((end) => {
    const socket = connect({ host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || (protocol === 'https:' ? 443 : 80)), timeout: PROBE_MILLISECONDS })
    const answer = (listens: boolean): void => {
      socket.destroy()
      end(listens)
    }
    socket.once('connect', () => answer(true)).once('timeout', () => answer(false)).once('error', () => answer(false))
  })
}
