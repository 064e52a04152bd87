/**
 * Derivation paths of any package set, of nixpkgs' shape or not: every attribute that stock Nix instantiates must give the same path.
 *
 *   npm run conformance -- package-set FOLDER [--arguments '{ system = "x86_64-linux"; }'] [--all] [--stock PROGRAM]
 *
 * FOLDER's default.nix is a function that takes the arguments. It is what `<nixpkgs>` names, which some sets look themselves up by. `--all` compares also what
 * is found in sets below. `--stock` is the `nix-instantiate` to compare with; by default that on the PATH.
 */
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { compareSet } from './set-comparison.ts'

const { values, positionals: [folder] } = parseArgs({
  allowPositionals: true,
  options: { arguments: { type: 'string', default: '{ system = "x86_64-linux"; }' }, all: { type: 'boolean', default: false }, stock: { type: 'string', default: 'nix-instantiate' } },
})
if (folder === undefined) {
  console.error('usage: npm run conformance -- package-set FOLDER [--arguments NIX] [--all] [--stock PROGRAM]')
  process.exit(2)
}
process.env['NIX_PATH'] = `nixpkgs=${resolve(folder)}`
process.exitCode = compareSet({ expression: `import ${resolve(folder)} ${values.arguments}`, stock: values.stock, all: values.all }).isSame ? 0 : 1
