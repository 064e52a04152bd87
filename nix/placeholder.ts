/**
 * Ring: nix. Placeholders: texts that stand for a path that isn't known yet and are rewritten before the build.
 * Upstream: hashPlaceholder in libstore/derivations.cc, libstore/downstream-placeholder.cc.
 */
import { encodeBase32 } from './base32.ts'
import { compressHash, hashBytes } from './hash.ts'
import { derivationName, outputPathName, parseStorePath } from './store-path.ts'

/** `builtins.placeholder`: stands for an output in its own derivation. */
export function hashPlaceholder(outputName: string): string {
  return `/${encodeBase32(hashBytes('sha256', `nix-output:${outputName}`).bytes)}`
}

/** Stands for the output of a floating content-addressed derivation in what depends on it. `drvPath` is absolute. */
export function upstreamPlaceholder(drvPath: string, outputName: string): string {
  return `/${encodeBase32(upstreamHash(drvPath, outputName))}`
}

/** The same for an output of a derivation that is itself the output of one (dynamic derivations). */
export function dynamicPlaceholder(drvPath: string, outputNames: readonly [string, ...string[]]): string {
  const [first, ...others] = outputNames
  let hash = upstreamHash(drvPath, first)
  for (const outputName of others) hash = hashBytes('sha256', `nix-computed-output:${encodeBase32(compressHash(hash, 20))}:${outputName}`).bytes
  return `/${encodeBase32(hash)}`
}

function upstreamHash(drvPath: string, outputName: string): Uint8Array {
  const path = parseStorePath(drvPath)
  return hashBytes('sha256', `nix-upstream-output:${path.hash}:${outputPathName(derivationName(path), outputName)}`).bytes
}
