/**
 * nixpkgs' own tests of its lib (nix-community/nixpkgs.lib): each script and file run once with compat/bin and once with stock Nix, which
 * must come to the same end, and print the same where a value is printed. Needs user namespaces, or root.
 *
 *   npm run conformance -- nixpkgs-lib NIXPKGS-LIB [--stock FOLDER] [--only REGEX] [--verbose]
 *
 * `--stock` is the folder with stock Nix's programs: by default Debian 13's Nix 2.26, which is fetched once.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { nixReference } from '../../infra/setup/nix-reference.ts'
import { meetsExpectations } from './expected.ts'

const COMPAT = join(import.meta.dirname, '../../compat/bin')
/** Seeds of the property tests of lib.path. */
const SEED = '20'

interface Part {
  readonly name: string
  readonly words: readonly string[]
  /** Of what a script prints only its own count is compared: it shows paths of temporary folders. */
  readonly script: boolean
}

const script = (name: string, ...words: readonly string[]): Part => ({ name, words: ['bash', name, ...words], script: true })
const value = (name: string, ...words: readonly string[]): Part => ({ name, words: ['nix-instantiate', '--eval', '--strict', ...words, name], script: false })

/** As lib/tests/test-with-nix.nix and lib/path/tests/default.nix run them. */
const PARTS: readonly Part[] = [
  script('lib/tests/modules.sh'), script('lib/tests/filesystem.sh'), script('lib/tests/sources.sh'), script('lib/tests/debug.sh'),
  script('lib/tests/network.sh'), script('lib/fileset/tests.sh'), script('lib/path/tests/prop.sh', SEED),
  value('lib/tests/systems.nix'), value('lib/tests/misc.nix'), value('lib/tests/fetchers.nix'), value('lib/path/tests/unit.nix', '--arg', 'libpath', './lib'),
  { name: 'lib.version', words: ['nix-instantiate', 'lib', '-A', 'version', '--eval'], script: false },
]

interface Outcome {
  readonly status: number | null
  readonly output: string
  readonly errors: string
}

function run(part: Part, programs: string, nixpkgs: string, home: string): Outcome {
  const environment = {
    ...process.env, PATH: `${programs}:${process.env['PATH'] ?? ''}`, HOME: home, FIRN_HOME: join(home, 'firn'), TEST_LIB: join(nixpkgs, 'lib'), NIX_PATH: `nixpkgs=${nixpkgs}`,
    NIX_STATE_DIR: join(home, 'state'), NIX_REMOTE: '', NIX_CONF_DIR: '/var/empty', NIX_CONFIG: 'build-users-group =\nsubstituters =', PAGER: 'cat',
    // compiled once for all parts, which start the program hundreds of times
    NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] ?? join(home, 'compile'),
  }
  // some tests look at what was added to the store: each side's own is /nix/store in a mount namespace
  const words = ['--mount', '--map-root-user', 'sh', '-c', 'mount --bind "$1" /nix/store && shift && exec "$@"', 'sh', join(home, 'firn/store'), ...part.words]
  const { status, stdout, stderr } = spawnSync('unshare', words, { cwd: nixpkgs, env: environment, encoding: 'utf8', maxBuffer: 2 ** 26, stdio: ['ignore', 'pipe', 'pipe'] })
  return { status, output: part.script ? (/\d+ Pass(?:.*\n)*.*\d+ Fail/.exec(stdout)?.[0].replaceAll('\n', ', ') ?? '') : stdout, errors: stderr + (part.script ? stdout.slice(-3000) : '') }
}

const { values, positionals } = parseArgs({ allowPositionals: true, options: { stock: { type: 'string' }, only: { type: 'string', default: '' }, verbose: { type: 'boolean', default: false } } })
const [source] = positionals
if (source === undefined || !existsSync(join(source, 'lib/default.nix'))) {
  console.error('usage: npm run conformance -- nixpkgs-lib NIXPKGS-LIB (a folder with lib/default.nix) [--only REGEX] [--stock FOLDER] [--verbose]')
  process.exit(2)
}
const scratch = mkdtempSync(join(tmpdir(), 'firn-nixpkgs-lib-'))
try {
  const nixpkgs = join(scratch, 'nixpkgs')
  cpSync(resolve(source), nixpkgs, { recursive: true, verbatimSymlinks: true, filter: (path) => !path.endsWith('/.git') })
  const homes = ['firn', 'stock'].map((name) => join(scratch, name)) as [string, string]
  for (const home of homes) mkdirSync(join(home, 'firn/store'), { recursive: true })
  const stock = values.stock ?? nixReference()
  const count = { parts: 0, equal: 0, succeeded: 0 }
  for (const part of PARTS.filter(({ name }) => new RegExp(values.only).test(name))) {
    const theirs = run(part, stock, nixpkgs, homes[1])
    const ours = run(part, COMPAT, nixpkgs, homes[0])
    const equal = ours.status === theirs.status && ours.output === theirs.output
    count.parts++
    if (equal) count.equal++
    if (equal && ours.status === 0) count.succeeded++
    console.log(`${equal ? 'same' : 'DIFFERENT'}  ${part.name}: exit code ${ours.status}${part.script ? ` ${ours.output}` : ''}${equal ? '' : `, stock ${theirs.status} ${part.script ? theirs.output : ''}`}`)
    if (!equal || values.verbose) console.log(`--- Firn\n${ours.output.slice(0, 1000)}\n${ours.errors.slice(-3000)}\n--- stock\n${theirs.output.slice(0, 1000)}\n${theirs.errors.slice(-3000)}`)
  }
  console.log(`${count.parts} parts, ${count.equal} the same as with stock Nix, ${count.succeeded} of them succeed`)
  process.exitCode = values.only !== '' || meetsExpectations('nixpkgs-lib', count) ? 0 : 1
} finally {
  rmSync(scratch, { recursive: true, force: true })
}
