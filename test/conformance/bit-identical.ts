/**
 * Packages of examples/packages built by the farm and by stock Nix, each in its own sandbox: the same derivations, and of every output
 * the same NAR hash, size and references. Ten packages take some fifteen minutes for both, from empty stores.
 *
 *   npm run conformance -- bit-identical [-A ATTRIBUTE …] [--stock-store auto] [--api URL]
 *
 * `--stock-store` names a store of stock Nix that has some of it already (`auto`: the machine's own), `--api` a farm that runs. What they
 * have is compared as it is: it has to be of their own making.
 */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { FarmClient } from '../../cli/client.ts'
import { formatTable } from '../../cli/output.ts'
import type { Job } from '../../contract/api.ts'
import { FINAL_EVALUATION_STATES } from '../../contract/api.ts'
import { findMirrors, mirrorArguments } from '../../examples/tools/mirrors.ts'
import { formatHash, hashesEqual, parseHash } from '../../nix/hash.ts'
import { startFirn } from '../support/firn.ts'
import { StockNix } from '../support/stock-nix.ts'

/** C programs and libraries, one with several outputs; a Rust and a JavaScript program with imported dependencies. */
const PACKAGES = ['hello', 'zlib', 'bzip2', 'xz', 'zstd', 'lua', 'grep', 'tree', 'hexyl', 'js-app']
const file = join(import.meta.dirname, '../../examples/packages/default.nix')

const { values } = parseArgs({ options: { 'attr': { type: 'string', short: 'A', multiple: true }, 'stock-store': { type: 'string' }, 'api': { type: 'string' } } })
const attributes = values.attr ?? PACKAGES
const mirrors = await findMirrors()

/** All jobs, built. */
async function builtByFarm(client: FarmClient): Promise<Job[]> {
  const { id } = await client.call('submitEvaluation', {
    headers: {},
    body: {
      source: { kind: 'file', path: file }, attributes,
      arguments: Object.fromEntries(Object.entries(mirrors).map(([name, value]: [string, string]) => [name, { kind: 'string' as const, value }])),
      recurse: false, settings: {}, dryRun: false,
    },
  })
  for (;;) {
    const { state } = await client.call('waitForEvaluation', { params: { id }, query: { timeout: 60 } })
    if (FINAL_EVALUATION_STATES.includes(state)) break
  }
  const jobs = await client.all<'listJobs', Job>('listJobs', { params: { id } })
  const failed = jobs.filter((job) => job.state !== 'succeeded')
  if (failed.length > 0 || jobs.length < attributes.length) throw new Error(`the farm has not built all: ${JSON.stringify(failed.map(({ attr, error, fault }) => ({ attr, error, fault })), null, 1)}`)
  return jobs
}

const farm = values.api === undefined ? await startFirn() : undefined
const client = farm?.client ?? new FarmClient({ url: values.api!.replace(/\/+$/, ''), local: true })
const stock = await StockNix.open(values['stock-store'] === undefined ? {} : { store: values['stock-store'] })
try {
  const jobs = await builtByFarm(client)
  console.log(`the farm has built ${jobs.length} packages; stock Nix builds them now`)
  const drvPaths = (await stock.must('nix-instantiate', file, ...attributes.flatMap((attribute) => ['-A', attribute]), ...mirrorArguments(mirrors)))
    .trim().split('\n').map((line) => line.replace(/!.*/, ''))
  const different = jobs.filter((job) => !drvPaths.includes(job.drvPath ?? ''))
  if (different.length > 0) throw new Error(`stock Nix instantiates other derivations for ${different.map((job) => job.attr).join(', ')}`)
  // of a derivation, this realises all outputs
  await stock.must('nix-store', '--realise', ...drvPaths, '-j', '2')

  const paths = jobs.flatMap((job) => Object.entries(job.outputs ?? {}).map(([output, path]) => ({ name: `${job.attr}${output === 'out' ? '' : `.${output}`}`, path: path! })))
  const stocks = await stock.pathInfo(paths.map(({ path }) => path))
  let differences = 0
  const rows: string[][] = []
  for (const { name, path } of paths) {
    const ours = await client.call('getPathInfo', { params: { path: path.slice('/nix/store/'.length) } })
    const theirs = stocks.get(path)
    const same = theirs !== undefined && hashesEqual(parseHash(ours.narHash, 'sha256'), parseHash(theirs.narHash, 'sha256')) && ours.narSize === theirs.narSize
      && [...ours.references].sort().join() === [...theirs.references].sort().join()
    if (!same) differences++
    rows.push([name, String(ours.narSize), formatHash(parseHash(ours.narHash, 'sha256'), 'sri'), same ? 'the same' : `DIFFERENT: ${theirs ? `${theirs.narSize} bytes, ${theirs.narHash}` : 'missing'}`])
  }
  console.log(formatTable(['OUTPUT', 'BYTES', 'NAR HASH', 'STOCK NIX'], rows, { right: [1] }))
  console.log(`${paths.length - differences} of ${paths.length} outputs of ${jobs.length} packages are bit for bit what stock Nix builds`)
  if (differences > 0) process.exitCode = 1
} finally {
  await Promise.all([farm?.stop(), stock.close()])
}
