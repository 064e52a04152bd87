/**
 * What waiting costs the evaluator: 500 independent imports from derivation whose outputs come one by one, beside the same jobset with
 * everything built, in seconds that the evaluator computes. Stock Nix has no counterpart: it builds one at a time. Run: `node
 * bench/import-work.ts [--imports 500] [--rounds 3]`. Limit: 1.3; above it the exit code is 1.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { EvaluationSettings, Need } from '../contract/evaluations.ts'
import { spawnEvaluator } from '../evaluator/spawn.ts'
import { byteStringOfBytes } from '../nix/bytes.ts'
import { outputPaths } from '../nix/derivation-hash.ts'
import { parseDerivation } from '../nix/derivation.ts'
import { derivationName, parseStorePath } from '../nix/store-path.ts'

const { values } = parseArgs({ options: { imports: { type: 'string', default: '500' }, rounds: { type: 'string', default: '3' } } })
const count = Number(values.imports)
const LIMIT = 1.3
/** Between two answers, about what a farm's builds leave. */
const PAUSE_MILLISECONDS = 5

const SETTINGS: EvaluationSettings = { currentSystem: 'x86_64-linux', nixVersion: '2.26.0', mode: 'impure', allowedUris: [], allowedPaths: [], searchPath: [], allowImportFromDerivation: true, showTrace: false }
const PRELUDE = `
  make = name: more: derivation ({ inherit name; system = "x86_64-linux"; builder = "/bin/sh"; } // more);
  generated = i: import (make "generated-\${toString i}.nix" { });
  numbers = builtins.genList (i: i) ${count};`
/** Each import makes another derivation, which the job has as an input. */
const CASES: Readonly<Record<string, string>> = {
  'a job for each': `let ${PRELUDE} in builtins.listToAttrs (map (i: { name = "job\${toString i}"; value = make "job\${toString i}" { input = make (generated i).name { }; }; }) numbers)`,
  'one job of all': `let ${PRELUDE} in { job = make "job" { inputs = map (i: make (generated i).name { }) numbers; }; }`,
}

/** Seconds that the evaluator computes. What it needs appears in the store one by one. */
async function busySeconds(text: string, localStore: string): Promise<{ readonly seconds: number; readonly needs: number }> {
  // as the farm's pool starts it
  const evaluator = spawnEvaluator({ warmUp: true })
  const derivations = new Map<string, Uint8Array>()
  const open: Need[] = []
  let needs = 0
  let seconds = 0
  let finished = false
  const answering = (async () => {
    while (!finished) {
      await sleep(PAUSE_MILLISECONDS)
      const need = open.shift()
      if (need?.kind !== 'realise') continue
      const derivation = parseDerivation(byteStringOfBytes(derivations.get(need.drvPath)!), derivationName(parseStorePath(need.drvPath)))
      const storePath = outputPaths(derivation).get('out')!
      const localPath = join(localStore, basename(storePath))
      writeFileSync(localPath, `{ name = "made-by-${derivation.name.replace('.nix', '')}"; }`)
      await evaluator.send({ kind: 'answers', answers: [{ key: need.key, ok: true, storePath, localPath }] })
    }
  })()
  await evaluator.send({ kind: 'start', request: { source: { kind: 'expression', text, basePath: '/' }, attributes: [], arguments: {}, recurse: true, settings: {}, dryRun: true, priority: 0 }, settings: SETTINGS, localStore, journal: {} })
  for await (const message of evaluator.messages) {
    if (message.kind === 'derivation') derivations.set(message.drvPath, message.aterm)
    if (message.kind === 'progress') seconds = message.busySeconds
    if (message.kind === 'job-error') throw new Error(message.message)
    if (message.kind !== 'needs') continue
    needs += message.needs.length
    open.push(...message.needs)
  }
  finished = true
  await Promise.all([answering, evaluator.ended])
  return { seconds, needs }
}

const median = (numbers: readonly number[]): number => [...numbers].sort((a, b) => a - b)[numbers.length >> 1]!

const rows: Record<string, unknown>[] = []
for (const [name, text] of Object.entries(CASES)) {
  const [waiting, built]: [number[], number[]] = [[], []]
  for (let round = 0; round < Number(values.rounds); round++) {
    const store = mkdtempSync(join(tmpdir(), 'firn-bench-imports-'))
    try {
      const first = await busySeconds(text, store)
      const second = await busySeconds(text, store)
      if (first.needs !== count || second.needs !== 0) throw new Error(`${first.needs} and ${second.needs} needs`)
      waiting.push(first.seconds)
      built.push(second.seconds)
    } finally {
      rmSync(store, { recursive: true, force: true })
    }
  }
  const ratio = median(waiting) / median(built)
  rows.push({ 'imports': `${count}, ${name}`, 'waiting s': Number(median(waiting).toFixed(3)), 'built s': Number(median(built).toFixed(3)), 'ratio': Number(ratio.toFixed(2)), 'limit': LIMIT })
  if (ratio > LIMIT) process.exitCode = 1
}
console.table(rows)
