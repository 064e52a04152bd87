/**
 * Records histories for workflows/replay.test.ts from a farm of its own: a node that is begun with its plan (node-leaf.binpb is of before
 * there were any), one that waits, one that fails with its input, and
 * evaluations that build and that wait for an import, news that are taken and news that can't be delivered. Run: `node test/farm/record-histories.ts`
 */
import { Client, Connection } from '@temporalio/client'
import proto from '@temporalio/proto'
import { mkdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import { notificationWorkflowId } from '../../contract/queues.ts'
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
  // an evaluation of a jobset, whose webhook answers; and one of none, of which there is nothing to tell
  await sql`with p as (insert into project (name, display_name) values ('p', 'p') returning id), s as (insert into jobset (project_id, name, source) select id, 'j', '{"kind": "expression", "input": "src", "file": ""}' from p returning id)
    update evaluation set jobset_id = (select id from s) where id = ${parked}`.execute(farm.database.db)
  const server = createServer((_request, response) => response.end()).listen(0, '127.0.0.1')
  await sleep(100)
  const notification = { kind: 'webhook' as const, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, events: ['evaluation.ended' as const] }
  for (const evaluationId of [building, parked]) for (const phase of ['started', 'ended'] as const) await farm.motion.notify('x', { evaluationId, notification }, { kind: 'evaluation', phase })
  await sleep(5000)
  server.close()
  const key = (path: string): string => `node:${path.slice('/nix/store/'.length)}`
  const wanted = { 'node-ready': key(leaf.outputs['out']!), 'node-waits': key(waits.outputs['out']!), 'node-fails': key(fails.outputs['out']!), 'evaluation-builds': `evaluation:${building}`, 'evaluation-parks': `evaluation:${parked}`, 'notification-sent': notificationWorkflowId(parked, 'x'), 'notification-undelivered': notificationWorkflowId(building, 'x') }
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

/** The machine that recorded it tells nothing: its name in identities and sticky queues, its folders in stack traces. */
function hideMachine(value: unknown): void {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return
  const fields = value as Record<string, unknown>
  for (const [name, field] of Object.entries(fields)) {
    if (name === 'stackTrace') fields[name] = ''
    else if (typeof field === 'string') fields[name] = field.replaceAll(hostname(), 'recorder')
    else hideMachine(field)
  }
}
