/** Pure and restricted evaluation, search paths, and derivations that make derivations: as Nix 2.26 does it. */
import assert from 'node:assert/strict'
import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { NixComparison, type Outcome } from '../../test/support/nix-comparison.ts'

let nix: NixComparison
const both = (expression: string, ...options: readonly string[]): Outcome => nix.both(expression, ...options)
before(() => {
  nix = new NixComparison()
  nix.write({ 'allowed/default.nix': '"allowed"', 'allowed/data': 'text', 'other/default.nix': '"other"', 'other/data': 'secret', 'path/nixpkgs/default.nix': '"nixpkgs"', 'path/nixpkgs/lib/default.nix': '"lib"' })
  symlinkSync('../other/data', join(nix.folder, 'allowed/link'))
  symlinkSync('data', join(nix.folder, 'allowed/inner'))
})
after(() => nix.close())

describe('pure evaluation', () => {
  for (const expression of [
    'builtins ? currentTime', 'builtins ? currentSystem', 'builtins.currentSystem', 'builtins.currentTime', 'builtins.getEnv "HOME"', 'builtins.nixPath', '<nixpkgs>', 'builtins.readFile FOLDER/allowed/data', 'import FOLDER/allowed',
    'builtins.pathExists FOLDER/allowed', 'builtins.readDir "FOLDER/allowed"', '"${FOLDER/allowed/data}"', 'builtins.path { path = FOLDER/allowed; }', 'builtins.fetchurl "https://example.org/x"', 'builtins.fetchTarball "https://example.org/x.tar.gz"',
    'builtins.storePath "/nix/store/00000000000000000000000000000000-x"', 'builtins.toFile "x" "y"', 'builtins.readFile (builtins.toFile "x" "y")', 'builtins.hashFile "sha256" FOLDER/allowed/data', 'builtins.typeOf FOLDER/allowed', 'builtins.toString FOLDER/allowed', '~/x', 'builtins.typeOf ~/x',
    'builtins.findFile [ { prefix = "a"; path = "FOLDER/path"; } ] "a/nixpkgs"',
  ]) test(expression, () => void both(expression, '--pure-eval'))

  test('--impure undoes it, the search path given with -I does not', () => {
    assert.equal(both('import FOLDER/allowed', '--pure-eval', '--impure').value, 'allowed')
    both('import <nixpkgs>', '--pure-eval', '-I', 'FOLDER/path')
    both('builtins.nixPath', '--pure-eval', '-I', 'a=FOLDER/path')
  })
})

describe('restricted evaluation', () => {
  const restricted = ['--option', 'restrict-eval', 'true', '-I', 'allowed=FOLDER/allowed']
  for (const expression of [
    'import FOLDER/allowed', 'import FOLDER/other', 'builtins.readFile FOLDER/allowed/data', 'builtins.readFile FOLDER/other/data', 'builtins.readFile FOLDER/allowed/../other/data', 'builtins.readFile FOLDER/allowed/link', 'builtins.readFile FOLDER/allowed/inner',
    'builtins.readDir FOLDER/allowed', 'builtins.readDir FOLDER/other', 'builtins.readDir FOLDER', 'builtins.pathExists FOLDER/other', 'builtins.pathExists FOLDER/other/data', 'builtins.pathExists FOLDER/allowed/data', 'builtins.pathExists FOLDER/allowed/nothing', 'builtins.pathExists FOLDER',
    'builtins.readFileType FOLDER/allowed/data', 'builtins.readFileType FOLDER/other/data', '<allowed>', 'import <allowed>', '<allowed/data>', '<nothing>', 'builtins.getEnv "HOME"', 'builtins ? currentTime', '"${FOLDER/other/data}"', '"${FOLDER/allowed/data}"',
    'builtins.path { path = FOLDER/other; }', 'builtins.filterSource (_: _: true) FOLDER/allowed == null', 'builtins.hashFile "md5" FOLDER/other/data', 'builtins.fetchurl "https://example.org/x"', 'builtins.fetchurl "file:///FOLDER/other/data"', 'builtins.fetchTarball "https://example.org/x.tar.gz"', 'builtins.fetchGit "https://example.org/x"',
    'builtins.fetchurl "file://FOLDER/other/data"', 'builtins.readFile (builtins.toFile "x" "y")', 'builtins.typeOf FOLDER/other', 'builtins.findFile [ { prefix = ""; path = "FOLDER/other"; } ] "data"',
  ]) test(expression, () => void both(expression, ...restricted))

  test('addresses are allowed by prefixes that end where a part ends', () => {
    for (const allowed of ['https://localhost:1', 'https://localhost:1/', 'https://localhost', 'https:', 'https://localhost:1/x', 'https://localhost:1/y', '']) {
      // nothing is there: what is allowed fails otherwise
      const { theirs, ours } = nix.each('builtins.fetchurl "https://localhost:1/x/z"', ...restricted, '--option', 'allowed-uris', allowed)
      const expected = !['https://localhost:1', 'https://localhost:1/', 'https:', 'https://localhost:1/x'].includes(allowed)
      for (const { error } of [theirs, ours]) assert.equal(/forbidden in restricted mode/.test(error!), expected, `${allowed}: ${error}`)
    }
  })
})

describe('the search path', () => {
  for (const [expression, ...options] of [
    ['import <nixpkgs>', '-I', 'FOLDER/path'], ['import <nixpkgs/lib>', '-I', 'FOLDER/path'], ['import <lib>', '-I', 'lib=FOLDER/path/nixpkgs/lib', '-I', 'FOLDER/path'], ['<nixpkgs/missing>', '-I', 'FOLDER/path'], ['<missing>'], ['builtins.nixPath', '-I', 'a=FOLDER/path', '-I', 'FOLDER/allowed'],
    ['import <a>', '-I', 'a=FOLDER/nowhere', '-I', 'a=FOLDER/allowed'], ['import <nixpkgs>', '-I', 'path'], ['builtins.tryEval <missing>'], ['__findFile __nixPath "nixpkgs" == <nixpkgs>', '-I', 'FOLDER/path'], ['import <nix/fetchurl.nix> { url = "http://x/y"; sha256 = "0000000000000000000000000000000000000000000000000000"; } == null'],
  ] as const) test(`${expression} ${options.join(' ')}`, () => void both(expression, ...options))
})

test('derivations that make derivations', () => {
  const make = `let make = name: more: derivation ({ inherit name; system = "x86_64-linux"; builder = "/bin/sh"; } // more);
    producer = make "made.drv" { __contentAddressed = true; outputHashMode = "text"; outputHashAlgo = "sha256"; }; made = builtins.outputOf producer.outPath "out"; in `
  for (const expression of [
    'made', 'builtins.outputOf made "dev"', 'builtins.hasContext made', 'builtins.getContext made', '(make "user" { x = made; y = builtins.outputOf producer.outPath "lib"; z = builtins.outputOf made "dev"; inherit producer; }).drvPath', '(make "user" { x = make "other" { y = made; }; }).outPath',
    'builtins.outputOf (builtins.unsafeDiscardOutputDependency (make "plain" { }).drvPath) "out"', 'builtins.outputOf (make "plain" { }).drvPath "out"', 'builtins.outputOf "text" "out"', 'builtins.outputOf "${made}x" "out"', 'builtins.outputOf 1 "out"',
  ]) both(make + expression)
})
