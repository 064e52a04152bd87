import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, describe, it } from 'node:test'
import { sql } from 'kysely'

import type { Digest } from '../../castore/digest.ts'
import { FirnError } from '../../contract/errors.ts'
import { encodeBase32 } from '../../nix/base32.ts'
import { StorePath } from '../../nix/store-path.ts'
import { testDatabase } from '../../test/support/database.ts'
import { openDatabase } from '../database.ts'
import type { PathInfo, PathInfoStore } from './interface.ts'
import { MemoryPathInfoStore } from './memory.ts'
import { PostgresPathInfoStore } from './postgres.ts'

const ofKind = (kind: string) => (error: unknown) => error instanceof FirnError && error.kind === kind
const newPath = (name: string) => new StorePath(encodeBase32(randomBytes(20)), name)

function newInfo(name: string, references: readonly StorePath[] = [], more: Partial<PathInfo> = {}): PathInfo {
  return {
    storePath: newPath(name),
    root: { kind: 'file', digest: randomBytes(32).toString('hex') as Digest, size: 12, executable: false },
    narHash: { algorithm: 'sha256', bytes: new Uint8Array(randomBytes(32)) },
    narSize: 128,
    references: [...references].sort((left, right) => left.baseName < right.baseName ? -1 : 1),
    signatures: [],
    registeredAt: new Date('2026-01-02T03:04:05.678Z'),
    ultimate: true,
    ...more,
  }
}

const database = openDatabase((await testDatabase()).url, 4)
after(() => database.destroy())
const BACKENDS: Record<string, PathInfoStore> = { memory: new MemoryPathInfoStore(), postgres: new PostgresPathInfoStore(database) }

for (const [name, store] of Object.entries(BACKENDS)) {
  describe(`path infos: ${name}`, () => {
    it('gives back what was put', async () => {
      const plain = newInfo('plain')
      const self = newPath('full')
      const full = newInfo('full', [plain.storePath, self], {
        storePath: self,
        root: { kind: 'symlink', target: 'a\xffb' },
        narSize: 5_000_000_000,
        deriver: newPath('full.drv'),
        contentAddress: { method: 'nar', hash: { algorithm: 'sha256', bytes: new Uint8Array(randomBytes(32)) } },
        signatures: ['a-1:AAAA', 'b-1:BBBB'],
        ultimate: false,
      })
      assert.deepEqual((await store.put([full, plain])).sort(), [full, plain].map(({ storePath }) => storePath.baseName).sort())
      const found = await store.get([full.storePath.hash, plain.storePath.hash, newPath('other').hash])
      assert.deepEqual(found.get(full.storePath.hash), full)
      assert.deepEqual(found.get(plain.storePath.hash), plain)
      assert.equal(found.size, 2)
      assert.deepEqual(await store.has([full.storePath.hash, newPath('x').hash]), new Set([full.storePath.hash]))
      assert.deepEqual((await store.outputsOf(full.deriver!.baseName)).map(({ storePath }) => storePath.baseName), [full.storePath.baseName])
    })

    it('keeps the first of two infos of one path', async () => {
      const first = newInfo('twice')
      const second = { ...first, narSize: 999 }
      assert.equal((await store.put([first])).length, 1)
      assert.deepEqual(await store.put([second, newInfo('another')]).then((names) => names.map((name) => name.slice(33))), ['another'])
      assert.equal((await store.get([first.storePath.hash])).get(first.storePath.hash)?.narSize, 128)
    })

    it('registers all or nothing: a reference that is not valid', async () => {
      const good = newInfo('good')
      const missing = newPath('missing')
      const bad = newInfo('bad', [missing, good.storePath])
      await assert.rejects(store.put([good, bad]), (error: unknown) => ofKind('conflict')(error) && (error as FirnError).message.includes(missing.baseName))
      assert.equal((await store.has([good.storePath.hash, bad.storePath.hash])).size, 0)
      await store.put([good, bad], { allowMissingReferences: true })
      assert.deepEqual((await store.closure([bad.storePath.baseName])).missing, [missing.baseName])
      // A path of that hash but another name is not the one that was meant.
      await store.put([newInfo('real')])
      const misnamed = new StorePath(good.storePath.hash, 'other-name')
      assert.deepEqual(await store.closure([misnamed.baseName]), { paths: [], missing: [misnamed.baseName] })
    })

    it('refuses what could never be served', async () => {
      await assert.rejects(async () => store.put([newInfo('no-nar', [], { narSize: 0 })]), ofKind('invalid-input'))
      await assert.rejects(async () => store.put([newInfo('sha1', [], { narHash: { algorithm: 'sha1', bytes: new Uint8Array(20) } })]), ofKind('invalid-input'))
    })

    it('closures and referrers, over cycles with itself and diamonds', async () => {
      const base = newInfo('base')
      const left = newInfo('left', [base.storePath])
      const right = newInfo('right', [base.storePath])
      const self = newPath('top')
      const top = newInfo('top', [left.storePath, right.storePath, self], { storePath: self })
      await store.put([base])
      await store.put([top, left, right])
      const { paths, missing } = await store.closure([top.storePath.baseName])
      assert.deepEqual(paths.toSorted(), [base, left, right, top].map(({ storePath }) => storePath.baseName).sort())
      assert.deepEqual(missing, [])
      assert.deepEqual(await store.referrers(base.storePath.hash), [left, right].map(({ storePath }) => storePath.baseName).sort())
      assert.deepEqual(await store.referrers(top.storePath.hash), [])
      assert.deepEqual(await store.closure([]), { paths: [], missing: [] })
    })

    it('adds signatures once', async () => {
      const [one, two] = [newInfo('signed-1', [], { signatures: ['k:A'] }), newInfo('signed-2')]
      await store.put([one, two])
      await store.addSignatures(new Map([[one.storePath.hash, ['k:B', 'k:A']], [two.storePath.hash, ['k:C', 'k:C']], [newPath('x').hash, ['k:D']]]))
      const found = await store.get([one.storePath.hash, two.storePath.hash])
      assert.deepEqual(found.get(one.storePath.hash)?.signatures, ['k:A', 'k:B'])
      assert.deepEqual(found.get(two.storePath.hash)?.signatures, ['k:C'])
    })

    it('takes thousands at once, and lists them in order', async () => {
      const chain: PathInfo[] = []
      for (let index = 0; index < 6000; index++) chain.push(newInfo(`chain-${index}`, chain.slice(-2).map(({ storePath }) => storePath)))
      const begun = performance.now()
      assert.equal((await store.put(chain)).length, 6000)
      assert.equal((await store.get(chain.map(({ storePath }) => storePath.hash))).size, 6000)
      assert.equal((await store.closure([chain.at(-1)!.storePath.baseName])).paths.length, 6000)
      assert.ok(performance.now() - begun < 20_000, `${performance.now() - begun} ms`)
      const names: string[] = []
      for await (const name of store.list()) names.push(name)
      assert.deepEqual(names, names.toSorted())
      const { paths, narBytes } = await store.count()
      assert.ok(names.length === paths && paths >= 6000 && narBytes >= 5_000_000_000)
    })

    it('takes equal paths from many at once', async () => {
      const infos = Array.from({ length: 200 }, (_, index) => newInfo(`contended-${index}`))
      const registered = await Promise.all(Array.from({ length: 4 }, (_, index) => store.put(index % 2 === 0 ? infos : infos.toReversed())))
      assert.equal(registered.flat().length, 200)
    })
  })
}

describe('path infos: within an outer transaction', () => {
  const store = new PostgresPathInfoStore(database)

  it('become visible with it, or not at all', async () => {
    const kept = newInfo('kept')
    const lost = newInfo('lost')
    await database.transaction().execute(async (transaction) => {
      assert.deepEqual(await store.putWithin(transaction, [kept]), [kept.storePath.baseName])
      assert.equal((await store.has([kept.storePath.hash])).size, 0)
      await sql`insert into worker (id, host, systems, features, slots) values ('w', 'h', '{}', '{}', 1)`.execute(transaction)
    })
    await assert.rejects(database.transaction().execute(async (transaction) => {
      await store.putWithin(transaction, [lost])
      throw new Error('the outcome could not be written')
    }), /outcome/)
    assert.deepEqual(await store.has([kept.storePath.hash, lost.storePath.hash]), new Set([kept.storePath.hash]))
  })

  it('says unavailable where no server answers', async () => {
    const nobody = openDatabase('postgres://firn:x@127.0.0.1:1/firn', 1)
    await assert.rejects(new PostgresPathInfoStore(nobody).has([newPath('x').hash]), ofKind('unavailable'))
    await nobody.destroy()
  })
})
