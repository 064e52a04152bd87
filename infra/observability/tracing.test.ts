import { SpanStatusCode, trace } from '@opentelemetry/api'
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { activeTraceId, continueTrace, startTracing, traceHeaders } from './tracing.ts'

interface Received { name: string; traceId: string; spanId: string; parentSpanId?: string; service: string }
interface Otlp { resourceSpans: { resource: { attributes: { key: string; value: { stringValue?: string } }[] }; scopeSpans: { spans: Omit<Received, 'service'>[] }[] }[] }

const received: Received[] = []
const collector = createServer((request, response) => {
  const parts: Buffer[] = []
  request.on('data', (part: Buffer) => parts.push(part))
  request.on('end', () => {
    const body = Buffer.concat(parts)
    const text = (request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body).toString()
    for (const { resource, scopeSpans } of (JSON.parse(text) as Otlp).resourceSpans) {
      const service = resource.attributes.find(({ key }) => key === 'service.name')?.value.stringValue ?? ''
      for (const { spans } of scopeSpans) received.push(...spans.map((span) => ({ ...span, service })))
    }
    response.setHeader('Content-Type', 'application/json').end('{}')
  })
})

before(async () => {
  await new Promise<void>((resolve) => { collector.listen(0, '127.0.0.1', resolve) })
  process.env['OTEL_EXPORTER_OTLP_ENDPOINT'] = `http://127.0.0.1:${(collector.address() as AddressInfo).port}`
})
after(() => collector.close())

test('spans continue the trace of a request and reach the collector, and headers hand it on', async () => {
  const tracing = startTracing({ serviceName: 'firn-test', version: '0', otlp: true })
  const traceId = '0af7651916cd43dd8448eb211c80319c'
  let handedOn: Record<string, string> = {}
  continueTrace({ traceparent: `00-${traceId}-b7ad6b7169203331-01` }, () => {
    trace.getTracer('test').startActiveSpan('outer', (outer) => {
      assert.equal(activeTraceId(), traceId)
      trace.getTracer('test').startActiveSpan('inner', (inner) => {
        handedOn = traceHeaders()
        inner.setStatus({ code: SpanStatusCode.ERROR }).end()
      })
      outer.end()
    })
  })
  await tracing.shutdown()
  const outer = received.find(({ name }) => name === 'outer')
  const inner = received.find(({ name }) => name === 'inner')
  assert.ok(outer && inner, 'both spans arrived')
  assert.deepEqual([outer.traceId, outer.parentSpanId, outer.service], [traceId, 'b7ad6b7169203331', 'firn-test'])
  assert.deepEqual([inner.traceId, inner.parentSpanId], [traceId, outer.spanId])
  assert.equal(handedOn['traceparent'], `00-${traceId}-${inner.spanId}-01`)
})

test('a span of a workflow, in the form that Temporal\'s interceptors give it, reaches the collector with its parent', async () => {
  const tracing = startTracing({ serviceName: 'firn-test', version: '0', otlp: true })
  const context = { traceId: '1af7651916cd43dd8448eb211c80319d', spanId: 'c7ad6b7169203332', traceFlags: 1 }
  const old = {
    name: 'workflow', kind: 0, spanContext: () => context, parentSpanId: 'd7ad6b7169203333', startTime: [1, 0], endTime: [2, 0], duration: [1, 0], status: { code: 0 },
    attributes: {}, links: [], events: [], ended: true, resource: tracing.workflowSpans!.resource, instrumentationLibrary: { name: 'workflow-interceptor' },
    droppedAttributesCount: 0, droppedEventsCount: 0, droppedLinksCount: 0,
  }
  tracing.workflowSpans!.processor.onEnd(old as unknown as Parameters<NonNullable<typeof tracing.workflowSpans>['processor']['onEnd']>[0])
  await tracing.shutdown()
  const span = received.find(({ name }) => name === 'workflow')
  assert.deepEqual([span?.traceId, span?.spanId, span?.parentSpanId], [context.traceId, context.spanId, old.parentSpanId])
})
