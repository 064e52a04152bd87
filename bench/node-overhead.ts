/**
 * What a node costs, and which part of the farm: a layered graph of trivial derivations (500 and one on top, 25 wide, 3 inputs each), built by a whole farm on this
 * machine, from an empty store; wall time and CPU time of each part a node. Evaluation is left out: the derivations are there.
 *
 *   node bench/node-overhead.ts [layers] [width]
 */
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { startPostgres } from '../infra/embedded/postgres.ts'
import { layeredGraph, TestGraph } from '../test/support/graph.ts'

const layers = Number(process.argv[2] ?? 20)
const width = Number(process.argv[3] ?? 25)

const folder = await mkdtemp(join(tmpdir(), 'firn-bench-'))
const postgres = await startPostgres({ directory: join(folder, 'postgres'), mode: process.env['FIRN_BENCH_FAST'] === undefined ? 'durable' : 'fast' })
process.env['FIRN_TEST_DATABASE_URL'] = postgres.url
const { startTestFarm } = await import('../test/support/farm.ts')
const farm = await startTestFarm()
try {
  const warm = new TestGraph('warm')
  await runGraph(warm, layeredGraph(warm, { layers: 2, width: 4, fan: 2 }).drvPath)
  for (let round = 1; round <= Number(process.env['FIRN_BENCH_ROUNDS'] ?? 2); round++) {
    const graph = new TestGraph(`round-${round}-${Date.now()}`)
    const top = layeredGraph(graph, { layers, width, fan: 3 })
    const before = cpuSeconds()
    const { seconds, nodes } = await runGraph(graph, top.drvPath)
    const after = cpuSeconds()
    const each = (value: number): string => `${(1000 * value / nodes).toFixed(1)} ms`
    console.log(`round ${round}: ${nodes} nodes in ${seconds.toFixed(1)} s, ${each(seconds)} a node on ${cpus().length} cores; CPU a node: ${Object.entries(after).map(([part, total]) => `${part} ${each(total - (before[part] ?? 0))}`).join(', ')}`)
  }
} finally {
  await farm.stop()
  await postgres.stop()
  await rm(folder, { recursive: true, force: true })
}

async function runGraph(graph: TestGraph, drvPath: string): Promise<{ readonly seconds: number; readonly nodes: number }> {
  await graph.store(farm.store)
  const start = performance.now()
  const id = await farm.submit({ source: { kind: 'derivations', drvPaths: [drvPath] } })
  const ended = await farm.ended(id, 900)
  const seconds = (performance.now() - start) / 1000
  if (ended.state !== 'succeeded') throw new Error(`the evaluation ${ended.state}: ${ended.error}`)
  const nodes = await farm.database.db.selectFrom('evaluation_node').select('node_key').where('evaluation_id', '=', id).execute()
  return { seconds, nodes: nodes.length }
}

/** CPU seconds of each part of the farm, with their children that have ended. */
function cpuSeconds(): Record<string, number> {
  const worker = farm.worker.process.pid!
  const parts: Record<string, readonly number[]> = { worker: [worker], temporal: [farm.temporal.pid()], postgres: tree(postgres.pid) }
  return {
    ...Object.fromEntries(Object.entries(parts).map(([name, pids]) => [name, pids.reduce((sum, pid) => sum + ownSeconds(pid).own, 0)])),
    containers: ownSeconds(worker).children,
  }
}

function ownSeconds(pid: number): { readonly own: number; readonly children: number } {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
    return { own: (Number(fields[11]) + Number(fields[12])) / 100, children: (Number(fields[13]) + Number(fields[14])) / 100 }
  } catch {
    return { own: 0, children: 0 }
  }
}

function tree(pid: number): number[] {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter((text) => text !== '').map(Number)
    return [pid, ...children.flatMap(tree)]
  } catch {
    return [pid]
  }
}
