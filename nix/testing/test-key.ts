/** For tests: a key that anybody can compute, so that nobody takes it for a secret. */
import { ed25519 } from '@noble/curves/ed25519.js'
import type { SecretKey } from '../signature.ts'

const seed = Uint8Array.from({ length: 32 }, (_, index) => index)
const bytes = new Uint8Array(64)
bytes.set(seed)
bytes.set(ed25519.getPublicKey(seed), 32)

export const TEST_SECRET_KEY: SecretKey = { name: 'test.example-1', bytes }
