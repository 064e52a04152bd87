/**
 * Records histories for workflows/replay.test.ts from a farm of its own: a node that is begun with its plan (node-leaf.binpb is of before
 * there were any), one that waits, one that fails with its input, and
 * evaluations that build and that wait for an import. Run: `node test/farm/record-histories.ts`
 */
import { Client, Connection } from '@temporalio/client'
import proto from '@temporalio/proto'
import { mkdir, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { startTestFarm } from '../support/farm.ts'
import { TestGraph } from '../support/graph.ts'

const folder = join(import.meta.dirname, '../../workflows/testing/histories')
const farm = await startTestFarm()
try {
  const graph = new TestGraph('histories')
  const leaf = graph.add({ name: 'leaf', script: 'sleep 1; echo l > $out' })
  const waits = graph.add({ name: 'waits', script: 'echo w > $out', inputs: [leaf] })
  const bad = graph.add({ name: 'bad', script: 'sleep 1; exit 1' })
  const fails = graph.add({ name: 'fails', script: 'echo f > $out', inputs: [bad] })
  await graph.store(farm.store)
  const building = await farm.submit({ source: { kind: 'derivations', drvPaths: [waits.drvPath, fails.drvPath] } })
  await farm.ended(building)
  const text = 'let run = name: script: derivation { inherit name; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" script ]; }; in run (import (run "imported" "sleep 6; echo \'\\"parked\\"\' > $out")) "echo > $out"'
  const parked = await farm.submit({ source: { kind: 'expression', text, basePath: '/' } })
  await farm.ended(parked)
  const key = (path: string): string => `node:${path.slice('/nix/store/'.length)}`
  const wanted = { 'node-ready': key(leaf.outputs['out']!), 'node-waits': key(waits.outputs['out']!), 'node-fails': key(fails.outputs['out']!), 'evaluation-builds': `evaluation:${building}`, 'evaluation-parks': `evaluation:${parked}` }
  const connection = await Connection.connect({ address: farm.settings.temporal.address! })
  const client = new Client({ connection })
  await mkdir(folder, { recursive: true })
  for (const [name, id] of Object.entries(wanted)) {
    const history = await client.workflow.getHandle(id).fetchHistory()
    hideMachine(history)
    await writeFile(join(folder, `${name}.binpb`), proto.temporal.api.history.v1.History.encode(history).finish())
    console.log(`${name}: ${history.events?.length} events`)
  }
  await connection.close()
} finally {
  await farm.stop()
}

/** The name of the machine that recorded it tells nothing, wherever it stands: identities, sticky queues. */
function hideMachine(value: unknown): void {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return
  const fields = value as Record<string, unknown>
  for (const [name, field] of Object.entries(fields)) {
    if (typeof field === 'string') fields[name] = field.replaceAll(hostname(), 'recorder')
    else hideMachine(field)
  }
}
