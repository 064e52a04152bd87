import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { existsSync, lstatSync, readdirSync, readFileSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'

import { FirnError } from '../../contract/errors.ts'
import { StorePath } from '../../nix/store-path.ts'
import type { BlobStore } from '../blobs/interface.ts'
import { ingest } from '../ingest/ingest.ts'
import { entriesOfLocalTree } from '../ingest/local-tree.ts'
import { addTree, type MemoryStore, memoryStore, textEntry } from '../testing/memory-store.ts'
import { makeTree } from '../testing/trees.ts'
import { FolderLocalStore, type LocalStoreOptions } from './local-store.ts'

const ofKind = (kind: string) => (error: unknown) => error instanceof FirnError && error.kind === kind

const folder = await mkdtemp(join(tmpdir(), 'firn-local-'))
after(() => {
  execFileSync('chmod', ['-R', 'u+w', folder])
  return rm(folder, { recursive: true, force: true })
})
await chmod(folder, 0o755)
const tree = join(folder, 'tree')
await makeTree(tree)
let count = 0

async function open(store: MemoryStore, more: Partial<LocalStoreOptions> = {}): Promise<FolderLocalStore> {
  return await FolderLocalStore.open({ directory: join(folder, `store-${count++}`), maximumBytes: 1e9, blobs: store.blobs, pathInfos: store.pathInfos, ...more })
}

/** Counts what is read of the blob store. */
function counting(blobs: BlobStore): { blobs: BlobStore; gathers: number } {
  const counter = { gathers: 0, blobs }
  counter.blobs = new Proxy(blobs, {
    get(target, name) {
      const value = Reflect.get(target, name) as unknown
      if (typeof value !== 'function') return value
      return (...args: unknown[]) => {
        if (name === 'gather') counter.gathers++
        return (value as (...args: unknown[]) => unknown).apply(target, args)
      }
    },
  })
  return counter
}

const whole = (local: FolderLocalStore) => readdirSync(local.directory).filter((name) => !name.startsWith('.')).sort()

describe('local store', () => {
  it('lays out what was taken in: contents, kinds, modes and times', async () => {
    const store = memoryStore()
    const info = await addTree(store, 'tree', entriesOfLocalTree(tree))
    const local = await open(store)
    const lease = await local.layOut([info.storePath])
    const path = lease.localPaths.get(info.storePath.baseName)!
    assert.equal(path, local.localPath(info.storePath))
    const again = await ingest(entriesOfLocalTree(path), memoryStore().blobs)
    assert.deepEqual(again.root, info.root)
    for (const name of ['', 'bin', 'bin/run', 'bin/also-run', 'empty', 'large', 'deep/file-3']) {
      const status = lstatSync(join(path, name))
      assert.equal(status.mtimeMs, 1000, name)
      if (!status.isSymbolicLink()) assert.equal(status.mode & 0o7777, status.isDirectory() || name === 'bin/run' ? 0o555 : 0o444, name)
    }
    await local.close()
  })

  it('lays out a file and a link as roots', async () => {
    const store = memoryStore()
    const file = await addTree(store, 'file', entriesOfLocalTree(join(tree, 'bin/run')))
    const link = await addTree(store, 'link', entriesOfLocalTree(join(tree, 'dangling')))
    const local = await open(store)
    const { localPaths } = await local.layOut([file.storePath, link.storePath])
    assert.equal(lstatSync(localPaths.get(file.storePath.baseName)!).mode & 0o777, 0o555)
    assert.ok(lstatSync(localPaths.get(link.storePath.baseName)!).isSymbolicLink())
  })

  it('shares the work of requests for one path', async () => {
    const store = memoryStore()
    const info = await addTree(store, 'tree', entriesOfLocalTree(tree))
    const counter = counting(store.blobs)
    const local = await open({ ...store, blobs: counter.blobs })
    await Promise.all(Array.from({ length: 10 }, () => local.layOut([info.storePath])))
    await local.layOut([info.storePath])
    assert.equal(counter.gathers, 1)
    assert.deepEqual(local.figures(), { paths: 1, bytes: info.narSize, leased: 1 })
  })

  it('lays out a closure', async () => {
    const store = memoryStore()
    const base = await addTree(store, 'base', textEntry('base'))
    const top = await addTree(store, 'top', textEntry(`refers to ${base.storePath.toString()}`), [base.storePath])
    const local = await open(store)
    const lease = await local.layOutClosure([top.storePath])
    assert.deepEqual([...lease.localPaths.keys()].sort(), [base, top].map(({ storePath }) => storePath.baseName).sort())
    assert.equal(readFileSync(local.localPath(base.storePath), 'utf8'), 'base')
  })

  it('says which paths are not valid, and leases nothing then', async () => {
    const store = memoryStore()
    const info = await addTree(store, 'valid', textEntry('valid'))
    const local = await open(store)
    const invalid = new StorePath('0c0lhbkyy2mcz2i2rmcxxqmgkybavc3s', 'invalid')
    await assert.rejects(local.layOut([info.storePath, invalid]), (error: unknown) => ofKind('not-found')(error) && String(error).includes(invalid.baseName))
    await assert.rejects(local.layOutClosure([invalid]), ofKind('not-found'))
    assert.equal(local.figures().leased, 0)
  })

  it('evicts the least recently used, never what is leased', async () => {
    const store = memoryStore()
    const infos = await Promise.all(Array.from({ length: 6 }, (_, index) => addTree(store, `path-${index}`, textEntry(`${index}`.repeat(10_000)))))
    const local = await open(store, { maximumBytes: 35_000 })
    const held = await local.layOut([infos[0]!.storePath])
    for (const index of [1, 2]) (await local.layOut([infos[index]!.storePath])).release()
    ;(await local.layOut([infos[1]!.storePath])).release()
    ;(await local.layOut([infos[3]!.storePath])).release()
    const names = (indexes: number[]) => indexes.map((index) => infos[index]!.storePath.baseName).sort()
    assert.deepEqual(whole(local), names([0, 1, 3]))
    // More than the bound is kept while it is leased, and goes when it isn't.
    const all = await local.layOut(infos.map(({ storePath }) => storePath))
    assert.deepEqual(whole(local), names([0, 1, 2, 3, 4, 5]))
    all.release()
    all.release()
    await new Promise((resolve) => setTimeout(resolve, 200))
    assert.ok(whole(local).includes(infos[0]!.storePath.baseName))
    assert.equal(whole(local).length, 3)
    assert.equal(readFileSync(held.localPaths.get(infos[0]!.storePath.baseName)!, 'utf8').length, 10_000)
    assert.equal(local.figures().leased, 1)
    assert.deepEqual(readdirSync(join(local.directory, '.removed')), [])
  })

  it('takes over whole valid paths at its start, and removes everything else', async () => {
    const store = memoryStore()
    const [kept, other] = [await addTree(store, 'kept', entriesOfLocalTree(tree)), await addTree(store, 'other', textEntry('other'))]
    const first = await open(store)
    await first.layOut([kept.storePath, other.storePath])
    await first.close()
    await mkdir(join(first.scratchDirectory, 'half-built'), { recursive: true })
    const stranger = `0c0lhbkyy2mcz2i2rmcxxqmgkybavc3s-not-valid`
    await mkdir(join(first.directory, stranger))
    const second = await open(store, { directory: first.directory })
    assert.deepEqual(whole(second), [kept, other].map(({ storePath }) => storePath.baseName).sort())
    assert.deepEqual(readdirSync(second.scratchDirectory), [])
    const counter = counting(store.blobs)
    const third = await open({ ...store, blobs: counter.blobs }, { directory: first.directory })
    await third.layOut([kept.storePath])
    assert.equal(counter.gathers, 0)
  })

  it('is refused where a process that lives has the folder, not where it died', async () => {
    const store = memoryStore()
    const first = await open(store)
    const other = spawn('sleep', ['100'], { stdio: 'ignore' })
    const started = readFileSync(`/proc/${other.pid}/stat`, 'latin1').split(') ')[1]!.split(' ')[19]
    await writeFile(join(first.directory, '.owner'), `${other.pid} ${started}\n`)
    await assert.rejects(open(store, { directory: first.directory }), ofKind('conflict'))
    const ended = new Promise((resolve) => other.once('exit', resolve))
    other.kill('SIGKILL')
    await ended
    await open(store, { directory: first.directory })
  })

  it('adopts a built tree in place of writing it again', async () => {
    const store = memoryStore()
    const counter = counting(store.blobs)
    const local = await open({ ...store, blobs: counter.blobs })
    const built = join(local.scratchDirectory, 'built')
    const info = await addTree(store, 'tree', entriesOfLocalTree(tree))
    execFileSync('cp', ['-a', tree, built])
    await chmod(built, 0o555)
    await local.adopt(info, built)
    const { localPaths } = await local.layOut([info.storePath])
    assert.equal(counter.gathers, 0)
    assert.equal(readFileSync(join(localPaths.get(info.storePath.baseName)!, 'deep.txt'), 'utf8'), 'beside')
    // What is there already stays, and the second tree goes.
    execFileSync('cp', ['-a', tree, built])
    await local.adopt(info, built)
    assert.ok(!existsSync(built))
  })

  it('leaves nothing that looks like a path when contents are corrupt', async () => {
    const store = memoryStore()
    const info = await addTree(store, 'tree', entriesOfLocalTree(tree))
    for await (const { key } of store.objects.list('packs/')) {
      const bytes = await store.objects.read(key)
      bytes[100_000]! ^= 1
      await store.objects.delete([key])
      await store.objects.put(key, bytes)
    }
    const local = await open(store)
    await assert.rejects(local.layOut([info.storePath]), ofKind('corrupt'))
    assert.deepEqual(whole(local), [])
    assert.deepEqual(readdirSync(local.scratchDirectory), [])
  })

  it('says exhausted where the disk is full', { skip: process.getuid?.() !== 0 ? 'mounts a small file system, which only root may' : false }, async () => {
    const store = memoryStore()
    const info = await addTree(store, 'tree', entriesOfLocalTree(tree))
    const small = await addTree(store, 'small', textEntry('small'))
    const mount = await mkdtemp(join(tmpdir(), 'firn-full-'))
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', mount], { stdio: 'ignore' })
    } catch {
      return // no right to mount here
    }
    try {
      const local = await open(store, { directory: mount })
      await assert.rejects(local.layOut([info.storePath]), ofKind('exhausted'))
      await local.layOut([small.storePath])
      assert.deepEqual(whole(local), [small.storePath.baseName])
    } finally {
      execFileSync('umount', [mount])
      await rm(mount, { recursive: true })
    }
  })

  it('works for a user who is not root', { skip: process.getuid?.() !== 0 ? 'this suite runs as such a user already' : false }, async () => {
    const home = await mkdtemp(join(tmpdir(), 'firn-user-'))
    await chmod(home, 0o777)
    try {
      const program = join(home, 'program.ts')
      const url = (path: string) => JSON.stringify(new URL(path, import.meta.url).href)
      await writeFile(program, `
        import { FolderLocalStore } from ${url('./local-store.ts')}
        import { entriesOfLocalTree } from ${url('../ingest/local-tree.ts')}
        import { addTree, memoryStore, textEntry } from ${url('../testing/memory-store.ts')}
        import { execFileSync } from 'node:child_process'
        import { chmodSync, readdirSync } from 'node:fs'
        const store = memoryStore()
        const infos = [await addTree(store, 'tree', entriesOfLocalTree(process.argv[2])), await addTree(store, 'other', textEntry('x'.repeat(9e6)))]
        const local = await FolderLocalStore.open({ directory: process.argv[3] + '/store', maximumBytes: 10e6, ...store })
        ;(await local.layOut([infos[0].storePath])).release()
        ;(await local.layOut([infos[1].storePath])).release()
        const built = local.scratchDirectory + '/built'
        execFileSync('cp', ['-a', process.argv[2], built])
        for (const name of ['/bin', '']) chmodSync(built + name, 0o555)
        await local.adopt(infos[0], built)
        ;(await local.layOut([infos[0].storePath])).release()
        console.log(JSON.stringify(readdirSync(local.directory).filter((name) => !name.startsWith('.')).length))
      `)
      const output = execFileSync('setpriv', ['--reuid=65534', '--regid=65534', '--clear-groups', process.execPath, program, tree, home], { encoding: 'utf8', env: { ...process.env, HOME: home } })
      assert.equal(output, '1\n')
    } finally {
      await rm(home, { recursive: true, force: true })
    }
  })
})
