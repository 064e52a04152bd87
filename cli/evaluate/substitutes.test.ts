/** Cache status of jobs: what lies in a local store, what stock Nix wrote to a binary cache, and what is nowhere. */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { after, before, test } from 'node:test'

const DROP_IN = join(import.meta.dirname, '../../compat/bin/nix-eval-jobs')
const folder = mkdtempSync(join(tmpdir(), 'firn-substitutes-'))
const cache = join(folder, 'cache')
const home = join(folder, 'home')
const set = join(folder, 'set.nix')
after(() => rmSync(folder, { recursive: true, force: true }))

/** Files that are outputs by their hash, so that nobody has to sign or build them. */
const FILES = ['cached', 'local', 'nowhere']

before(() => {
  const environment = { ...process.env, HOME: folder, NIX_REMOTE: join(folder, 'nix'), NIX_CONFIG: 'experimental-features = nix-command\nsubstituters =\nbuild-users-group =\n' }
  const nix = (program: string, ...words: string[]): string => execFileSync(program, words, { encoding: 'utf8', env: environment, stdio: ['ignore', 'pipe', 'pipe'] }).trim()
  for (const name of FILES) writeFileSync(join(folder, name), `content of ${name}`)
  const hash = (name: string): string => nix('nix-hash', '--type', 'sha256', join(folder, name))
  writeFileSync(set, `{ ${FILES.map((name) => `${name} = derivation { name = "${name}"; system = "x86_64-linux"; builder = "/bin/sh"; outputHashAlgo = "sha256"; outputHashMode = "recursive"; outputHash = "${hash(name)}"; };`).join('\n')} }`)
  nix('nix', 'copy', '--to', `file://${cache}`, nix('nix-store', '--add-fixed', '--recursive', 'sha256', join(folder, 'cached')))
  const local = nix('nix-store', '--add-fixed', '--recursive', 'sha256', join(folder, 'local'))
  mkdirSync(join(home, 'store'), { recursive: true })
  cpSync(join(folder, 'local'), join(home, 'store', basename(local)))
})

function statuses(command: string, words: readonly string[], environment: Readonly<Record<string, string>> = {}): Record<string, unknown> {
  const { stdout, stderr } = spawnSync(command, words, { encoding: 'utf8', env: { ...process.env, FIRN_HOME: home, ...environment } })
  assert.equal(stderr, '')
  const jobs = stdout.trim().split('\n').map((line) => JSON.parse(line) as { attr: string; cacheStatus: string; isCached: boolean })
  return Object.fromEntries(jobs.map(({ attr, cacheStatus, isCached }) => [attr, [cacheStatus, isCached]]))
}

const EXPECTED = { cached: ['cached', true], local: ['local', true], nowhere: ['notBuilt', false] }
const FIRN = ['--disable-warning=ExperimentalWarning', join(import.meta.dirname, '../main.ts'), 'jobs', set, '--check-cache-status']

test('nix-eval-jobs asks the substituters that its options name', () => {
  assert.deepEqual(statuses(DROP_IN, ['--check-cache-status', '--option', 'substituters', `file://${cache}`, set]), EXPECTED)
  assert.deepEqual(statuses(DROP_IN, ['--check-cache-status', '--workers', '2', '--substituters', `file://${cache}`, set]), EXPECTED)
})

test('firn jobs asks those of the settings', () => {
  assert.deepEqual(statuses(process.execPath, FIRN, { FIRN_SUBSTITUTERS_URLS: `file://${cache}` }), EXPECTED)
  assert.deepEqual(statuses(process.execPath, FIRN), { ...EXPECTED, cached: ['notBuilt', false] })
})

test('a substituter that can not be one is an error, not a wait', () => {
  const { status, stderr } = spawnSync(DROP_IN, ['--check-cache-status', '--substituters', 'gopher://cache', set], { encoding: 'utf8', env: { ...process.env, FIRN_HOME: home } })
  assert.equal(status, 1)
  assert.match(stderr, /error: substituter 'gopher:\/\/cache' must begin with/)
})
