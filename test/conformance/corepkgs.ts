/**
 * Derivation paths of ekala-project/corepkgs: every attribute that stock Nix instantiates must give the same path. Needs a checkout of
 * it and one of ekala-project/nix-lib, which its pins would fetch.
 *
 *   npm run conformance -- corepkgs COREPKGS NIX-LIB [--all] [--stock PROGRAM]
 *
 * `--all` compares also what is found in sets below (perlPackages and their like: some ten thousand more). `--stock` is the
 * `nix-instantiate` to compare with; by default that on the PATH.
 */
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { meetsExpectations } from './expected.ts'
import { compareSet } from './set-comparison.ts'

const { values, positionals } = parseArgs({ allowPositionals: true, options: { all: { type: 'boolean', default: false }, stock: { type: 'string', default: 'nix-instantiate' } } })
const [corepkgs, library] = positionals
if (corepkgs === undefined || library === undefined) {
  console.error('usage: npm run conformance -- corepkgs COREPKGS NIX-LIB [--all] [--stock PROGRAM]')
  process.exit(2)
}
const scratch = mkdtempSync(join(tmpdir(), 'firn-corepkgs-'))
try {
  const folder = join(scratch, 'corepkgs')
  cpSync(resolve(corepkgs), folder, { recursive: true, verbatimSymlinks: true, filter: (path) => !path.endsWith('/.git') })
  writeFileSync(join(folder, 'pins.nix'), `{ lib = ${resolve(library)}; }\n`)
  const { top, below, isSame } = compareSet({ expression: `import ${folder} { system = "x86_64-linux"; }`, stock: values.stock, all: values.all })
  const met = [meetsExpectations('corepkgs', top), !values.all || meetsExpectations('corepkgs-below', below)]
  process.exitCode = met.every((one) => one) && isSame ? 0 : 1
} finally {
  rmSync(scratch, { recursive: true, force: true })
}
