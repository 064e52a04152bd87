/**
 * The whole of examples/packages, from empty stores: `firn build -r` beside `nix-build -j2`. About half an hour. Run:
 * `node bench/example-set.ts [-A ATTRIBUTE…] [--stock-seconds SECONDS]`; with the latter stock Nix is not run again.
 */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { findMirrors } from '../examples/tools/mirrors.ts'
import { compare, report } from './compare.ts'

const { values } = parseArgs({ options: { 'attr': { type: 'string', short: 'A', multiple: true }, 'stock-seconds': { type: 'string' } } })
const stockSeconds = values['stock-seconds']
report([await compare({
  name: values.attr?.join(' ') ?? 'the whole set',
  file: join(import.meta.dirname, '../examples/packages/release.nix'),
  attributes: values.attr ?? [],
  arguments: { ...await findMirrors() },
  mode: 'build', recurse: true, jobs: 2,
}, stockSeconds === undefined ? {} : { stockSeconds: Number(stockSeconds) })])
