/** Node's own hash functions for nix/hash.ts: several times faster than the portable ones. */
import { Buffer } from 'node:buffer'
import { createHash, hash } from 'node:crypto'
import { isAscii } from '../nix/bytes.ts'
import { useHashImplementation } from '../nix/hash.ts'

export function useNodeHashes(): void {
  useHashImplementation({
    create: (algorithm) => {
      const state = createHash(algorithm)
      return { update: (data) => void state.update(data), digest: () => state.digest() }
    },
    digest: (algorithm, data) => hash(algorithm, data, 'buffer'),
    digestOfText: (algorithm, text) => hash(algorithm, input(text), 'buffer'),
    base16: (algorithm, data) => hash(algorithm, typeof data === 'string' ? input(data) : data, 'hex'),
  })
}

/** Node hashes the UTF-8 of a string, which for ASCII is the byte string. */
function input(text: string): string | Uint8Array {
  return isAscii(text) ? text : Buffer.from(text, 'latin1')
}
