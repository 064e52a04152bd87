/** Flakes and fetched trees: what Firn gives for local repositories, folders and archives is what Nix 2.26 gives, errors included. */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { NixComparison, type Outcome } from '../../test/support/nix-comparison.ts'

const DERIVATION = '{ name, ... }@args: derivation ({ system = "x86_64-linux"; builder = "/bin/sh"; } // args)'

let folder: string
let nix: NixComparison
before(() => {
  nix = new NixComparison()
  ;({ folder } = nix)
})
after(() => nix.close())

function commit(path: string): string {
  const git = (...words: string[]): string => execFileSync('git', ['-C', join(folder, path), '-c', 'user.name=n', '-c', 'user.email=e', ...words], { encoding: 'utf8', env: { ...process.env, GIT_COMMITTER_DATE: '2024-01-02T03:04:05Z', GIT_AUTHOR_DATE: '2024-01-02T03:04:05Z' } }).trim()
  git('init', '--quiet', '--initial-branch=main')
  git('add', '--all')
  git('commit', '--quiet', '--message=1')
  return git('rev-parse', 'HEAD')
}

const both = (expression: string, ...options: readonly string[]): Outcome => nix.both(expression, ...options)
const write = (files: Readonly<Record<string, string>>): void => nix.write(files)

/** Everything that a fetched tree tells. */
const tree = (call: string): string => `let t = ${call}; in removeAttrs t [ "outPath" ] // { path = t.outPath; }`

describe('fetched trees', () => {
  let revision: string
  before(() => {
    write({ 'repository/file': 'text', 'repository/folder/other': 'more', 'tree/file': 'text' })
    revision = commit('repository')
    execFileSync('tar', ['--create', '--gzip', '--file', 'tree.tar.gz', 'tree'], { cwd: folder })
  })

  for (const call of [
    'fetchGit "FOLDER/repository"', 'fetchGit { url = "FOLDER/repository"; ref = "main"; }', 'fetchTree { type = "git"; url = "file://FOLDER/repository"; }',
    'fetchTree "git+file://FOLDER/repository?ref=main"', 'fetchTree { type = "path"; path = "FOLDER/tree"; }', 'fetchTree "path:FOLDER/tree?lastModified=5"',
    'fetchTree "file://FOLDER/tree.tar.gz"', 'fetchTree { type = "file"; url = "file://FOLDER/tree.tar.gz"; }',
  ]) test(call, () => assert.notEqual(both(tree(`builtins.${call}`)).value, undefined))

  for (const call of [
    'fetchTree { type = "git"; url = "file://FOLDER/repository"; odd = 1; }', 'fetchTree { type = "git"; }', 'fetchTree "nixpkgs"', 'fetchTree { type = "odd"; url = "x"; }',
    'fetchTree { type = "path"; path = "FOLDER/tree"; narHash = "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="; }',
  ]) test(`fails: ${call}`, () => assert.notEqual(both(`builtins.${call}`).error, undefined))

  test('a revision', () => {
    both(tree(`builtins.fetchGit { url = "FOLDER/repository"; rev = "${revision}"; name = "named"; }`), '--pure-eval')
    both(tree(`builtins.fetchTree { type = "git"; url = "file://FOLDER/repository"; rev = "${revision}"; }`), '--pure-eval')
  })

  test('a working tree with changes', () => {
    write({ 'repository/file': 'changed' })
    const { value } = both(tree('builtins.fetchGit "FOLDER/repository"'))
    assert.equal((value as { dirtyRev: string }).dirtyRev, `${revision}-dirty`)
    both(tree('builtins.fetchTree { type = "git"; url = "file://FOLDER/repository"; }'))
    write({ 'repository/file': 'text' })
  })

  test('modes: pure evaluation wants locks, restricted evaluation an allowed address', () => {
    both('builtins.fetchTree { type = "path"; path = "FOLDER/tree"; }', '--pure-eval')
    both('builtins.fetchGit { url = "FOLDER/repository"; ref = "main"; }', '--option', 'restrict-eval', 'true')
    assert.equal(both('(builtins.fetchGit { url = "FOLDER/repository"; ref = "main"; }).revCount', '--option', 'restrict-eval', 'true', '--option', 'allowed-uris', `git+file://${folder}/`).value, 1)
  })

  test('names are looked up in a registry', () => {
    write({ 'registry.json': '{ "version": 2, "flakes": [ { "from": { "type": "indirect", "id": "named" }, "to": { "type": "git", "url": "file://FOLDER/repository" } } ] }' })
    const registry = ['--option', 'flake-registry', join(folder, 'registry.json')]
    assert.notEqual(both(tree('builtins.fetchTree { type = "indirect"; id = "named"; }'), ...registry).value, undefined)
    assert.notEqual(both(tree('builtins.fetchTree "flake:named/main"'), ...registry).value, undefined)
    both('builtins.fetchTree { type = "indirect"; id = "other"; }', ...registry)
  })

  test('Mercurial: says what is missing', { skip: spawnSync('hg', ['--version']).error === undefined && 'hg is installed' }, () => {
    assert.match(nix.firn('--eval', '-E', 'builtins.fetchMercurial "/nowhere"').error!, /'hg' is needed .* not installed/)
  })

  test('fetchClosure wants what Nix wants', () => {
    const path = `/nix/store/${'0'.repeat(32)}-x`
    for (const argument of ['{ }', `{ fromPath = ${path}; }`, `{ fromPath = ${path}; fromStore = "file:///x"; }`, `{ fromPath = ${path}; fromStore = "https://x"; odd = 1; }`, `{ fromPath = ${path}; fromStore = "https://x"; inputAddressed = true; toPath = ${path}; }`]) {
      assert.notEqual(both(`builtins.fetchClosure ${argument}`).error, undefined)
    }
  })
})

describe('flakes', () => {
  const ALL = 'flake: builtins.removeAttrs flake [ "inputs" "outputs" "self" "sourceInfo" "outPath" "packages" ] // { path = flake.outPath; info = builtins.removeAttrs flake.sourceInfo [ "outPath" ]; inputNames = builtins.attrNames flake.inputs; }'
  before(() => {
    write({
      'source/file': 'content',
      'library/flake.nix': '{ description = "d"; inputs.source = { url = "path:FOLDER/source"; flake = false; }; outputs = { self, source }: { text = builtins.readFile "${source}/file"; again = self.text + "!"; make = n: n + 1; }; }',
      'top/flake.nix': `{
        inputs = { library.url = "path:FOLDER/library"; other = { url = "path:FOLDER/library"; inputs.source.follows = "another"; }; another = { url = "path:FOLDER/another"; flake = false; }; };
        outputs = { self, library, other, another }@inputs: { a = library.again; b = other.text; c = library.sourceInfo.narHash; d = self ? rev; e = self._type; names = builtins.attrNames inputs; n = library.make 1;
          packages.x86_64-linux.default = (${DERIVATION}) { name = "top"; source = self; library = library.outPath; }; };
      }`,
      'another/file': 'another content',
      'both/inner/flake.nix': '{ inputs.beside.url = "path:../beside"; outputs = { self, beside }: { x = beside.y + "${self}"; }; }',
      'both/beside/flake.nix': '{ outputs = { self }: { y = "y${self.outPath}"; }; }',
    })
    execFileSync('cp', ['--recursive', join(folder, 'top'), join(folder, 'locked')])
    execFileSync('cp', ['--recursive', join(folder, 'top'), join(folder, 'spoilt')])
    commit('top')
    commit('both')
  })

  test('a flake in a folder and one in a repository, with inputs that follow others; locks are made in memory', () => {
    both(`(${ALL}) (builtins.getFlake "path:FOLDER/library")`)
    const { value, warnings } = both(`(${ALL}) (builtins.getFlake "git+file://FOLDER/top")`)
    const seen = value as { a: string; b: string; n: number }
    assert.deepEqual([seen.a, seen.b, seen.n], ['content!', 'another content', 2])
    assert.ok(warnings.some((line) => line.startsWith('• Added input \'other/source\'')))
    both('(builtins.getFlake "git+file://FOLDER/top").packages.x86_64-linux.default.drvPath')
  })

  test('inputs beside a flake in one repository', () => {
    assert.match(both('(builtins.getFlake "git+file://FOLDER/both?dir=inner").x').value as string, /^y\/nix\/store\/.*-source\/beside\/nix\/store\/.*-source\/inner$/)
  })

  test('locks are kept, and held to', () => {
    const lock = (name: string): string => execFileSync(join(nix.stock, 'nix'), ['--store', join(folder, 'root'), '--extra-experimental-features', 'nix-command flakes', 'flake', 'lock', `path:${folder}/${name}`], { encoding: 'utf8', stdio: 'pipe', env: { ...process.env, NIX_CONF_DIR: '/var/empty' } })
    lock('locked')
    assert.deepEqual(both(`(${ALL}) (builtins.getFlake "path:FOLDER/locked")`).warnings, [])
    lock('spoilt')
    execFileSync('sed', ['-i', 's/"narHash": "sha256-..../"narHash": "sha256-AAAA/', join(folder, 'spoilt/flake.lock')])
    assert.match(both('(builtins.getFlake "path:FOLDER/spoilt").a').error!, /mismatch in field 'narHash'/)
    write({ 'locked/flake.lock': '{ "version": 99 }' })
    both('(builtins.getFlake "path:FOLDER/locked").a')
  })

  const BAD: Readonly<Record<string, string>> = {
    computed: '{ inputs.x.url = "a" + "b"; outputs = _: { }; }', attribute: '{ outputs = _: { }; odd = 1; }', nothing: '{ }', circular: '{ inputs.x.url = "path:FOLDER/bad/circular"; outputs = _: { }; }',
    notASet: 'builtins.getEnv "x"', outputs: '{ outputs = 1; }', input: '{ inputs.x = { odd = 1; }; outputs = _: { }; }', twice: '{ inputs = { x = { url = "path:FOLDER/source"; follows = "y"; }; }; outputs = _: { }; }', follows: '{ inputs.x.follows = "y"; outputs = _: { }; }',
    description: '{ description = 1; outputs = _: { }; }',
  }
  for (const [name, text] of Object.entries(BAD)) {
    test(`fails: ${text}`, () => {
      write({ [`bad/${name}/flake.nix`]: text })
      assert.notEqual(both(`builtins.getFlake "path:FOLDER/bad/${name}"`).error, undefined)
    })
  }

  test('pure evaluation wants a lock', () => {
    both('builtins.getFlake "path:FOLDER/library"', '--pure-eval')
    both('builtins.getFlake "path:FOLDER/library#x"')
  })
})
