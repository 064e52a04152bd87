/**
 * Ring: cli. Flakes as people name them: `.#hello`, `github:owner/repository#checks`, `/some/folder`. A folder stands for the flake in it or
 * above it, and for its repository where it is in one. Upstream counterpart: parsePathFlakeRefWithFragment in src/libflake/flakeref.cc.
 */
import { existsSync, statSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { FirnError } from '../contract/errors.ts'

export interface FlakeArgument {
  /** An address that does not depend on the working folder. */
  readonly reference: string
  /** What comes after `#`; may be empty. */
  readonly attribute: string
}

/** Whether an argument names a flake rather than a file. */
export function isFlakeArgument(argument: string): boolean {
  return argument.includes('#') || /^(?:(?:github|gitlab|sourcehut|flake|path):|(?:git|hg|tarball|file)\+[a-z]+:)/.test(argument)
}

/** Errors: 'not-found' where no flake.nix is, 'invalid-input' for what is no folder. */
export function readFlakeArgument(argument: string, folder = process.cwd()): FlakeArgument {
  const hash = argument.indexOf('#')
  const name = hash < 0 ? argument : argument.slice(0, hash)
  const attribute = hash < 0 ? '' : decodeURIComponent(argument.slice(hash + 1))
  if (/^[a-z][a-z0-9+.-]*:/.test(name) || (/^[a-zA-Z][a-zA-Z0-9_-]*(?:\/|$)/.test(name) && !name.startsWith('.'))) return { reference: name, attribute }
  const question = name.indexOf('?')
  const path = resolve(folder, question < 0 ? name : name.slice(0, question))
  return { reference: addressOf(path, question < 0 ? '' : name.slice(question + 1)), attribute }
}

function addressOf(path: string, query: string): string {
  if (!existsSync(path)) throw new FirnError('not-found', `there is no folder '${path}'`)
  if (!statSync(path).isDirectory() && basename(path) !== 'flake.nix') throw new FirnError('invalid-input', `'${path}' is not a flake (because it's not a directory)`)
  const start = statSync(path).isDirectory() ? path : dirname(path)
  const flake = above(start, (folder) => existsSync(join(folder, 'flake.nix')), (folder) => existsSync(join(folder, '.git')))
  if (flake === undefined) throw new FirnError('not-found', `'${start}' is not part of a flake (neither it nor its parent directories contain a 'flake.nix' file)`)
  const repository = above(flake, (folder) => existsSync(join(folder, '.git')))
  const encoded = (text: string): string => text.split('/').map(encodeURIComponent).join('/')
  const more = (parts: readonly string[]): string => (parts.length === 0 ? '' : `?${parts.join('&')}`)
  const given = query === '' ? [] : [query]
  if (repository === undefined) return `path:${encoded(flake)}${more(given)}`
  const below = flake.slice(repository.length + 1)
  const shallow = existsSync(join(repository, '.git/shallow')) ? ['shallow=1'] : []
  return `git+file://${encoded(repository)}${more([...(below === '' ? [] : [`dir=${encoded(below)}`]), ...given, ...shallow])}`
}

/** The nearest folder, itself or above, that will do; undefined past `end`, or where there is none. */
function above(folder: string, matches: (folder: string) => boolean, end: (folder: string) => boolean = () => false): string | undefined {
  for (let at = folder; ; at = dirname(at)) {
    if (matches(at)) return at
    if (end(at) || dirname(at) === at) return undefined
  }
}

/** Where `nix build` looks for what is named after `#`. */
export function packagePrefixes(system: string): string[] {
  return [`packages.${system}.`, `legacyPackages.${system}.`]
}
