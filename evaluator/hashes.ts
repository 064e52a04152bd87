/** Node's own hash functions for nix/hash.ts: several times faster than the portable ones. */
import { Buffer } from 'node:buffer'
import { createHash, hash } from 'node:crypto'
import { useHashImplementation } from '../nix/hash.ts'

const SHORT = 512

export function useNodeHashes(): void {
  useHashImplementation({
    create: (algorithm) => {
      const state = createHash(algorithm)
      return { update: (data) => void state.update(data), digest: () => state.digest() }
    },
    digest: (algorithm, data) => hash(algorithm, data, 'buffer'),
    // one call is quickest for what is short; what is long isn't copied first
    base16OfText: (algorithm, text) => (text.length < SHORT ? hash(algorithm, Buffer.from(text, 'latin1'), 'hex') : createHash(algorithm).update(text, 'latin1').digest('hex')),
  })
}
