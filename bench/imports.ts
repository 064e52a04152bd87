/**
 * Imports from derivation, the farm beside stock Nix, which realises one at a time. Run: `node bench/imports.ts [CASE…] [--wide N]
 * [--deep N] [--sleep SECONDS]` with the cases wide, deep and js-app. Limits: wide at least five times faster than stock Nix; deep no
 * more than 10 % slower; js-app faster. A limit that isn't kept is said, and the exit code is 1.
 */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { findMirrors } from '../examples/tools/mirrors.ts'
import { type Comparison, compare, report } from './compare.ts'

const packages = join(import.meta.dirname, '../examples/packages')
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { wide: { type: 'string', default: '20' }, deep: { type: 'string', default: '10' }, sleep: { type: 'string', default: '1' } },
})
const wanted = positionals.length === 0 ? ['wide', 'deep', 'js-app'] : positionals

/** Each case with the most that the farm may take, as a share of stock Nix' time. */
const CASES: Readonly<Record<string, { readonly limit: number; readonly run: () => Promise<Comparison> }>> = {
  'wide': { limit: 1 / 5, run: () => synthetic('ifd-wide', values.wide) },
  'deep': { limit: 1.1, run: () => synthetic('ifd-deep', values.deep) },
  // 484 builds on the way, 157 of them imports; downloads are part of it, on both sides
  'js-app': { limit: 1, run: async () => compare({ name: 'js-app, evaluated', file: join(packages, 'default.nix'), attributes: ['js-app'], arguments: { ...await findMirrors() }, mode: 'evaluate', jobs: 2 }) },
}

function synthetic(name: string, count: string): Promise<Comparison> {
  return compare({ name: `${name} N=${count} S=${values.sleep}`, file: join(packages, `synthetic/${name}.nix`), arguments: { N: count, S: values.sleep }, mode: 'build', jobs: 2 })
}

const unknown = wanted.find((name) => CASES[name] === undefined)
if (unknown !== undefined) {
  console.error(`no case '${unknown}'; there are ${Object.keys(CASES).join(', ')}`)
  process.exit(2)
}
const comparisons: Comparison[] = []
for (const name of wanted) {
  const { limit, run } = CASES[name]!
  const comparison = await run()
  comparisons.push(comparison)
  const share = comparison.farmSeconds / comparison.stockSeconds!
  if (share > limit) {
    console.log(`${comparison.name}: ${share.toFixed(2)} of stock Nix' time; the limit is ${limit.toFixed(2)}`)
    process.exitCode = 1
  }
}
report(comparisons)
