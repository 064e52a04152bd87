/**
 * Ring: nix. How the content of a store object is hashed, where its path follows from that hash.
 * Upstream: libstore/content-address.cc.
 */
import { FormatError } from './errors.ts'
import { formatHash, parseHashAlgorithm, parseHashDigits, type Hash, type HashAlgorithm } from './hash.ts'

/** `text`: a file that may have references; `flat`: one file's bytes; `nar`: the tree's NAR; `git`: the tree's git object. */
export type ContentAddressMethod = 'text' | 'flat' | 'nar' | 'git'

export interface ContentAddress {
  readonly method: ContentAddressMethod
  readonly hash: Hash
}

const PREFIX: Readonly<Record<ContentAddressMethod, string>> = { text: 'text:', flat: '', nar: 'r:', git: 'git:' }

/** `r:sha256`, `sha256`, `text:sha256`: the form of a derivation's outputs. */
export function formatMethodAlgorithm(method: ContentAddressMethod, algorithm: HashAlgorithm): string {
  return `${PREFIX[method]}${algorithm}`
}

export function parseMethodAlgorithm(text: string): { readonly method: ContentAddressMethod; readonly algorithm: HashAlgorithm } {
  const method = text.startsWith('r:') ? 'nar' : text.startsWith('git:') ? 'git' : text.startsWith('text:') ? 'text' : 'flat'
  return { method, algorithm: parseHashAlgorithm(text.slice(PREFIX[method].length)) }
}

/** `fixed:r:sha256:<base32>`, `fixed:sha256:…`, `text:sha256:…`: the form of narinfo, the protocols and the database. */
export function formatContentAddress(address: ContentAddress): string {
  const prefix = address.method === 'text' ? 'text:' : `fixed:${PREFIX[address.method]}`
  return `${prefix}${formatHash(address.hash, 'nix32', true)}`
}

export function parseContentAddress(text: string): ContentAddress {
  const match = /^(text|fixed:r|fixed:git|fixed):([a-z0-9]+):([^:]*)$/.exec(text)
  if (match === null) throw new FormatError(`not a content address: '${text}'`)
  const [, prefix, algorithm, digits] = match as unknown as [string, string, string, string]
  const method = prefix === 'text' ? 'text' : prefix === 'fixed:r' ? 'nar' : prefix === 'fixed:git' ? 'git' : 'flat'
  return { method, hash: parseHashDigits(digits, parseHashAlgorithm(algorithm)) }
}
