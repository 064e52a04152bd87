import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'

import { openSigner } from './signing.ts'

const folder = await mkdtemp(join(tmpdir(), 'firn-signing-'))
after(() => rm(folder, { recursive: true, force: true }))

test('whoever looks while the key is made sees a whole key or none', async () => {
  const file = join(folder, 'watched', 'cache.secret')
  let made = false
  const opening = openSigner(file).finally(() => { made = true })
  const seen = new Set<string>()
  while (!made) {
    if (existsSync(file)) seen.add(readFileSync(file, 'utf8'))
    await setImmediate()
  }
  await opening
  assert.deepEqual([...seen, readFileSync(file, 'utf8')].filter((text) => !/^firn-1:[A-Za-z0-9+/=]+\n$/.test(text)), [])
})

test('those who start together have one key, and leave nothing beside it', async () => {
  const keys = join(folder, 'together')
  const signers = await Promise.all(Array.from({ length: 30 }, () => openSigner(join(keys, 'cache.secret'))))
  assert.equal(new Set(signers.map(({ publicKey }) => publicKey)).size, 1)
  assert.deepEqual(await readdir(keys), ['cache.secret'])
})

test('the key is its owner\'s only, and is there the next time', async () => {
  const file = join(folder, 'cache.secret')
  const { publicKey } = await openSigner(file, 'farm-1')
  assert.match(publicKey, /^farm-1:/)
  assert.equal((await stat(file)).mode & 0o777, 0o600)
  assert.equal((await openSigner(file, 'another-name')).publicKey, publicKey)
  assert.match(await readFile(file, 'utf8'), /^farm-1:[A-Za-z0-9+/=]+\n$/)
})

test('a file that holds no key is told, not replaced', async () => {
  await assert.rejects(openSigner(join(folder, 'together')), /can't be read/)
})
