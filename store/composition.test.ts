import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { pathToFileURL } from 'node:url'

import { FirnError } from '../contract/errors.ts'
import { openObjectTree, parseComposition, readComposition } from './composition.ts'
import { CachingObjectStore } from './objects/caching.ts'
import { FallbackObjectStore } from './objects/fallback.ts'
import type { ObjectStore } from './objects/interface.ts'
import { MemoryObjectStore } from './objects/memory.ts'
import { openStore } from './open.ts'
import { addTree, textEntry } from './testing/memory-store.ts'

const ofKind = (kind: string) => (error: unknown) => error instanceof FirnError && error.kind === kind
const bytes = (length: number, value = 7) => new Uint8Array(length).fill(value)

/** A store that notes what is asked of it, and can be told to fail. */
function watched(): { store: ObjectStore; calls: string[]; failing: boolean } {
  const memory = new MemoryObjectStore()
  const state = { calls: [] as string[], failing: false, store: memory as ObjectStore }
  state.store = new Proxy(memory, {
    get(target, name) {
      const value = Reflect.get(target, name) as unknown
      if (typeof value !== 'function') return value
      return (...args: unknown[]) => {
        state.calls.push(`${String(name)} ${String(args[0])}`)
        if (state.failing && name !== 'close') throw new FirnError('exhausted', 'no room')
        return (value as (...args: unknown[]) => unknown).apply(target, args)
      }
    },
  })
  return state
}

describe('a cache in front of objects', () => {
  it('serves from near what was stored or read, and fetches once what many ask for', async () => {
    const [near, far] = [watched(), watched()]
    await far.store.put('old', bytes(100))
    const store = new CachingObjectStore({ near: near.store, far: far.store, bytes: 1000 })
    await store.put('new', bytes(50))
    far.calls.length = 0
    assert.equal((await store.read('new', { start: 10, end: 20 })).length, 10)
    assert.deepEqual(far.calls, [])
    await Promise.all(Array.from({ length: 5 }, () => store.read('old', { start: 0, end: 10 })))
    assert.deepEqual(far.calls, ['get old'])
    await assert.rejects(store.read('nothing'), ofKind('not-found'))
    await store.delete(['old'])
    await assert.rejects(store.read('old'), ofKind('not-found'))
  })

  it('keeps to its bound, the most recently used last, also over a restart', async () => {
    const [near, far] = [watched(), watched()]
    const store = new CachingObjectStore({ near: near.store, far: far.store, bytes: 250 })
    for (const key of ['a', 'b']) await store.put(key, bytes(100))
    await store.read('a')
    await store.put('c', bytes(100))
    const keys: string[] = []
    for await (const { key } of near.store.list('')) keys.push(key)
    assert.deepEqual(keys, ['a', 'c'])
    const again = new CachingObjectStore({ near: near.store, far: far.store, bytes: 250 })
    far.calls.length = 0
    await again.read('a')
    assert.deepEqual(far.calls, [])
    assert.equal((await again.read('b')).length, 100)
  })

  it('only loses speed when the near store fails', async () => {
    const [near, far] = [watched(), watched()]
    near.failing = true
    const warnings: string[] = []
    const store = new CachingObjectStore({ near: near.store, far: far.store, bytes: 250, onWarning: (message) => warnings.push(message) })
    await store.put('key', bytes(10))
    assert.equal((await store.read('key')).length, 10)
    assert.match(warnings.join(), /no room/)
    far.failing = true
    await assert.rejects(store.put('other', bytes(10)), ofKind('exhausted'))
  })
})

describe('a fallback', () => {
  it('reads from the second what the first has not, and writes to the first only', async () => {
    const [first, second] = [watched(), watched()]
    await second.store.put('old', bytes(10))
    const store = new FallbackObjectStore(first.store, second.store)
    await store.put('new', bytes(20))
    assert.equal((await store.read('old')).length, 10)
    assert.equal((await store.read('new')).length, 20)
    assert.ok(!second.calls.includes('put new'))
    await assert.rejects(store.read('nothing'), ofKind('not-found'))
    first.failing = true
    await assert.rejects(store.read('old'), ofKind('exhausted'))
  })
})

describe('a composition', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'firn-composition-'))
  after(() => rm(folder, { recursive: true, force: true }))

  it('is read from TOML, opened, and used by a store', async () => {
    const file = join(folder, 'store.toml')
    const address = (name: string) => JSON.stringify(pathToFileURL(join(folder, name)).href)
    await writeFile(file, `
      [blobs]
      kind = "cache"
      bytes = "1 MiB"
      near = { kind = "objects", address = ${address('near')} }
      [blobs.far]
      kind = "fallback"
      first = { kind = "objects", address = ${address('new')} }
      second = { kind = "objects", address = ${address('old')} }

      [[substituters]]
      url = "https://cache.example.org"
      priority = 10
      keys = ["cache.example.org-1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="]
    `)
    const composition = readComposition(file)
    assert.deepEqual(composition.substituters, [{ url: 'https://cache.example.org', priority: 10 }])
    assert.deepEqual(composition.trustedPublicKeys, ['cache.example.org-1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA='])
    const store = await openStore({ blobs: composition.blobs, substituters: [], trustedPublicKeys: [] })
    const { root } = await addTree(store, 'path', textEntry('x'.repeat(100_000)))
    assert.ok(root.kind === 'file')
    assert.equal((await store.blobs.read(root.digest)).length, 100_000)
    for (const name of ['near', 'new']) {
      const objects = await openObjectTree({ kind: 'objects', address: pathToFileURL(join(folder, name)).href })
      let count = 0
      for await (const { size } of objects.list('packs/')) count += size > 0 ? 1 : 0
      assert.equal(count, 1, name)
    }
    await store.close()
  })

  it('says where the file is wrong', async () => {
    assert.throws(() => parseComposition('blobs = 1', 'x.toml'), /x\.toml: blobs/)
    assert.throws(() => parseComposition('[blobs]\nkind = "cache"\nbytes = "many"\n', 'x.toml'), /x\.toml: .*blobs\.bytes/)
    assert.throws(() => parseComposition('[blobs\n', 'x.toml'), ofKind('invalid-input'))
    assert.throws(() => parseComposition('[blobs]\nkind = "objects"\naddress = "memory:"\n[[substituters]]\nurl = "https://a"\nkees = []\n', 'x.toml'), /kees/)
    assert.throws(() => readComposition(join(folder, 'missing.toml')), ofKind('invalid-input'))
    await assert.rejects(openObjectTree({ kind: 'cache', bytes: 1, near: { kind: 'objects', address: 'memory:' }, far: { kind: 'objects', address: 'ftp://x' } }), ofKind('invalid-input'))
  })
})
