import assert from 'node:assert/strict'
import { chmod, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { pathToFileURL } from 'node:url'

import { FirnError } from '../../contract/errors.ts'
import { collectBytes, streamOf } from '../bytes.ts'
import { startS3Server } from '../testing/s3-server.ts'
import { FileObjectStore } from './file.ts'
import type { ObjectStore } from './interface.ts'
import { openObjects } from './open.ts'

const ofKind = (kind: string) => (error: unknown) => error instanceof FirnError && error.kind === kind
const bytes = (text: string) => new TextEncoder().encode(text)
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

const folder = await mkdtemp(join(tmpdir(), 'firn-objects-'))
after(() => rm(folder, { recursive: true, force: true }))
const s3 = await startS3Server()
after(() => s3.stop())

const BACKENDS: Record<string, () => Promise<ObjectStore>> = {
  'memory': () => openObjects('memory:'),
  'file': () => openObjects(pathToFileURL(join(folder, 'objects')).href),
  's3': () => openObjects(s3.address, { credentials: s3.credentials }),
  's3 with a prefix': () => openObjects(s3.address.replace('s3://firn?', 's3://firn/some/prefix?'), { credentials: s3.credentials }),
}

for (const [name, open] of Object.entries(BACKENDS)) {
  describe(`objects: ${name}`, async () => {
    const store = await open()
    after(() => store.close())

    it('gives back what was put, whole and by range', async () => {
      await store.put('packs/ab/one', bytes('0123456789'))
      assert.equal(text(await store.read('packs/ab/one')), '0123456789')
      assert.equal(text(await store.read('packs/ab/one', { start: 2, end: 5 })), '234')
      assert.equal(text(await store.read('packs/ab/one', { start: 7 })), '789')
      assert.equal(text(await collectBytes(store.get('packs/ab/one', { start: 0, end: 4 }))), '0123')
      assert.equal((await collectBytes(store.get('packs/ab/one', { start: 3, end: 3 }))).length, 0)
    })

    it('takes a stream larger than a part of a multipart upload', async () => {
      const part = new Uint8Array(1024 * 1024).map((_, index) => index * 7 % 251)
      await store.put('large', streamOf(...Array.from({ length: 19 }, () => part)))
      let length = 0
      for await (const chunk of store.get('large')) length += chunk.length
      assert.equal(length, 19 * part.length)
      assert.deepEqual(await store.read('large', { start: 18 * part.length }), part)
    })

    it('keeps an empty object', async () => {
      await store.put('empty', new Uint8Array(0))
      assert.equal((await store.read('empty')).length, 0)
    })

    it('stores a key again with equal content', async () => {
      await store.put('twice', bytes('same'))
      await store.put('twice', bytes('same'))
      assert.equal(text(await store.read('twice')), 'same')
    })

    it('says not-found', async () => {
      await assert.rejects(store.read('nothing/here'), ofKind('not-found'))
      await assert.rejects(collectBytes(store.get('nothing/here', { start: 1, end: 2 })), ofKind('not-found'))
    })

    it('leaves nothing behind when a stream breaks', async () => {
      async function* broken(): AsyncGenerator<Uint8Array> {
        yield new Uint8Array(100)
        throw new Error('the source broke')
      }
      await assert.rejects(store.put('broken', broken()))
      await assert.rejects(store.read('broken'), ofKind('not-found'))
    })

    it('lists by prefix, in order, and deletes', async () => {
      for (const key of ['list/b', 'list/a/2', 'list/a/1', 'list/a-b', 'other']) await store.put(key, bytes(key))
      const found: string[] = []
      for await (const { key, size } of store.list('list/')) {
        found.push(key)
        assert.equal(size, key.length)
      }
      assert.deepEqual(found, ['list/a-b', 'list/a/1', 'list/a/2', 'list/b'])
      await store.delete(['list/a/1', 'list/b', 'list/never-was'])
      const left: string[] = []
      for await (const { key } of store.list('list/')) left.push(key)
      assert.deepEqual(left, ['list/a-b', 'list/a/2'])
    })

    it('refuses keys that could leave its folder', async () => {
      for (const key of ['../escape', '/absolute', 'a//b', 'a/./b', '', 'a b']) await assert.rejects(async () => store.put(key, bytes('x')), ofKind('invalid-input'), key)
    })
  })
}

describe('objects: file, beyond the suite', () => {
  it('says exhausted where the disk is full', { skip: process.getuid?.() !== 0 ? 'mounts a small file system, which only root may' : false }, async () => {
    const { execFileSync } = await import('node:child_process')
    const mount = await mkdtemp(join(tmpdir(), 'firn-full-'))
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', mount], { stdio: 'ignore' })
    } catch {
      return // no right to mount here
    }
    try {
      const store = new FileObjectStore(mount)
      await assert.rejects(store.put('large', new Uint8Array(4 * 1024 * 1024)), ofKind('exhausted'))
      await assert.rejects(store.read('large'), ofKind('not-found'))
      assert.deepEqual(await readdir(join(mount, '.new')), [])
      await store.put('small', bytes('there is room again'))
    } finally {
      execFileSync('umount', [mount])
      await rm(mount, { recursive: true })
    }
  })

  it('says what is wrong with an address', async () => {
    await assert.rejects(openObjects('nonsense'), ofKind('invalid-input'))
    await assert.rejects(openObjects('ftp://somewhere'), ofKind('invalid-input'))
    await assert.rejects(openObjects('s3://bucket?endpint=x'), /unknown option 'endpint'/)
    await assert.rejects(openObjects(s3.address.replace('s3://firn', 's3://missing'), { credentials: s3.credentials }), ofKind('missing-requirement'))
    await assert.rejects(openObjects(s3.address, { credentials: { accessKeyId: 'firn-test', secretAccessKey: 'wrong' } }), ofKind('forbidden'))
  })

  it('says that a folder cannot be used', async () => {
    const path = join(folder, 'a-file')
    await writeFile(path, 'not a folder')
    await chmod(path, 0o600)
    await assert.rejects(new FileObjectStore(path).put('key', bytes('x')))
  })
})
