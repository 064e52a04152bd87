import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMetrics, farmGauges } from './metrics.ts'

test('figures of the farm are read once a scrape, and a failing database does not break it', async () => {
  const metrics = createMetrics({ processMetrics: false })
  let reads = 0
  let failing = false
  farmGauges(metrics.registry, () => {
    reads++
    if (failing) return Promise.reject(new Error('no database'))
    return Promise.resolve({ evaluations: { building: 1 }, builds: { running: 3, failed: 2 }, queued: [{ system: 'x86_64-linux', count: 5 }], workers: { live: 2, slots: 8 }, store: { paths: 10, narBytes: 1000 } })
  })
  metrics.http.duration.observe({ route: 'getBuild', method: 'GET', status: '200' }, 0.01)
  const text = await metrics.registry.metrics()
  assert.equal(reads, 1)
  assert.match(text, /^firn_builds\{state="running"\} 3$/m)
  assert.match(text, /^firn_queued_builds\{system="x86_64-linux"\} 5$/m)
  assert.match(text, /^firn_worker_slots 8$/m)
  assert.match(text, /^firn_http_request_seconds_count\{route="getBuild",method="GET",status="200"\} 1$/m)
  failing = true
  await new Promise((resolve) => { setTimeout(resolve, 60) })
  assert.match(await metrics.registry.metrics(), /^firn_builds\{state="running"\} 3$/m)
  assert.equal(reads, 2)
})
