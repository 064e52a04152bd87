import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { pathToFileURL } from 'node:url'

import { FirnError } from '../contract/errors.ts'
import { fingerprint } from '../nix/narinfo.ts'
import { parsePublicKey, verify } from '../nix/signature.ts'
import { makeSourcePath } from '../nix/store-path.ts'
import { testDatabase } from '../test/support/database.ts'
import { entriesOfLocalTree } from './ingest/local-tree.ts'
import type { Entry } from './ingest/interface.ts'
import { ingest } from './ingest/ingest.ts'
import { openStore, openWorkerStore } from './open.ts'
import { renderNar } from './render-nar.ts'
import { addTree, textEntry } from './testing/memory-store.ts'
import { startS3Server } from './testing/s3-server.ts'
import { makeTree } from './testing/trees.ts'

const ofKind = (...kinds: string[]) => (error: unknown) => error instanceof FirnError && kinds.includes(error.kind)

describe('the whole store', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'firn-store-'))
  const { url } = await testDatabase()
  after(() => rm(folder, { recursive: true, force: true }))
  const settings = {
    databaseUrl: url, databaseConnections: 4, blobs: pathToFileURL(join(folder, 'blobs')).href, localStoreDir: join(folder, 'local'),
    substituters: [], trustedPublicKeys: [], signingKeyFile: join(folder, 'keys/cache.secret'), signingKeyName: 'farm-1',
  }

  it('keeps what it was given from process to process, and signs with one key', async () => {
    const first = await openWorkerStore(settings)
    const info = await addTree(first, 'text', textEntry('kept'))
    const signatures = await first.signaturesOf(info)
    assert.ok(verify([parsePublicKey(first.publicKey!)], fingerprint(info), signatures))
    assert.equal((await stat(settings.signingKeyFile)).mode & 0o777, 0o600)
    const key = first.publicKey
    await first.close()

    const second = await openWorkerStore(settings)
    assert.equal(second.publicKey, key)
    assert.match(key!, /^farm-1:/)
    const lease = await second.local.layOut([info.storePath])
    assert.equal(await readFile(lease.localPaths.get(info.storePath.baseName)!, 'utf8'), 'kept')
    const known = (await second.pathInfos.get([info.storePath.hash])).get(info.storePath.hash)!
    assert.deepEqual(known.signatures, signatures)
    assert.deepEqual(await second.signaturesOf(known), signatures)
    await second.close()
  })

  it('an object store that dies midway leaves no visible path, and the next attempt succeeds', async () => {
    const server = await startS3Server()
    const database = await testDatabase()
    const store = await openStore({ ...settings, databaseUrl: database.url, blobs: server.address, s3Credentials: server.credentials })
    const contents = Array.from({ length: 10 }, () => randomBytes(8_000_000))
    let read = 0
    async function* entries(kill: boolean): AsyncGenerator<Entry> {
      yield { kind: 'directory', path: '' }
      for (const [index, content] of contents.entries()) {
        if (kill && index === 6) await server.pause()
        read += content.length
        yield { kind: 'file', path: `file-${index}`, executable: false, content }
      }
    }
    await assert.rejects(addTree(store, 'large', entries(true)), ofKind('unavailable'))
    assert.ok(read >= 48_000_000)
    assert.equal((await store.pathInfos.count()).paths, 0)
    await server.resume()
    const info = await addTree(store, 'large', entries(false))
    let size = 0
    for await (const part of renderNar(info.root, store.blobs)) size += part.length
    assert.equal(size, info.narSize)
    await store.close()
    await server.stop()
  })

  it('two workers take in equal content at once', async () => {
    const tree = join(folder, 'tree')
    await makeTree(tree)
    const [one, two] = await Promise.all([openStore(settings), openStore(settings)])
    const [left, right] = await Promise.all([addTree(one, 'tree', entriesOfLocalTree(tree)), addTree(two, 'tree', entriesOfLocalTree(tree))])
    assert.deepEqual(left.root, right.root)
    assert.equal(makeSourcePath('tree', left.narHash).baseName, left.storePath.baseName)
    const again = await ingest(entriesOfLocalTree(tree), one.blobs)
    assert.equal(again.figures.storedBytes, 0)
    await one.close()
    await two.close()
  })

  it('says what is wrong with its settings', async () => {
    await assert.rejects(openStore({ ...settings, blobs: 'nonsense' }), ofKind('invalid-input'))
    await assert.rejects(openStore({ ...settings, substituters: [{ url: 'ftp://cache' }] }), ofKind('invalid-input'))
    await assert.rejects(openStore({ ...settings, trustedPublicKeys: ['nonsense'] }))
    await assert.rejects(openWorkerStore({ ...settings, databaseUrl: undefined }), ofKind('invalid-input'))
  })
})
