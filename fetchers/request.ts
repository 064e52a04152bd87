/**
 * Ring: fetchers. Derivations that are nothing but a download, as fetches: `builtin:fetchurl`, pure.
 * Upstream: libstore/builtins/fetchurl.cc.
 */
import type { FetchRequest } from '../contract/fetch.ts'
import type { Derivation } from '../nix/derivation.ts'
import { FormatError } from '../nix/errors.ts'
import { formatHash } from '../nix/hash.ts'
import { parseStructuredAttributes, STRUCTURED_ATTRIBUTES_VARIABLE } from '../nix/structured-attributes.ts'

/** The fetch that a derivation is; undefined where it has to be built. Throws FormatError for a malformed one. */
export function fetchRequestOf(derivation: Derivation): FetchRequest | undefined {
  if (derivation.builder !== 'builtin:fetchurl') return undefined
  const output = derivation.outputs.get('out')
  if (output?.kind !== 'fixed') throw new FormatError(`'builtin:fetchurl' must be a fixed-output derivation, but '${derivation.name}' is not`)
  if (output.method !== 'flat' && output.method !== 'nar') throw new FormatError(`'builtin:fetchurl' can't have the output hash mode '${output.method}'`)
  const attribute = attributesOf(derivation)
  const url = attribute('url')
  const urls = [...url === undefined ? [] : [url], ...(attribute('urls') ?? '').split(/\s+/)].filter((each) => each !== '')
  if (urls.length === 0) throw new FormatError(`'builtin:fetchurl' needs an attribute 'url', which '${derivation.name}' does not have`)
  return {
    kind: 'url',
    name: derivation.name,
    urls: [...new Set(urls)],
    // its `unpack` restores a NAR, it doesn't unpack a tarball
    unpack: false,
    ...(attribute('unpack') === '1' && { isNar: true }),
    executable: attribute('executable') === '1',
    hash: formatHash(output.hash, 'sri'),
    method: output.method,
  }
}

/** Attributes as text: booleans as `1` or nothing, lists of strings with spaces. */
function attributesOf(derivation: Derivation): (name: string) => string | undefined {
  const json = derivation.env.get(STRUCTURED_ATTRIBUTES_VARIABLE)
  if (json === undefined) return (name) => derivation.env.get(name)
  const attributes = parseStructuredAttributes(json)
  return (name) => {
    const value = attributes.get(name)
    if (typeof value === 'boolean') return value ? '1' : ''
    if (Array.isArray(value)) return value.filter((item) => typeof item === 'string').join(' ')
    return typeof value === 'string' ? value : undefined
  }
}
