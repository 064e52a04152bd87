/** Node's own hash functions for nix/hash.ts: several times faster than the portable ones. */
import { Buffer } from 'node:buffer'
import { createHash, hash } from 'node:crypto'
import { useHashImplementation } from '../nix/hash.ts'

export function useNodeHashes(): void {
  useHashImplementation({
    create: (algorithm) => {
      const state = createHash(algorithm)
      return { update: (data) => void state.update(data), digest: () => state.digest() }
    },
    digest: (algorithm, data) => hash(algorithm, data, 'buffer'),
    digestOfText: (algorithm, text) => hash(algorithm, Buffer.from(text, 'latin1'), 'buffer'),
    base16: (algorithm, data) => hash(algorithm, typeof data === 'string' ? Buffer.from(data, 'latin1') : data, 'hex'),
  })
}
