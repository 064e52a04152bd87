/**
 * Ring: infra. A second stock Nix for tests to compare with: that of Debian 13 (2.26), beside whatever is installed (2.8 on
 * Debian 12). Its packages are fetched with a private apt and unpacked into the cache folder; its programs are run by their own
 * loader, so neither root nor a container is needed. Run directly: `node infra/setup/nix-reference.ts nix-instantiate …`.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { FirnError } from '../../contract/errors.ts'
import { debianMirror } from './debian.ts'
import { cacheFolder } from './programs.ts'

const SUITE = 'trixie'
const PROGRAMS = ['nix', 'nix-build', 'nix-instantiate', 'nix-store', 'nix-hash', 'nix-copy-closure']
const LIBRARIES: Readonly<Record<string, string>> = { x64: 'x86_64-linux-gnu', arm64: 'aarch64-linux-gnu' }

/** Folder with the programs of that Nix, made on first use (half a minute). Errors: 'missing-requirement' with what apt said. */
export function nixReference(): string {
  const folder = join(cacheFolder(), `nix-${SUITE}-${process.arch}`)
  const programs = join(folder, 'bin')
  if (existsSync(programs)) return programs
  const libraries = LIBRARIES[process.arch]
  if (libraries === undefined) throw new FirnError('missing-requirement', `Debian's Nix is not set up for ${process.arch}`)

  mkdirSync(cacheFolder(), { recursive: true })
  const work = mkdtempSync(join(cacheFolder(), 'nix-new-'))
  try {
    const root = join(work, 'root')
    mkdirSync(root)
    for (const file of download(work)) execFileSync('dpkg-deb', ['--extract', file, root], { stdio: ['ignore', 'ignore', 'pipe'] })
    rmSync(join(work, 'apt'), { recursive: true })
    const bin = join(work, 'bin')
    mkdirSync(bin)
    for (const name of PROGRAMS) writeWrapper(bin, name, join(folder, 'root'), libraries)
    rmSync(folder, { recursive: true, force: true })
    renameSync(work, folder)
  } catch (error) {
    rmSync(work, { recursive: true, force: true })
    const said = (error as { stderr?: Buffer }).stderr?.toString().trim()
    throw new FirnError('missing-requirement', `Nix of Debian 13 could not be set up: ${said || (error as Error).message}`, { cause: error })
  }
  return programs
}

/** Downloads nix-bin and all it depends on with an apt that knows of nothing installed. Gives the files. */
function download(work: string): string[] {
  const apt = join(work, 'apt')
  for (const name of ['lists/partial', 'archives/partial', 'etc']) mkdirSync(join(apt, name), { recursive: true })
  writeFileSync(join(apt, 'status'), '')
  const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg'
  writeFileSync(join(apt, 'sources.list'), `deb ${existsSync(keyring) ? `[signed-by=${keyring}] ` : ''}${debianMirror()} ${SUITE} main\n`)
  const options = [
    ['Dir::Etc', join(apt, 'etc')], ['Dir::Etc::SourceList', join(apt, 'sources.list')], ['Dir::Etc::SourceParts', '/dev/null'],
    ['Dir::State', apt], ['Dir::State::Lists', join(apt, 'lists')], ['Dir::State::status', join(apt, 'status')],
    ['Dir::Cache', apt], ['Dir::Cache::archives', join(apt, 'archives')],
    ['Debug::NoLocking', 'true'], ['APT::Sandbox::User', ''], ['Acquire::Languages', 'none'],
  ].flatMap(([key, value]) => ['-o', `${key}=${value}`])
  const run = (args: readonly string[]): void => void execFileSync('apt-get', [...options, '-qq', ...args], { stdio: ['ignore', 'ignore', 'pipe'] })
  run(['update'])
  run(['install', '--yes', '--download-only', '--no-install-recommends', 'nix-bin'])
  return readdirSync(join(apt, 'archives')).filter((name) => name.endsWith('.deb')).map((name) => join(apt, 'archives', name))
}

function writeWrapper(bin: string, name: string, root: string, libraries: string): void {
  const loader = libraries.startsWith('aarch64') ? 'usr/lib/ld-linux-aarch64.so.1' : 'usr/lib64/ld-linux-x86-64.so.2'
  const file = join(bin, name)
  writeFileSync(file, `#!/bin/sh
# its own settings only: the installed Nix's may name what this one does not know, or the other way round
export NIX_CONF_DIR=\${NIX_CONF_DIR:-/var/empty}
exec '${root}/${loader}' --argv0 ${name} --library-path '${root}/usr/lib/${libraries}:${root}/lib/${libraries}' '${root}/usr/bin/nix' "$@"
`)
  chmodSync(file, 0o755)
}

if (import.meta.main) {
  const [name = 'nix', ...args] = process.argv.slice(2)
  const { status } = spawnSync(join(nixReference(), name), args, { stdio: 'inherit' })
  process.exitCode = status ?? 1
}
