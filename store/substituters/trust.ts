/**
 * Ring: store. Which narinfos are believed: those that a trusted key signed, and those whose path says what the content is.
 * Upstream counterpart: libstore/path-info.cc (checkSignatures, isContentAddressed).
 */
import { formatHash } from '../../nix/hash.ts'
import { type NarInfo, fingerprint } from '../../nix/narinfo.ts'
import { type PublicKey, verify } from '../../nix/signature.ts'
import { makeFixedOutputPath } from '../../nix/store-path.ts'

/** True where taking the path can't give other content than its maker, or a signer that is trusted, meant. */
export function isTrusted(narInfo: NarInfo, keys: readonly PublicKey[]): boolean {
  return verify(keys, fingerprint(narInfo), narInfo.signatures) !== undefined || namesItsContent(narInfo)
}

/**
 * The path is computed from its NAR hash, which is checked while it is downloaded. Other content addresses are over something else
 * than the NAR, so they'd be checked too late to stream; those need a signature.
 */
function namesItsContent({ contentAddress, narHash, storePath, references }: NarInfo): boolean {
  if (contentAddress?.method !== 'nar' || contentAddress.hash.algorithm !== 'sha256') return false
  if (formatHash(contentAddress.hash, 'sri') !== formatHash(narHash, 'sri')) return false
  if (references.some((reference) => reference.baseName === storePath.baseName)) return false
  return makeFixedOutputPath(storePath.name, { ...contentAddress, references: references.map(String) }).baseName === storePath.baseName
}
