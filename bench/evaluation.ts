/**
 * Evaluation beside stock Nix: every attribute of a set that stock Nix instantiates, cold; one of them, cold; and again in a process that
 * was kept, with nothing, one package's file and a widely used file changed. Run: `node bench/evaluation.ts FOLDER [--attribute python3]
 * [--package FILE] [--shared FILE]`; the files are below FOLDER, get a comment for the time of one evaluation, and are put back.
 */
import { spawn, spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { EvaluationSettings } from '../contract/evaluations.ts'
import { spawnEvaluator } from '../evaluator/spawn.ts'
import { nixReference } from '../infra/setup/nix-reference.ts'

const { values, positionals: [given] } = parseArgs({
  allowPositionals: true,
  options: { attribute: { type: 'string', default: 'python3' }, package: { type: 'string', default: 'pkgs/jq/default.nix' }, shared: { type: 'string', default: 'stdenv/generic/make-derivation.nix' } },
})
if (given === undefined) {
  console.error('usage: npm run bench evaluation FOLDER [--attribute NAME] [--package FILE] [--shared FILE]')
  process.exit(2)
}
const folder = resolve(given)
const DROP_IN = join(import.meta.dirname, '../compat/bin/nix-instantiate')

function nix(expression: string): string | undefined {
  const { status, stdout } = spawnSync('nix-instantiate', ['--eval', '--strict', '--json', '-E', expression], { encoding: 'utf8', maxBuffer: 2 ** 28 })
  return status === 0 ? stdout : undefined
}

/** Names whose derivation stock Nix finds. An error that `tryEval` lets through fails a whole batch, which is then halved. */
function instantiable(names: readonly string[]): string[] {
  const found = nix(`let set = import ${folder} { }; try = name: let r = builtins.tryEval (let v = set.\${name}; in if v.type or "" == "derivation" then v.drvPath else null);
    in r.success && r.value != null; in builtins.filter try (builtins.fromJSON ''${JSON.stringify(names)}'')`)
  if (found !== undefined) return JSON.parse(found) as string[]
  if (names.length === 1) return []
  const middle = names.length >> 1
  return [...instantiable(names.slice(0, middle)), ...instantiable(names.slice(middle))]
}

interface Run { readonly seconds: number; readonly megabytes: number; readonly output: string }

/** Runs a command; its peak of memory is read while it runs, and only grows. */
async function run(command: string, expression: string): Promise<Run> {
  const begun = performance.now()
  const child = spawn(command, ['--eval', '--strict', '--json', '-E', expression], { stdio: ['ignore', 'pipe', 'ignore'] })
  let output = ''
  let peak = 0
  child.stdout.setEncoding('utf8').on('data', (text: string) => { output += text })
  const look = setInterval(() => {
    try {
      peak = Math.max(peak, Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1] ?? 0))
    } catch { /* it is gone */ }
  }, 20)
  const code = await new Promise((done, failed) => child.once('error', failed).once('close', done))
  clearInterval(look)
  if (code !== 0) throw new Error(`${command} ended with ${String(code)}`)
  return { seconds: (performance.now() - begun) / 1000, megabytes: Math.round(peak / 1024), output: output.trim() }
}

const IDLE_MILLISECONDS = 2000

/** Seconds of evaluations in one process, each after an edit. */
async function resident(names: readonly string[], edits: readonly (string | undefined)[]): Promise<number[]> {
  const settings: EvaluationSettings = { currentSystem: 'x86_64-linux', nixVersion: '2.26.0', mode: 'impure', allowedUris: [], allowedPaths: [], searchPath: [], allowImportFromDerivation: true, showTrace: false }
  const text = `let set = import ${folder} { }; in { ${names.map((name) => `${JSON.stringify(name)} = set.${JSON.stringify(name)};`).join(' ')} }`
  const evaluator = spawnEvaluator()
  const times: number[] = []
  for (const edit of edits) {
    const before = edit === undefined ? '' : readFileSync(edit, 'utf8')
    try {
      if (edit !== undefined) writeFileSync(edit, `${before}\n# edited\n`)
      // a process that has finished collects its garbage while nobody waits: evaluations of a farm don't follow each other at once
      await sleep(IDLE_MILLISECONDS)
      const begun = performance.now()
      await evaluator.send({ kind: 'start', request: { source: { kind: 'expression', text, basePath: folder }, attributes: [], arguments: {}, recurse: true, settings: {}, dryRun: true, priority: 0 }, settings, localStore: join(tmpdir(), 'firn-bench-none'), journal: {}, keep: true })
      let jobs = 0
      for await (const message of evaluator.messages) {
        if (message.kind === 'job') jobs++
        if (message.kind === 'finished') break
      }
      if (jobs !== names.length) throw new Error(`${jobs} jobs of ${names.length}`)
      times.push((performance.now() - begun) / 1000)
    } finally {
      if (edit !== undefined) writeFileSync(edit, before)
    }
  }
  await evaluator.stop()
  return times
}

const all = JSON.parse(nix(`builtins.attrNames (import ${folder} { })`) ?? '[]') as string[]
const names: string[] = []
for (let at = 0; at < all.length; at += 100) names.push(...instantiable(all.slice(at, at + 100)))
const every = `let set = import ${folder} { }; in [ ${names.map((name) => `set.${JSON.stringify(name)}.drvPath`).join(' ')} ]`
const one = `(import ${folder} { }).${values.attribute}.drvPath`

const newer = join(nixReference(), 'nix-instantiate')
const [stock, stockNewer, firn] = [await run('nix-instantiate', every), await run(newer, every), await run(DROP_IN, every)]
if (stock.output !== firn.output) throw new Error('derivation paths differ')
const [stockOne, firnOne] = [await run('nix-instantiate', one), await run(DROP_IN, one)]
const [, unchanged, packaged, shared] = await resident(names, [undefined, undefined, join(folder, values.package), join(folder, values.shared)])

const row = (work: string, seconds: number, beside: number, limit: string) => ({ 'work': work, 'firn s': Number(seconds.toFixed(2)), 'stock s': Number(beside.toFixed(2)), 'ratio': Number((seconds / beside).toFixed(2)), 'limit': limit })
console.table([
  row(`all ${names.length} attributes, cold`, firn.seconds, stock.seconds, '1.5'),
  row('the same beside the newer Nix', firn.seconds, stockNewer.seconds, ''),
  row('kept process, nothing changed', unchanged!, stock.seconds, '0.1'),
  row(`kept process, ${values.package} changed`, packaged!, stock.seconds, '0.3'),
  row(`kept process, ${values.shared} changed`, shared!, stock.seconds, '1.0'),
  row(`${values.attribute}, cold`, firnOne.seconds, stockOne.seconds, '3, or 0.6 s'),
])
console.log(`peak memory, cold: firn ${firn.megabytes} MiB, stock ${stock.megabytes} MiB (${(firn.megabytes / stock.megabytes).toFixed(2)}; limit 1.5), newer ${stockNewer.megabytes} MiB`)
