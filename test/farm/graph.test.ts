import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { EvaluationRow } from '../../state/evaluations.ts'
import { startTestFarm, type TestFarm } from '../support/farm.ts'
import { layeredGraph, TestGraph } from '../support/graph.ts'

let farm: TestFarm
before(async () => { farm = await startTestFarm() })
after(async () => { await farm.stop() })

function pick({ state, error }: EvaluationRow) {
  return { state, error }
}

/** Nodes that failed, for the message of an assertion. */
async function problems(): Promise<string> {
  return JSON.stringify(await farm.database.db.selectFrom('node').select(['name', 'outcome']).where('state', '=', 'failed').limit(3).execute())
}

async function attemptsByName(): Promise<Map<string, number>> {
  const rows = await farm.database.db.selectFrom('attempt as a').innerJoin('node as n', 'n.id', 'a.node_id').select(['n.name']).execute()
  const counts = new Map<string, number>()
  for (const { name } of rows) counts.set(name, (counts.get(name) ?? 0) + 1)
  return counts
}

test('a graph with shared inputs: every container runs once, however many evaluations want it', async () => {
  const graph = new TestGraph('shared')
  const top = layeredGraph(graph, { layers: 3, width: 4, fan: 2 })
  const second = graph.add({ name: 'second-top', script: 'echo 2 > $out', inputs: [top] })
  await graph.store(farm.store)
  const ids = await Promise.all([farm.submit({ source: { kind: 'derivations', drvPaths: [top.drvPath] } }), farm.submit({ source: { kind: 'derivations', drvPaths: [second.drvPath] } })])
  for (const id of ids) assert.deepEqual(pick(await farm.ended(id)), { state: 'succeeded', error: null }, await problems())
  const counts = await attemptsByName()
  assert.deepEqual([...counts.values()].filter((count) => count !== 1), [])
  assert.equal((await farm.store.pathInfos.get([second.outputs['out']!.slice(11, 43)])).size, 1)
})
