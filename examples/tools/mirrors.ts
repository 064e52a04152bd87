/**
 * Ring: examples. Where this machine's package registries are: from the settings of apt, npm and cargo, never written here, so that
 * the package set works behind any mirror. Run directly it prints options for `firn build` and nix-build:
 *
 *   nix-build $(examples/tools/mirrors.sh) examples/packages -A hello
 */
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { parse as parseToml } from 'smol-toml'
import { FirnError } from '../../contract/errors.ts'
import { debianMirror } from '../../infra/setup/debian.ts'

/** Base addresses, without a slash at the end. */
export interface Mirrors {
  /** Holds Debian's `pool/`. */
  readonly debianMirror: string
  readonly npmRegistry: string
  /** `ADDRESS/NAME/VERSION/download` is a crate. */
  readonly cratesMirror: string
}

/** Finds all three. FIRN_DEBIAN_MIRROR, FIRN_NPM_REGISTRY and FIRN_CRATES_MIRROR win. Errors: 'missing-requirement' saying what to set. */
export async function findMirrors(environment: NodeJS.ProcessEnv = process.env): Promise<Mirrors> {
  const trim = (address: string): string => address.replace(/\/+$/, '')
  return {
    debianMirror: debianMirror(environment),
    // npm tells the scripts it runs
    npmRegistry: trim(environment['FIRN_NPM_REGISTRY'] || environment['npm_config_registry'] || npm()),
    cratesMirror: trim(environment['FIRN_CRATES_MIRROR'] || await crates(environment)),
  }
}

/** As words of a command line. */
export function mirrorArguments(mirrors: Mirrors): string[] {
  return Object.entries(mirrors).flatMap(([name, value]: [string, string]) => ['--argstr', name, value])
}

function npm(): string {
  const registry = tryRun('npm', ['config', 'get', 'registry'])?.trim()
  if (registry && /^https?:/.test(registry)) return registry
  throw new FirnError('missing-requirement', 'npm names no registry: set FIRN_NPM_REGISTRY to the address of one')
}

/**
 * A registry's index says in its config.json where crates are downloaded from. Which index: the one that cargo's settings
 * put in place of crates.io, else crates.io's own, as cargo documents it. No cargo is needed.
 */
async function crates(environment: NodeJS.ProcessEnv): Promise<string> {
  const home = environment['CARGO_HOME'] || join(homedir(), '.cargo')
  const index = cargoReplacement(home) ?? 'sparse+https://index.crates.io/'
  if (!index.startsWith('sparse+')) {
    const cached = cachedIndex(home)
    if (cached !== undefined) return cached
    throw new FirnError('missing-requirement', 'cargo\'s registry is a git repository, whose settings can\'t be read here: set FIRN_CRATES_MIRROR to the address before /NAME/VERSION/download')
  }
  const address = `${index.slice('sparse+'.length).replace(/\/*$/, '/')}config.json`
  try {
    const response = await fetch(address, { signal: AbortSignal.timeout(30_000) })
    if (!response.ok) throw new Error(`status ${response.status}`)
    const { dl } = (await response.json()) as { dl?: unknown }
    if (typeof dl !== 'string') throw new Error('no `dl` in it')
    // an address with markers is filled in by cargo; without any, this is what cargo appends
    return dl.replace(/\/\{crate\}\/\{version\}\/download$/, '')
  } catch (error) {
    const cached = cachedIndex(home)
    if (cached !== undefined) return cached
    throw new FirnError('missing-requirement', `cannot read ${address} (${(error as Error).message}): set FIRN_CRATES_MIRROR to the address before /NAME/VERSION/download`, { cause: error })
  }
}

/** `[source.crates-io] replace-with = "x"`, `[source.x] registry = "…"` of cargo's settings. */
function cargoReplacement(home: string): string | undefined {
  for (const name of ['config.toml', 'config']) {
    const file = join(home, name)
    if (!existsSync(file)) continue
    const { source, registries } = parseToml(readFileSync(file, 'utf8')) as { source?: Record<string, { 'replace-with'?: string, 'registry'?: string }>, registries?: Record<string, { index?: string }> }
    const replacement = source?.['crates-io']?.['replace-with']
    if (replacement !== undefined) return source?.[replacement]?.registry ?? registries?.[replacement]?.index
  }
  return undefined
}

/** What cargo kept of an index it has used. */
function cachedIndex(home: string): string | undefined {
  const folder = join(home, 'registry', 'index')
  if (!existsSync(folder)) return undefined
  for (const name of readdirSync(folder)) {
    const file = join(folder, name, 'config.json')
    if (existsSync(file)) return (JSON.parse(readFileSync(file, 'utf8')) as { dl: string }).dl
  }
  return undefined
}

function tryRun(program: string, args: readonly string[]): string | undefined {
  try {
    return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  } catch {
    return undefined
  }
}

if (import.meta.main) {
  try {
    process.stdout.write(`${mirrorArguments(await findMirrors()).join(' ')}\n`)
  } catch (error) {
    console.error(`mirrors: ${(error as Error).message}`)
    process.exitCode = 1
  }
}
