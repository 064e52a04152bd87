import assert from 'node:assert/strict'
import { it } from 'node:test'

import { createDigester, digestOf, useDigestImplementation } from '../castore/digest.ts'
import { createHash, hashBytes, formatHash, useHashImplementation } from '../nix/hash.ts'

it('native hashes equal the portable ones', async () => {
  const data = new Uint8Array(100_000).map((_, index) => index * 31 % 255)
  const digests = () => {
    const digester = createDigester()
    digester.update(data.subarray(0, 777))
    digester.update(data.subarray(777))
    const sha = createHash('sha256')
    sha.update(data)
    return [digestOf(data), digestOf(new Uint8Array(0)), String(digester.size), digester.digest(), formatHash({ algorithm: 'sha256', bytes: sha.digest() }, 'base16'), formatHash(hashBytes('sha1', 'text'), 'base16')]
  }
  useDigestImplementation()
  useHashImplementation()
  const portable = digests()
  await import('./native-hashes.ts')
  assert.deepEqual(digests(), portable)
  assert.notEqual(digestOf(data), digestOf(data.subarray(1)))
})
