/**
 * Every derivation path of examples/ equals what stock Nix instantiates from the same files: the Nix of this machine, and that of
 * Debian 13. What needs an import-from-derivation is in the small set, whose imports stock Nix builds in seconds.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { findMirrors, mirrorArguments } from '../examples/tools/mirrors.ts'
import { nixReference } from '../infra/setup/nix-reference.ts'
import { findProgram } from '../infra/setup/programs.ts'

const ROOT = resolve(import.meta.dirname, '..')
const folder = mkdtempSync(join(tmpdir(), 'firn-paths-'))
const execute = promisify(execFile)
const options = { timeout: 600_000 }

/** All that instantiates without building anything first: ripgrep, hexyl and js-app are read out of lock files. */
const GROUPS: readonly (readonly [file: string, attributes: readonly string[]])[] = [
  ['packages/release.nix', ['bootstrap', 'packages', 'synthetic.graph']],
  ['packages/release.nix', ['tests.hello', 'tests.zlib', 'tests.nginx-curl', 'tests.autotools', 'tests.perl']],
]

async function stock(program: string, file: string, attributes: readonly string[]): Promise<string[]> {
  const { stdout } = await execute(program, [
    '--store', join(folder, program.includes('nix-trixie') ? 'newer' : 'stock'), '--option', 'substituters', '', '--option', 'build-users-group', '',
    ...mirrors, join(ROOT, 'examples', file), ...attributes.flatMap((attribute) => ['-A', attribute]),
  ], { env: { ...process.env, HOME: folder }, maxBuffer: 64 * 1024 ** 2 })
  return stdout.trim().split('\n').map((line) => line.replace(/!.*/, ''))
}

async function ours(file: string, attributes: readonly string[]): Promise<string[]> {
  const { stdout } = await execute(join(ROOT, 'bin/firn'), ['instantiate', '--read-only', ...mirrors, join(ROOT, 'examples', file), ...attributes.flatMap((attribute) => ['-A', attribute])], { maxBuffer: 64 * 1024 ** 2 })
  return stdout.trim().split('\n').map((line) => line.replace(/!.*/, ''))
}

let mirrors: string[]
before(async () => {
  mirrors = mirrorArguments(await findMirrors())
}, options)
after(() => rmSync(folder, { recursive: true, force: true }))

describe('derivation paths of examples/', options, () => {
  for (const [file, attributes] of GROUPS) {
    it(`${file} ${attributes.join(' ')}: as stock Nix and as Debian 13's`, async () => {
      const installed = findProgram('nix-instantiate')
      assert.ok(installed, 'nix-instantiate is missing')
      const [got, expected, newer] = await Promise.all([ours(file, attributes), stock(installed, file, attributes), stock(join(nixReference(), 'nix-instantiate'), file, attributes)])
      assert.ok(expected.length >= attributes.length)
      assert.deepEqual(got, expected)
      assert.deepEqual(got, newer)
    })
  }
})
