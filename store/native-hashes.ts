/**
 * Ring: store. Makes this process hash and sign with native code: SHA-256 and its like and ed25519 from node:crypto, BLAKE3 from a prebuilt module
 * where there is one for the platform (2.5 GB/s in place of 0.2 with WebAssembly). Importing this file does it; results are the same.
 */
import { createHash, createPrivateKey, createPublicKey, hash, sign, verify } from 'node:crypto'

import { type Digest, useDigestImplementation } from '../castore/digest.ts'
import { useHashImplementation } from '../nix/hash.ts'
import { useSignatureImplementation } from '../nix/signature.ts'

useHashImplementation({
  create: (algorithm) => {
    const state = createHash(algorithm)
    return { update: (data) => void state.update(data), digest: () => new Uint8Array(state.digest()) }
  },
  digest: (algorithm, data) => new Uint8Array(hash(algorithm, data, 'buffer')),
})

// What stands before the 32 bytes of a key in DER, the only form of bytes that node:crypto reads keys from.
const SEED_HEADER = Buffer.from('302e020100300506032b657004220420', 'hex')
const PUBLIC_KEY_HEADER = Buffer.from('302a300506032b6570032100', 'hex')

useSignatureImplementation({
  sign: (message, seed) => new Uint8Array(sign(null, message, createPrivateKey({ key: Buffer.concat([SEED_HEADER, seed]), format: 'der', type: 'pkcs8' }))),
  verify: (signature, message, publicKey) => verify(null, message, createPublicKey({ key: Buffer.concat([PUBLIC_KEY_HEADER, publicKey]), format: 'der', type: 'spki' }), signature),
})

try {
  const { Blake3Hasher, blake3 } = await import('@napi-rs/blake-hash')
  useDigestImplementation({
    create: () => {
      const hasher = new Blake3Hasher()
      let size = 0
      return {
        get size() { return size },
        update: (data) => {
          size += data.length
          hasher.update(asBuffer(data))
        },
        digest: () => hasher.digest('hex') as Digest,
      }
    },
    digest: (bytes) => blake3(asBuffer(bytes)).toString('hex') as Digest,
  })
} catch {
  // No prebuilt module for this platform: the portable implementation stays.
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
