/**
 * Ring: nix. Hashes, their textual forms, and where the hashing itself comes from. Upstream: libutil/hash.cc.
 *
 * The built-in implementation is pure JavaScript, so that everything here runs in a browser. It is ten times slower
 * than a machine's own SHA-256, so a Node process calls `useHashImplementation` once at its start with one made from
 * node:crypto; results are the same.
 */
import { md5, sha1 } from '@noble/hashes/legacy.js'
import { sha256, sha512 } from '@noble/hashes/sha2.js'
import { base32Length, decodeBase32, encodeBase32 } from './base32.ts'
import { bytesEqual, bytesOfByteString, decodeBase16, decodeBase64, encodeBase16, encodeBase64 } from './bytes.ts'
import { FormatError } from './errors.ts'

export type HashAlgorithm = 'md5' | 'sha1' | 'sha256' | 'sha512'
export type HashFormat = 'base16' | 'nix32' | 'base64' | 'sri'

export interface Hash {
  readonly algorithm: HashAlgorithm
  readonly bytes: Uint8Array
}

export interface IncrementalHash {
  /** The data is read before this returns and may be changed afterwards. */
  update(data: Uint8Array): void
  /** Ends the hash; call it once. */
  digest(): Uint8Array
}

export type HashFactory = (algorithm: HashAlgorithm) => IncrementalHash

export interface HashImplementation {
  readonly create: HashFactory
  readonly digest: (algorithm: HashAlgorithm, data: Uint8Array) => Uint8Array
  /** The same of a byte string, and in base 16: where an engine can do these in one call. */
  readonly digestOfText?: (algorithm: HashAlgorithm, text: string) => Uint8Array
  readonly base16?: (algorithm: HashAlgorithm, data: Uint8Array | string) => string
}

export const HASH_SIZE: Readonly<Record<HashAlgorithm, number>> = { md5: 16, sha1: 20, sha256: 32, sha512: 64 }

const portable = { md5, sha1, sha256, sha512 }

const PORTABLE_IMPLEMENTATION: HashImplementation = {
  create: (algorithm) => {
    const state = portable[algorithm].create()
    return { update: (data) => void state.update(data), digest: () => state.digest() }
  },
  digest: (algorithm, data) => portable[algorithm](data),
}

let implementation = PORTABLE_IMPLEMENTATION

/** Takes another implementation for this whole process; without an argument, the portable one again. */
export function useHashImplementation(chosen: HashImplementation = PORTABLE_IMPLEMENTATION): void {
  implementation = chosen
}

/** An incremental hash. */
export function createHash(algorithm: HashAlgorithm): IncrementalHash {
  return implementation.create(algorithm)
}

/** The hash of bytes, or of a byte string. */
export function hashBytes(algorithm: HashAlgorithm, data: Uint8Array | string): Hash {
  return { algorithm, bytes: digest(algorithm, data) }
}

/** SHA-256 of bytes, or of a byte string, in base 16: what hash-modulo and store paths are made of. */
export function sha256Base16(data: Uint8Array | string): string {
  return implementation.base16?.('sha256', data) ?? encodeBase16(digest('sha256', data))
}

function digest(algorithm: HashAlgorithm, data: Uint8Array | string): Uint8Array {
  if (typeof data !== 'string') return implementation.digest(algorithm, data)
  return implementation.digestOfText?.(algorithm, data) ?? implementation.digest(algorithm, bytesOfByteString(data))
}

/** A hash xor-folded to `size` bytes, as store paths use it. */
export function compressHash(bytes: Uint8Array, size: number): Uint8Array {
  const folded = new Uint8Array(size)
  for (let index = 0; index < bytes.length; index++) folded[index % size]! ^= bytes[index]!
  return folded
}

export function hashesEqual(left: Hash, right: Hash): boolean {
  return left.algorithm === right.algorithm && bytesEqual(left.bytes, right.bytes)
}

export function isHashAlgorithm(text: string): text is HashAlgorithm {
  return text === 'sha256' || text === 'sha512' || text === 'sha1' || text === 'md5'
}

export function parseHashAlgorithm(text: string): HashAlgorithm {
  if (!isHashAlgorithm(text)) throw new FormatError(`unknown hash algorithm '${text}', expect 'md5', 'sha1', 'sha256', or 'sha512'`)
  return text
}

/**
 * Reads `sha256-<base64>` (SRI), `sha256:<digits>`, or bare digits when `algorithm` is given. The encoding of digits
 * is told by their number. An algorithm in the text that differs from the one given is a FormatError.
 */
export function parseHash(text: string, algorithm?: HashAlgorithm): Hash {
  const separator = (text.includes(':') ? /:/ : /-/).exec(text)
  if (separator === null) {
    if (algorithm === undefined) throw new FormatError(`hash '${text}' does not include a type, nor is the type otherwise known from context`)
    return parseHashDigits(text, algorithm)
  }
  const own = parseHashAlgorithm(text.slice(0, separator.index))
  if (algorithm !== undefined && algorithm !== own) throw new FormatError(`hash '${text}' should have type '${algorithm}'`)
  const digits = text.slice(separator.index + 1)
  return separator[0] === '-' ? { algorithm: own, bytes: sized(decodeBase64(digits), own, text) } : parseHashDigits(digits, own)
}

/** Reads bare base-16, base-32 or base-64 digits. */
export function parseHashDigits(digits: string, algorithm: HashAlgorithm): Hash {
  const size = HASH_SIZE[algorithm]
  if (digits.length === size * 2) return { algorithm, bytes: decodeBase16(digits) }
  if (digits.length === base32Length(size)) return { algorithm, bytes: decodeBase32(digits) }
  if (digits.length === Math.ceil(size / 3) * 4) return { algorithm, bytes: sized(decodeBase64(digits), algorithm, digits) }
  throw new FormatError(`hash '${digits}' has wrong length for hash type '${algorithm}'`)
}

function sized(bytes: Uint8Array, algorithm: HashAlgorithm, text: string): Uint8Array {
  if (bytes.length !== HASH_SIZE[algorithm]) throw new FormatError(`hash '${text}' has ${bytes.length} bytes, expected ${HASH_SIZE[algorithm]}`)
  return bytes
}

/** Prints a hash; SRI always has its algorithm, the others only with `withAlgorithm` (`sha256:…`). */
export function formatHash(hash: Hash, format: HashFormat, withAlgorithm = false): string {
  if (format === 'sri') return `${hash.algorithm}-${encodeBase64(hash.bytes)}`
  const digits = format === 'base16' ? encodeBase16(hash.bytes) : format === 'nix32' ? encodeBase32(hash.bytes) : encodeBase64(hash.bytes)
  return withAlgorithm ? `${hash.algorithm}:${digits}` : digits
}
