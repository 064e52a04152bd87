/**
 * The golden vectors of Nix's own unit tests (derivations, store paths, archives, wire encodings): golden-vectors.test.ts, counted.
 *
 *   npm run conformance golden-vectors NIX-SOURCE
 */
import { run } from 'node:test'
import { spec } from 'node:test/reporters'
import { join, resolve } from 'node:path'
import { meetsExpectations } from './expected.ts'

const source = process.argv[2] ?? process.env['FIRN_NIX_SOURCE']
if (source === undefined) {
  console.error('usage: npm run conformance golden-vectors NIX-SOURCE (a checkout of NixOS/nix, or FIRN_NIX_SOURCE)')
  process.exit(2)
}
process.env['FIRN_NIX_SOURCE'] = resolve(source)
const count = { passed: 0, failed: 0, skipped: 0 }
const stream = run({ files: [join(import.meta.dirname, 'golden-vectors.test.ts')] })
stream.on('test:pass', ({ details, skip }) => {
  if (details.type !== 'suite') count[skip === undefined ? 'passed' : 'skipped']++
})
stream.on('test:fail', ({ details }) => {
  if (details.type !== 'suite') count.failed++
})
stream.once('end', () => {
  console.log(`${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`)
  process.exitCode = meetsExpectations('golden-vectors', count) && count.failed === 0 ? 0 : 1
})
stream.compose(spec).pipe(process.stdout)
