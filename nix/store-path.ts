/**
 * Ring: nix. Store paths: their form and how they are computed from content. Upstream: libstore/path.cc and
 * libstore/store-dir-config.cc. The store folder is always /nix/store: every hash below contains it, so another one
 * would be another package universe.
 */
import { encodeBase32, isBase32 } from './base32.ts'
import { ByteWriter } from './byte-writer.ts'
import { byteOfBase16 } from './bytes.ts'
import type { ContentAddress } from './content-address.ts'
import { sortedUnique } from './sorting.ts'
import { FormatError } from './errors.ts'
import { formatHash, sha256Base16, type Hash } from './hash.ts'

export const STORE_DIRECTORY = '/nix/store'
/** Characters of the hash part. */
export const HASH_PART_LENGTH = 32
const NAME_LIMIT = 211
const NAME_CHARACTERS = /^[0-9a-zA-Z+\-._?=]+$/
const DERIVATION_SUFFIX = '.drv'

/** A checked store path. Compare by `baseName`. */
export class StorePath {
  /** The 32 characters before the first dash. */
  readonly hash: string
  readonly name: string
  readonly baseName: string

  /** Use `parseStorePath`, `parseBaseName` or a `make…` function: the constructor checks nothing. */
  constructor(hash: string, name: string) {
    this.hash = hash
    this.name = name
    this.baseName = `${hash}-${name}`
  }

  get isDerivation(): boolean {
    return this.name.endsWith(DERIVATION_SUFFIX)
  }

  /** `/nix/store/<hash>-<name>` */
  toString(): string {
    return `${STORE_DIRECTORY}/${this.baseName}`
  }

  toJSON(): string {
    return this.toString()
  }
}

/** Why a text can't be the name of a store path; undefined where it can. */
export function storePathNameProblem(name: string): string | undefined {
  if (name === '') return 'name must not be empty'
  if (name.length > NAME_LIMIT) return `name '${name}' must be no longer than ${NAME_LIMIT} characters`
  if (!NAME_CHARACTERS.test(name)) return `name '${name}' contains illegal character '${/[^0-9a-zA-Z+\-._?=]/u.exec(name)?.[0] ?? '\n'}'`
  // `.` and `..` up to the first dash would escape the store in front ends that cut the hash off
  if (/^\.{1,2}(-|$)/.test(name)) return `name '${name}' is not valid: its first dash-separated component must not be '.' or '..'`
  return undefined
}

export function isStorePathName(name: string): boolean {
  return storePathNameProblem(name) === undefined
}

function checkName(name: string): void {
  const problem = storePathNameProblem(name)
  if (problem !== undefined) throw new FormatError(problem)
}

/** `<hash>-<name>` as a store path. */
export function parseBaseName(baseName: string): StorePath {
  const hash = baseName.slice(0, HASH_PART_LENGTH)
  if (baseName.length <= HASH_PART_LENGTH) throw new FormatError(`'${baseName}' is too short to be a valid store path`)
  if (baseName[HASH_PART_LENGTH] !== '-') throw new FormatError(`'${baseName}' can't name a store path because the hash part is not followed by a '-'`)
  if (!isBase32(hash)) throw new FormatError(`store path '${baseName}' contains an illegal base-32 character`)
  const name = baseName.slice(HASH_PART_LENGTH + 1)
  const problem = storePathNameProblem(name)
  if (problem !== undefined) throw new FormatError(`path '${baseName}' is not a valid store path: ${problem}`)
  return new StorePath(hash, name)
}

/** An absolute path directly below the store. */
export function parseStorePath(path: string, storeDirectory: string = STORE_DIRECTORY): StorePath {
  if (!path.startsWith(`${storeDirectory}/`)) throw new FormatError(`path '${path}' is not in the Nix store`)
  return parseBaseName(path.slice(storeDirectory.length + 1))
}

/** Whether a text is an absolute store path itself (nothing below it). */
export function isStorePath(path: string): boolean {
  try {
    parseStorePath(path)
    return true
  } catch (error) {
    if (error instanceof FormatError) return false
    throw error
  }
}

/**
 * The store path that an absolute path is or lies below, and what follows it: '' or `/…`. The path is taken as it is
 * (no `..` resolved). Throws FormatError where the path is not in the store.
 */
export function storePathOf(path: string): { readonly storePath: StorePath; readonly rest: string } {
  if (!path.startsWith(`${STORE_DIRECTORY}/`)) throw new FormatError(`path '${path}' is not in the Nix store`)
  const slash = path.indexOf('/', STORE_DIRECTORY.length + 1)
  const end = slash === -1 ? path.length : slash
  return { storePath: parseStorePath(path.slice(0, end)), rest: path.slice(end) }
}

/** The name of a derivation without `.drv`; FormatError if the path is not one's. */
export function derivationName(path: StorePath): string {
  if (!path.isDerivation) throw new FormatError(`store path '${path.baseName}' is not a valid derivation path`)
  return path.name.slice(0, -DERIVATION_SUFFIX.length)
}

/** `name` for the output `out`, `name-dev` for the others. */
export function outputPathName(derivation: string, outputName: string): string {
  return outputName === 'out' ? derivation : `${derivation}-${outputName}`
}

/** The bottom of all of them: `type` is such as `text`, `source`, `output:out`. */
export function makeStorePath(type: string, hash: Hash, name: string): StorePath {
  return storePathOfDigits(type, [], formatHash(hash, 'base16', true), name)
}

const COLON = 58
const writer = new ByteWriter()

/** By the SHA-256 of `type:reference:…:algorithm:digits:/nix/store:name`. */
function storePathOfDigits(type: string, references: readonly string[], hash: string, name: string): StorePath {
  checkName(name)
  writer.position = 0
  writer.plain(type)
  for (const reference of references) {
    writer.byte(COLON)
    writer.plain(reference)
  }
  writer.byte(COLON)
  writer.plain(hash)
  writer.plain(`:${STORE_DIRECTORY}:`)
  writer.plain(name)
  return new StorePath(hashPart(sha256Base16(writer.written())), name)
}

const folded = new Uint8Array(20)

/** The hash that the name of a path begins with: a SHA-256, folded. */
function hashPart(base16: string): string {
  folded.fill(0)
  for (let index = 0; index < base16.length / 2; index++) folded[index % folded.length]! ^= byteOfBase16(base16, index)
  return encodeBase32(folded)
}

/** The path of an input-addressed output. `base16` is the SHA-256 hash modulo of the derivation. */
export function makeOutputPath(outputName: string, base16: string, derivation: string): StorePath {
  return storePathOfDigits(`output:${outputName}`, [], `sha256:${base16}`, outputPathName(derivation, outputName))
}

/** The path of a text (`toFile`, `.drv`) with absolute references. The hash is SHA-256 of the content. */
export function makeTextPath(name: string, contentHash: Hash, references: readonly string[]): StorePath {
  if (contentHash.algorithm !== 'sha256') throw new FormatError(`the hash of a text must be SHA-256, not ${contentHash.algorithm}`)
  return makeTextPathOfBase16(name, formatHash(contentHash, 'base16'), references)
}

/** The same where the SHA-256 of the content is at hand in base 16. */
export function makeTextPathOfBase16(name: string, base16: string, references: readonly string[]): StorePath {
  return storePathOfDigits('text', sortedUnique(references), `sha256:${base16}`, name)
}

export interface FixedOutput extends ContentAddress {
  /** Absolute store paths; only a `text` or a SHA-256 NAR may have any. */
  readonly references?: readonly string[]
  /** It refers to itself; only a SHA-256 NAR may. */
  readonly self?: boolean
}

/** The path of content that is known by its hash. */
export function makeFixedOutputPath(name: string, output: FixedOutput): StorePath {
  const { method, hash, references = [], self = false } = output
  if (method === 'text') {
    if (self) throw new FormatError('a text can\'t refer to itself')
    return makeTextPath(name, hash, references)
  }
  if (method === 'nar' && hash.algorithm === 'sha256') {
    const sorted = sortedUnique(references)
    return storePathOfDigits('source', self ? [...sorted, 'self'] : sorted, formatHash(hash, 'base16', true), name)
  }
  if (references.length > 0 || self) throw new FormatError(`fixed output '${name}' is not allowed to refer to other store paths`)
  if (method === 'git' && hash.algorithm !== 'sha1' && hash.algorithm !== 'sha256') throw new FormatError(`a git tree has a SHA-1 or SHA-256 hash, not ${hash.algorithm}`)
  const prefix = method === 'nar' ? 'r:' : method === 'git' ? 'git:' : ''
  return storePathOfDigits('output:out', [], `sha256:${sha256Base16(`fixed:out:${prefix}${formatHash(hash, 'base16', true)}:`)}`, name)
}

/** The path of a tree without references, by the SHA-256 of its NAR: what `builtins.path` and `./.` in a string give. */
export function makeSourcePath(name: string, narHash: Hash): StorePath {
  return makeFixedOutputPath(name, { method: 'nar', hash: narHash })
}
