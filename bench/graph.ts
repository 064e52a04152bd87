/**
 * What a node costs beside what it runs: a layered graph of 500 trivial derivations, the farm beside `nix-build -j2`. Run:
 * `node bench/graph.ts [--width N] [--depth N]`. Limit: 100 ms a node, evaluation and all included; 40 is the aim.
 */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { compare, report } from './compare.ts'

const LIMIT_MILLISECONDS = 100

const { values: { width, depth } } = parseArgs({ options: { width: { type: 'string', default: '25' }, depth: { type: 'string', default: '20' } } })
const comparison = await compare({
  name: `graph ${depth} x ${width}`, file: join(import.meta.dirname, '../examples/packages/synthetic/graph.nix'),
  arguments: { width, depth, fanIn: String(Math.min(3, Number(width))) }, mode: 'build', jobs: 2,
})
report([comparison])
const milliseconds = comparison.farmSeconds * 1000 / comparison.account.nodes
if (milliseconds > LIMIT_MILLISECONDS) {
  console.log(`${Math.round(milliseconds)} ms a node; the limit is ${LIMIT_MILLISECONDS}`)
  process.exitCode = 1
}
