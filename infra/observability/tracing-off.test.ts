import { trace } from '@opentelemetry/api'
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { activeTraceId, startTracing, traceHeaders } from './tracing.ts'

test('off is off: no span is recorded, no header is made', async () => {
  const tracing = startTracing({ serviceName: 'firn-test', version: '0', otlp: false })
  assert.equal(tracing.workflowSpans, undefined)
  trace.getTracer('test').startActiveSpan('one', (span) => {
    assert.equal(span.isRecording(), false)
    assert.deepEqual(traceHeaders(), {})
    assert.match(activeTraceId() ?? '', /^0*$/)
    span.end()
  })
  await tracing.shutdown()
})

test('a collector that nobody runs costs an ending program a few seconds at most', async () => {
  process.env['OTEL_EXPORTER_OTLP_ENDPOINT'] = 'http://127.0.0.1:1'
  const tracing = startTracing({ serviceName: 'firn-test', version: '0', otlp: true })
  trace.getTracer('test').startSpan('lost').end()
  const started = performance.now()
  await tracing.shutdown()
  assert.ok(performance.now() - started < 4000)
})
