/**
 * `npm run bench [NAME [arguments]]`: runs a benchmark; without a name, those that compare the farm with stock Nix, with what they need
 * minutes for left out. docs/benchmarks.md says what each measures and holds the figures.
 */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'

/** Benchmarks of their own file name. */
const BENCHMARKS: Readonly<Record<string, string>> = {
  'imports': 'imports from derivation, one after the other and side by side',
  'import-work': 'what waiting for 500 imports costs the evaluator',
  'graph': 'overhead of a node on a graph of 500 trivial derivations',
  'example-set': 'the whole of examples/packages: about half an hour',
  'evaluation': 'the evaluator beside stock Nix on a package set: give the folder of a large one',
  'derivation': 'paths and hashes of derivations, evaluated beside stock Nix and alone',
  'store': 'requests and bytes to S3 for a path, speed of taking in and giving out',
  'nar': 'writing, reading and hashing archives',
  'reference-scan': 'the search for references',
  'node-overhead': 'a node without an evaluator: the worker alone on derivations written by hand',
  'dashboard': 'the web pages on 20,000 jobs, ten minutes of events and a log of a gigabyte',
  'jobset-api': 'answers of the API while 20,000 jobs are found; and while a package set is, if its folder is given',
  'binary-cache': 'the binary cache beside a web server that sends files',
}
const DEFAULT = ['imports', 'graph', 'store', 'nar', 'reference-scan']

const [name, ...args] = process.argv.slice(2)
if (name !== undefined && BENCHMARKS[name] === undefined) {
  console.error(`no benchmark '${name}'; there are:\n${Object.entries(BENCHMARKS).map(([one, what]) => `  ${one.padEnd(16)} ${what}`).join('\n')}`)
  process.exit(2)
}
for (const one of name === undefined ? DEFAULT : [name]) {
  const file = join(import.meta.dirname, `${one}.ts`)
  if (!existsSync(file)) {
    console.error(`bench/${one}.ts is missing from this clone`)
    process.exit(1)
  }
  console.log(`\n# ${one}: ${BENCHMARKS[one]}`)
  const code = await new Promise<number>((resolve, reject) => {
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', file, ...args], { stdio: 'inherit' })
    process.once('SIGTERM', () => child.kill())
    child.once('error', reject).once('close', (ended) => resolve(ended ?? 1))
  })
  if (code !== 0) process.exit(code)
}
