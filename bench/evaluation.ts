/**
 * Evaluation beside stock Nix: every attribute of a set that stock Nix instantiates, cold, in one process and in two; one of them, cold;
 * and again in a process that was kept, and in two that share the work and were kept: with nothing changed, a package's file changed, comments in a
 * widely used one, and that file changed so that nearly every derivation is another. Run: `node bench/evaluation.ts [FOLDER] [--attribute python3] [--package FILE] [--package-edit
 * 'OLD => NEW'] [--shared FILE] [--shared-edit 'OLD => NEW']`; the files are below FOLDER, are edited for the time of one evaluation, and are put back.
 * Without a folder it is examples/packages, which is small: starting is most of its time, and limits are for large sets.
 */
import { spawn, spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { EvaluationSettings } from '../contract/evaluations.ts'
import { SharedEvaluator } from '../evaluator/shared/handle.ts'
import { spawnEvaluator } from '../evaluator/spawn.ts'
import { findMirrors } from '../examples/tools/mirrors.ts'
import { nixReference } from '../infra/setup/nix-reference.ts'

const { values, positionals: [given] } = parseArgs({
  allowPositionals: true,
  options: { 'attribute': { type: 'string' }, 'package': { type: 'string' }, 'package-edit': { type: 'string' }, 'shared': { type: 'string' }, 'shared-edit': { type: 'string' } },
})
const EXAMPLES = join(import.meta.dirname, '../examples/packages')
const folder = given === undefined ? EXAMPLES : resolve(given)
const attribute = values.attribute ?? (given === undefined ? 'hello' : 'python3')
const packageFile = values.package ?? (given === undefined ? 'packages.nix' : 'pkgs/jq/default.nix')
const sharedFile = values.shared ?? (given === undefined ? 'stdenv/default.nix' : 'stdenv/generic/make-derivation.nix')
/** Texts in the files above and what stands there instead: an attribute more for whatever the file makes. */
const CHANGES: Readonly<Record<string, string>> = {
  'packages.nix': 'fromDebian "hello" { } => fromDebian "hello" { edited = true; }',
  'stdenv/default.nix': 'inherit system outputs tools => edited = true; inherit system outputs tools',
  'pkgs/jq/default.nix': 'pname = "jq"; => pname = "jq"; edited = true;',
  'stdenv/generic/make-derivation.nix': 'inherit __structuredAttrs strictDeps; => inherit __structuredAttrs strictDeps; edited = true;',
}
/** The set, as an expression. */
const set = `(import ${folder} { ${given === undefined ? Object.entries(await findMirrors()).map(([name, value]: [string, string]) => `${name} = ${JSON.stringify(value)};`).join(' ') : ''} })`
const DROP_IN = join(import.meta.dirname, '../compat/bin')

function nix(expression: string): string | undefined {
  const { status, stdout } = spawnSync('nix-instantiate', [...EVALUATE, expression], { encoding: 'utf8', maxBuffer: 2 ** 28 })
  return status === 0 ? stdout : undefined
}

/** An attribute that needs something built is none of these. */
const EVALUATE = ['--eval', '--strict', '--json', '--option', 'allow-import-from-derivation', 'false', '-E']

/** Names whose derivation stock Nix finds. An error that `tryEval` lets through fails a whole batch, which is then halved. */
function instantiable(names: readonly string[]): string[] {
  const found = nix(`let set = ${set}; try = name: let r = builtins.tryEval (let v = set.\${name}; in if v.type or "" == "derivation" then v.drvPath else null);
    in r.success && r.value != null; in builtins.filter try (builtins.fromJSON ''${JSON.stringify(names)}'')`)
  if (found !== undefined) return JSON.parse(found) as string[]
  if (names.length === 1) return []
  const middle = names.length >> 1
  return [...instantiable(names.slice(0, middle)), ...instantiable(names.slice(middle))]
}

/** One that has ended, and wasn't waited for yet, has none any more. */
function peakKilobytes(processId: number): number | undefined {
  const peak = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${processId}/status`, 'utf8'))?.[1]
  return peak === undefined ? undefined : Number(peak)
}

interface Run { readonly seconds: number; readonly megabytes: number; readonly output: string }

/** Runs a command; peaks of its memory and of the processes it starts are read while they run, and summed. */
async function run(command: string, words: readonly string[]): Promise<Run> {
  const begun = performance.now()
  const child = spawn(command, words, { stdio: ['ignore', 'pipe', 'ignore'] })
  let output = ''
  const peaks = new Map<number, number>()
  child.stdout.setEncoding('utf8').on('data', (text: string) => { output += text })
  const look = (processId: number): void => {
    try {
      const peak = peakKilobytes(processId)
      if (peak !== undefined) peaks.set(processId, peak)
      for (const below of readFileSync(`/proc/${processId}/task/${processId}/children`, 'utf8').split(' ').filter((text) => text !== '')) look(Number(below))
    } catch { /* it is gone */ }
  }
  const looking = setInterval(() => look(child.pid!), 20)
  const code = await new Promise((done, failed) => child.once('error', failed).once('close', done))
  clearInterval(looking)
  if (code !== 0) throw new Error(`${command} ended with ${String(code)}`)
  return { seconds: (performance.now() - begun) / 1000, megabytes: Math.round([...peaks.values()].reduce((sum, peak) => sum + peak, 0) / 1024), output: output.trim() }
}

const IDLE_MILLISECONDS = 2000

interface Edit {
  readonly file: string
  readonly apply: (text: string) => string
  /** While the edit stands. */
  readonly meanwhile?: () => Promise<void>
}

interface Evaluated {
  readonly seconds: number
  readonly drvPaths: ReadonlyMap<string, string>
}

interface Kept {
  readonly results: readonly Evaluated[]
  /** Peaks of all processes. */
  readonly megabytes: number
}

const comment = (file: string): Edit => ({ file: join(folder, file), apply: (text) => `# edited\n${text}\n# edited\n` })

/** An edit that is given as `OLD => NEW`. */
function change(option: 'package' | 'shared', file: string, meanwhile?: () => Promise<void>): Edit {
  const [before, after] = (values[`${option}-edit`] ?? CHANGES[file] ?? '').split(' => ')
  if (before === undefined || after === undefined) throw new Error(`say how ${file} is to be changed: --${option}-edit 'OLD => NEW'`)
  return {
    file: join(folder, file), ...(meanwhile !== undefined && { meanwhile }),
    apply: (text) => {
      if (!text.includes(before)) throw new Error(`${file} has no ${JSON.stringify(before)}`)
      return text.replace(before, () => after)
    },
  }
}

/** Evaluations in processes that are kept, each after an edit. */
async function resident(processes: 1 | 2, text: string, jobs: number, edits: readonly (Edit | undefined)[]): Promise<Kept> {
  const settings: EvaluationSettings = { currentSystem: 'x86_64-linux', nixVersion: '2.26.0', mode: 'impure', allowedUris: [], allowedPaths: [], searchPath: [], allowImportFromDerivation: true, showTrace: false }
  const evaluator = processes === 1 ? spawnEvaluator() : new SharedEvaluator({ processes, spawn: () => spawnEvaluator() })
  const results: Evaluated[] = []
  for (const edit of edits) {
    const before = edit === undefined ? '' : readFileSync(edit.file, 'utf8')
    try {
      if (edit !== undefined) writeFileSync(edit.file, edit.apply(before))
      // a process that has finished collects its garbage while nobody waits: evaluations of a farm don't follow each other at once
      await sleep(IDLE_MILLISECONDS)
      const begun = performance.now()
      await evaluator.send({ kind: 'start', request: { source: { kind: 'expression', text, basePath: folder }, attributes: [], arguments: {}, recurse: true, settings: {}, dryRun: true, priority: 0 }, settings, localStore: join(tmpdir(), 'firn-bench-none'), journal: {}, keep: true })
      const drvPaths = new Map<string, string>()
      for await (const message of evaluator.messages) {
        if (message.kind === 'job') drvPaths.set(message.job.attrPath[0]!, message.job.drvPath)
        if (message.kind === 'finished') break
      }
      if (drvPaths.size !== jobs) throw new Error(`${drvPaths.size} jobs of ${jobs}`)
      results.push({ seconds: (performance.now() - begun) / 1000, drvPaths })
      await edit?.meanwhile?.()
    } finally {
      if (edit !== undefined) writeFileSync(edit.file, before)
    }
  }
  const ids: readonly (number | undefined)[] = evaluator instanceof SharedEvaluator ? evaluator.processIds : [evaluator.processId]
  const kilobytes = ids.map((id) => (id === undefined ? 0 : peakKilobytes(id) ?? 0)).reduce((sum, peak) => sum + peak, 0)
  const megabytes = Math.round(kilobytes / 1024)
  await evaluator.stop()
  return { results, megabytes }
}

function differing(one: Evaluated, other: Evaluated): number {
  return [...one.drvPaths].filter(([name, drvPath]) => other.drvPaths.get(name) !== drvPath).length
}

if (given === undefined) console.log('No folder was given, so this is examples/packages: starting is most of the time, and limits are for large sets.')
const all = JSON.parse(nix(`builtins.attrNames ${set}`) ?? '[]') as string[]
const names: string[] = []
for (let at = 0; at < all.length; at += 100) names.push(...instantiable(all.slice(at, at + 100)))
const every = `let set = ${set}; in [ ${names.map((name) => `set.${JSON.stringify(name)}.drvPath`).join(' ')} ]`
const one = `${set}.${attribute}.drvPath`

const asSet = `let set = ${set}; in { ${names.map((name) => `${JSON.stringify(name)} = set.${JSON.stringify(name)};`).join(' ')} }`

/** Paths that nix-eval-jobs prints in any order, in the order of names, as nix-instantiate prints them. */
function inOrder(lines: string): string {
  const found = new Map(lines.split('\n').map((line) => JSON.parse(line) as { attrPath: [string]; drvPath: string }).map(({ attrPath: [name], drvPath }) => [name, drvPath]))
  return JSON.stringify(names.map((name) => found.get(name)))
}

const newer = join(nixReference(), 'nix-instantiate')
const instantiate = join(DROP_IN, 'nix-instantiate')
const stock = await run('nix-instantiate', [...EVALUATE, every])
const stockNewer = await run(newer, [...EVALUATE, every])
// what the engine compiled is there after any first command
process.env['NODE_COMPILE_CACHE'] ??= join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'firn/node')
const [asSetOfOne, evalJobs] = [`{ one = ${set}.${attribute}; }`, join(DROP_IN, 'nix-eval-jobs')]
await run(instantiate, [...EVALUATE, one])
await run(evalJobs, ['--workers', '2', '--no-instantiate', '--expr', asSetOfOne])
await resident(1, asSetOfOne, 1, [undefined])
const firn = await run(instantiate, [...EVALUATE, every])
const two = await run(evalJobs, ['--workers', '2', '--no-instantiate', '--expr', asSet])
if (stock.output !== firn.output || stock.output !== inOrder(two.output)) throw new Error('derivation paths differ')
const [stockOne, firnOne] = [await run('nix-instantiate', [...EVALUATE, one]), await run(instantiate, [...EVALUATE, one])]
let stockEdited = ''

/** One after the other in the same processes. */
async function kept(processes: 1 | 2) {
  const { results, megabytes } = await resident(processes, asSet, names.length, [
    // putting a file back is an edit too, which the next evaluation has to itself
    undefined, undefined, comment(sharedFile), undefined, change('package', packageFile), undefined,
    change('shared', sharedFile, async () => { if (stockEdited === '') stockEdited = (await run('nix-instantiate', [...EVALUATE, every])).output }),
  ])
  const [cold, unchanged, commented, , packaged, , shared] = results as [Evaluated, Evaluated, Evaluated, Evaluated, Evaluated, Evaluated, Evaluated]
  if (stockEdited !== JSON.stringify(names.map((name) => shared.drvPaths.get(name)))) throw new Error(`derivation paths differ after ${sharedFile} was changed`)
  if (differing(unchanged, commented) > 0) throw new Error('a comment made other derivations')
  return { cold, unchanged, commented, packaged, shared, megabytes }
}

const oneKept = await kept(1)
const twoKept = await kept(2)

const row = (work: string, seconds: number, beside: number, limit: string) => ({ 'work': work, 'firn s': Number(seconds.toFixed(2)), 'stock s': Number(beside.toFixed(2)), 'ratio': Number((seconds / beside).toFixed(2)), 'limit': limit })
const keptRows = (who: string, { unchanged, packaged, commented, shared }: Awaited<ReturnType<typeof kept>>) => [
  row(`${who}, nothing changed`, unchanged.seconds, stock.seconds, '0.1'),
  row(`${who}, ${packageFile} changed (${differing(unchanged, packaged)} others)`, packaged.seconds, stock.seconds, '0.3'),
  row(`${who}, comments in ${sharedFile}`, commented.seconds, stock.seconds, ''),
  row(`${who}, ${sharedFile} changed (${differing(unchanged, shared)} others)`, shared.seconds, stock.seconds, '1.0'),
]
console.table([
  row(`all ${names.length} attributes, cold`, firn.seconds, stock.seconds, '1.5'),
  row('the same beside the newer Nix', firn.seconds, stockNewer.seconds, ''),
  row('two processes on two cores, cold', two.seconds, stock.seconds, '1.0'),
  row('kept process, the first time', oneKept.cold.seconds, stock.seconds, '1.5'),
  ...keptRows('kept process', oneKept),
  row('two kept processes, the first time', twoKept.cold.seconds, stock.seconds, '1.0'),
  ...keptRows('two kept processes', twoKept),
  row(`${attribute}, cold`, firnOne.seconds, stockOne.seconds, '3, or 0.6 s'),
])
console.log(`peak memory, cold: firn ${firn.megabytes} MiB, stock ${stock.megabytes} MiB (${(firn.megabytes / stock.megabytes).toFixed(2)}; limit 1.5), newer ${stockNewer.megabytes} MiB; two processes together ${two.megabytes} MiB`)
console.log(`peak memory after all changes: kept process ${oneKept.megabytes} MiB, two of them together ${twoKept.megabytes} MiB`)
