/**
 * One evaluation is one trace: what a collector gets of API, workflows, activities and containers hangs together, and an evaluation
 * that waits for a node of another links to that one's trace.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Build } from '../../contract/api.ts'
import { type RunningFirn, startFirn } from '../support/firn.ts'
import { type CollectedSpan, type Collector, startCollector } from '../support/otlp-collector.ts'

const file = fileURLToPath(new URL('testdata/trace.nix', import.meta.url))
const traceId = { one: '11111111111111111111111111111111', two: '22222222222222222222222222222222' }
const CALLER = 'aaaaaaaaaaaaaaaa'

let collector: Collector
let farm: RunningFirn
before(async () => {
  collector = await startCollector()
  farm = await startFirn({ environment: { FIRN_OTLP: 'true', FIRN_BUILDER_RUNTIME: 'runc', OTEL_EXPORTER_OTLP_ENDPOINT: collector.url } })
})
after(async () => {
  await farm.stop()
  collector.close()
})

/** Submits as a program would that is traced itself. */
async function submit(which: 'one' | 'two'): Promise<number> {
  const response = await fetch(`${farm.url}/api/v1/evaluations`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'traceparent': `00-${traceId[which]}-${CALLER}-01` },
    body: JSON.stringify({ source: { kind: 'file', path: file }, attributes: [], arguments: { which: { kind: 'string', value: which } }, recurse: true, settings: {} }),
  })
  const body = await response.json() as { id: number }
  assert.equal(response.status, 201, JSON.stringify(body))
  return body.id
}

async function until<T>(look: () => Promise<T | undefined> | T | undefined, what: string): Promise<T> {
  for (const end = Date.now() + 120_000; Date.now() < end; await sleep(100)) {
    const found = await look()
    if (found !== undefined) return found
  }
  throw new Error(`no ${what} after two minutes`)
}

const succeeded = (id: number): Promise<unknown> => until(async () => {
  const evaluation = await farm.client.call('getEvaluation', { params: { id } })
  assert.notEqual(evaluation.state, 'failed', JSON.stringify(evaluation))
  return evaluation.state === 'succeeded' ? evaluation : undefined
}, `end of evaluation ${id}`)

test('spans of API, evaluation, nodes and containers form one tree; what is shared is linked to', async () => {
  const first = await submit('one')
  await until(async () => (await farm.client.all<'listBuilds', Build>('listBuilds', { query: {} })).find(({ name, state }) => name === 'shared' && state === 'running'), 'running build of the shared node')
  const second = await submit('two')
  await Promise.all([succeeded(first), succeeded(second)])
  const spansOf = (which: 'one' | 'two'): CollectedSpan[] => collector.spans.filter((span) => span.traceId === traceId[which])
  // the last spans are sent a second after they ended
  await until(() => (['one', 'two'] as const).every((which) => spansOf(which).some(({ name }) => name === 'RunWorkflow:evaluation')) || undefined, 'span of the evaluation workflows')
  await sleep(2500)

  for (const which of ['one', 'two'] as const) {
    const spans = spansOf(which)
    const byId = new Map(spans.map((span) => [span.spanId, span]))
    const listed = spans.map(({ name, spanId, parentSpanId }) => `${parentSpanId} > ${spanId} ${name}`).join('\n')
    assert.equal(byId.size, spans.length, `each span came once:\n${listed}`)
    const roots = spans.filter(({ parentSpanId }) => parentSpanId === undefined || !byId.has(parentSpanId))
    assert.deepEqual(roots.map(({ name, parentSpanId }) => [name, parentSpanId]), [['POST submitEvaluation', CALLER]], `one tree:\n${listed}`)

    const ancestors = (span: CollectedSpan): string[] => {
      const parent = byId.get(span.parentSpanId ?? '')
      return parent ? [...ancestors(parent), parent.name] : []
    }
    const containers = spans.filter(({ name }) => name === 'container')
    const own = which === 'one' ? ['shared'] : []
    assert.deepEqual(containers.map(nodeName).sort(), [`after-import-${which}`, `imported-${which}.nix`, ...own, `top-${which}`].sort(), listed)
    for (const container of containers) {
      const path = ancestors(container)
      assert.deepEqual(path.slice(0, 5), ['POST submitEvaluation', 'StartWorkflow:evaluation', 'RunWorkflow:evaluation', 'StartActivity:evaluate', 'RunActivity:evaluate'])
      assert.deepEqual(path.slice(-5), ['RunWorkflow:node', 'StartActivity:realiseNode', 'RunActivity:realiseNode', `node ${nodeName(container)}`, 'build'])
      assert.ok(container.end >= container.start)
      assert.deepEqual([container.attributes['firn.driver'], container.attributes['firn.exit_code']], ['runc', 0])
    }
    assert.ok(containers.some((container) => nodeName(container) === `imported-${which}.nix`), 'the import is among them')
    assert.deepEqual([...new Set(spans.map(({ service }) => service))].sort(), ['firn-api', 'firn-worker'])

    function nodeName(span: CollectedSpan): string {
      return ancestors(span).findLast((name) => name.startsWith('node '))?.slice('node '.length) ?? ''
    }
  }

  const links = spansOf('two').flatMap(({ links }) => links)
  assert.ok(links.length > 0, 'the second evaluation links to what it shares')
  const sharers = new Set(spansOf('one').map(({ spanId }) => spanId))
  for (const link of links) assert.ok(link.traceId === traceId.one && sharers.has(link.spanId), 'a link leads to a span of the first')
})
