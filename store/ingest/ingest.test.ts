import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createReadStream } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'

import { FirnError } from '../../contract/errors.ts'
import { encodeBase16 } from '../../nix/bytes.ts'
import { MemoryBlobIndex } from '../blobs/memory-index.ts'
import { PackedBlobStore } from '../blobs/packed.ts'
import { collectBytes } from '../bytes.ts'
import { MemoryObjectStore } from '../objects/memory.ts'
import { renderNar } from '../render-nar.ts'
import { BLOB_BACKENDS } from '../testing/backends.ts'
import { largeBytes, makeTree, nixDump } from '../testing/trees.ts'
import { findNode, readDirectories, walkTree } from '../tree.ts'
import { entriesOfArchive } from './archive.ts'
import { ingest, type Ingested } from './ingest.ts'
import type { Entry } from './interface.ts'
import { entriesOfLocalTree } from './local-tree.ts'
import { entriesOfNar } from './nar.ts'

const ofKind = (kind: string) => (error: unknown) => error instanceof FirnError && error.kind === kind
const hex = ({ narHash }: Ingested) => encodeBase16(narHash.bytes)
const memoryStore = () => new PackedBlobStore(new MemoryObjectStore(), new MemoryBlobIndex())
async function* entries(...list: Entry[]): AsyncGenerator<Entry> { yield* list }
const bytes = (text: string) => new TextEncoder().encode(text)

const folder = await mkdtemp(join(tmpdir(), 'firn-ingest-'))
after(() => rm(folder, { recursive: true, force: true }))
const tree = join(folder, 'tree')
await makeTree(tree)
const oracle = await nixDump(tree)
const reference: { hash: string; size: number } = oracle ?? await ingest(entriesOfLocalTree(tree), memoryStore()).then((ingested) => ({ hash: hex(ingested), size: ingested.narSize }))

for (const [name, open] of Object.entries(BLOB_BACKENDS)) {
  describe(`ingest: ${name}`, async () => {
    const backend = await open()
    const store = new PackedBlobStore(backend.objects, backend.index)
    after(async () => {
      await store.close()
      await backend.close()
    })

    it('a local tree has the hash and size that nix-store --dump gives, and so has the NAR rendered from it', async () => {
      const ingested = await ingest(entriesOfLocalTree(tree), store)
      assert.deepEqual({ hash: hex(ingested), size: ingested.narSize }, reference)
      const nar = await collectBytes(renderNar(ingested.root, store))
      assert.equal(nar.length, reference.size)
      const again = await ingest(entriesOfNar(renderNar(ingested.root, store)), store)
      assert.deepEqual(again.root, ingested.root)
      assert.equal(hex(again), reference.hash)
      assert.equal(again.figures.storedBytes, 0)
    })

    it('single files and links are trees as well', async () => {
      for (const path of ['bin/run', 'empty', 'bin/also-run', 'large']) {
        const ingested = await ingest(entriesOfLocalTree(join(tree, path)), store)
        const expected = await nixDump(join(tree, path))
        if (expected !== undefined) assert.deepEqual({ hash: hex(ingested), size: ingested.narSize }, expected)
        assert.equal((await collectBytes(renderNar(ingested.root, store))).length, ingested.narSize)
      }
    })

    it('takes equal trees twice at once', async () => {
      const other = join(folder, `other-${name.replaceAll(' ', '-')}`)
      await mkdir(other)
      for (let index = 0; index < 300; index++) await writeFile(join(other, `file-${index}`), `${name} ${index}`.repeat(index))
      const [one, two] = await Promise.all([ingest(entriesOfLocalTree(other), store), ingest(entriesOfLocalTree(other), store)])
      assert.deepEqual(one.root, two.root)
      assert.equal((await ingest(entriesOfNar(renderNar(one.root, store)), store)).narSize, two.narSize)
    })
  })
}

describe('ingest: archives', () => {
  const archives: Record<string, string[]> = {
    'tree.tar': ['tar', '-C', folder, '-cf', join(folder, 'tree.tar'), 'tree'],
    'unsorted.tar': ['tar', '-C', folder, '-cf', join(folder, 'unsorted.tar'), 'tree/large', 'tree/bin/run', 'tree'],
    'tree.tar.gz': ['tar', '-C', folder, '-czf', join(folder, 'tree.tar.gz'), 'tree'],
    'tree.tar.xz': ['tar', '-C', folder, '-cJf', join(folder, 'tree.tar.xz'), 'tree'],
    'tree.tar.bz2': ['tar', '-C', folder, '-cjf', join(folder, 'tree.tar.bz2'), 'tree'],
    'tree.tar.zst': ['tar', '-C', folder, '--zstd', '-cf', join(folder, 'tree.tar.zst'), 'tree'],
  }
  for (const [name, [program, ...args]] of Object.entries(archives)) {
    it(`${name} gives the tree it was made of`, async () => {
      execFileSync(program!, args)
      const store = memoryStore()
      const ingested = await ingest(entriesOfArchive(createReadStream(join(folder, name)), { stripTop: true }), store)
      assert.equal(hex(ingested), reference.hash)
    })
  }

  it('extended headers give names in UTF-8, and refuse others', async () => {
    execFileSync('tar', ['-C', folder, '--format=pax', '--exclude=not-*', '-cf', join(folder, 'pax.tar'), 'tree'])
    const ingested = await ingest(entriesOfArchive(createReadStream(join(folder, 'pax.tar')), { stripTop: true }), memoryStore())
    const expected = await ingest(entriesOfLocalTree(tree, { filter: (path) => !path.startsWith('not-') }), memoryStore())
    assert.equal(hex(ingested), hex(expected))
    execFileSync('tar', ['-C', folder, '--format=pax', '-cf', join(folder, 'pax.tar'), 'tree'])
    await assert.rejects(ingest(entriesOfArchive(createReadStream(join(folder, 'pax.tar')), { stripTop: true }), memoryStore()), /isn't UTF-8/)
  })

  it('a zip gives the tree it was made of', async () => {
    const content = join(folder, 'zip-content')
    await mkdir(join(content, 'top/sub'), { recursive: true })
    await writeFile(join(content, 'top/sub/text'), 'in a zip')
    await writeFile(join(content, 'top/run'), '#!/bin/sh\n', { mode: 0o755 })
    execFileSync('python3', ['-c', 'import shutil,sys; shutil.make_archive(sys.argv[1], "zip", sys.argv[2])', join(folder, 'made'), content])
    const store = memoryStore()
    const ingested = await ingest(entriesOfArchive(createReadStream(join(folder, 'made.zip')), { stripTop: true }), store)
    const expected = await nixDump(join(content, 'top'))
    if (expected !== undefined) assert.equal(hex(ingested), expected.hash)
    const found = await findNode(ingested.root, 'sub/text', store)
    assert.ok(found?.kind === 'file')
    assert.equal(new TextDecoder().decode(await store.read(found.digest)), 'in a zip')
  })

  it('hard links become files', async () => {
    const content = join(folder, 'links')
    await mkdir(content)
    await writeFile(join(content, 'a'), 'shared')
    execFileSync('ln', [join(content, 'a'), join(content, 'b')])
    execFileSync('tar', ['-C', folder, '-cf', join(folder, 'links.tar'), 'links'])
    const ingested = await ingest(entriesOfArchive(createReadStream(join(folder, 'links.tar')), { stripTop: true }), memoryStore())
    const expected = await nixDump(content)
    if (expected !== undefined) assert.equal(hex(ingested), expected.hash)
  })

  it('without stripping, the top folder stays', async () => {
    execFileSync('tar', ['-C', folder, '-cf', join(folder, 'two.tar'), 'tree/bin', 'links'])
    const store = memoryStore()
    const { root } = await ingest(entriesOfArchive(createReadStream(join(folder, 'two.tar')), { stripTop: false }), store)
    const paths = [...walkTree(root, await readDirectories([root], store))].map(({ path }) => path)
    assert.deepEqual(paths, ['', 'links', 'links/a', 'links/b', 'tree', 'tree/bin', 'tree/bin/also-run', 'tree/bin/run'])
    await assert.rejects(ingest(entriesOfArchive(createReadStream(join(folder, 'two.tar')), { stripTop: true }), store), /more than one top-level file/)
  })

  it('refuses what leaves the archive, and what is none', async () => {
    execFileSync('tar', ['-C', tree, '-P', '-cf', join(folder, 'up.tar'), '--transform=s,^,../,', 'empty'])
    await assert.rejects(ingest(entriesOfArchive(createReadStream(join(folder, 'up.tar')), { stripTop: false }), memoryStore()), ofKind('invalid-input'))
    await assert.rejects(ingest(entriesOfArchive(createReadStream(join(tree, 'large')), { stripTop: false }), memoryStore()), ofKind('invalid-input'))
    const broken = (async function* () { yield (await collectBytes(createReadStream(join(folder, 'tree.tar.xz')))).subarray(0, 1000) })()
    await assert.rejects(ingest(entriesOfArchive(broken, { stripTop: true }), memoryStore()), ofKind('corrupt'))
    execFileSync('mkfifo', [join(folder, 'links/pipe')])
    execFileSync('tar', ['-C', folder, '-cf', join(folder, 'pipe.tar'), 'links'])
    await assert.rejects(ingest(entriesOfArchive(createReadStream(join(folder, 'pipe.tar')), { stripTop: true }), memoryStore()), ofKind('invalid-input'))
    await assert.rejects(ingest(entriesOfLocalTree(join(folder, 'links')), memoryStore()), /neither a file, a directory nor a symlink/)
  })
})

describe('ingest: entries', () => {
  const candidate = '0c0lhbkyy2mcz2i2rmcxxqmgkybavc3s'

  it('finds references in contents, in link targets, and across files and parts', async () => {
    const large = largeBytes(900_000)
    large.set(bytes(candidate), 700_000 - 10)
    const others = ['1c0lhbkyy2mcz2i2rmcxxqmgkybavc3s', '2c0lhbkyy2mcz2i2rmcxxqmgkybavc3s', '3c0lhbkyy2mcz2i2rmcxxqmgkybavc3s']
    async function* parts(): AsyncGenerator<Uint8Array> {
      for (let start = 0; start < large.length; start += 100_000) yield large.subarray(start, start + 100_000)
    }
    const { references } = await ingest(entries(
      { kind: 'directory', path: '' },
      { kind: 'file', path: 'a', executable: false, content: parts(), size: large.length },
      { kind: 'symlink', path: 'b', target: `/nix/store/${others[0]}-x` },
      { kind: 'file', path: 'c', executable: false, content: bytes(`..${others[1]}`) },
    ), memoryStore(), { candidates: [candidate, ...others] })
    assert.deepEqual(references, [candidate, others[0], others[1]])
  })

  it('gives one hash whatever the order', async () => {
    const list: Entry[] = [
      { kind: 'directory', path: '' },
      { kind: 'directory', path: 'a' },
      { kind: 'file', path: 'a/1', executable: true, content: bytes('one') },
      { kind: 'file', path: 'a.b', executable: false, content: bytes(candidate) },
      { kind: 'symlink', path: 'c', target: 'a' },
    ]
    const sorted = await ingest(entries(...list), memoryStore(), { candidates: [candidate] })
    const shuffled = await ingest(entries(list[0]!, list[4]!, list[3]!, list[1]!, list[2]!), memoryStore(), { candidates: [candidate] })
    assert.deepEqual({ ...shuffled, figures: 0 }, { ...sorted, figures: 0 })
    assert.deepEqual(shuffled.references, [candidate])
  })

  it('takes files of unknown size', async () => {
    async function* unknown(): AsyncGenerator<Uint8Array> { yield bytes('un'); yield bytes('known') }
    const { root } = await ingest(entries({ kind: 'file', path: '', executable: false, content: unknown() }), memoryStore())
    assert.ok(root.kind === 'file' && root.size === 7)
  })

  it('refuses entries that make no tree', async () => {
    const file = (path: string): Entry => ({ kind: 'file', path, executable: false, content: bytes('x') })
    const directory = (path: string): Entry => ({ kind: 'directory', path })
    const bad: Entry[][] = [
      [], [file('a')], [directory(''), file('a/b')], [directory(''), file('a'), file('a/b')], [directory(''), file('..')],
      [directory(''), { kind: 'link', path: 'a', target: 'b' }], [directory(''), { kind: 'symlink', path: 'a', target: '' }],
      [directory(''), { kind: 'file', path: 'a', executable: false, size: 3, content: bytes('more than three') }],
    ]
    for (const list of bad.slice(0, 7)) await assert.rejects(ingest(entries(...list), memoryStore()), ofKind('invalid-input'), JSON.stringify(list))
  })

  it('filters a local tree', async () => {
    const store = memoryStore()
    const paths = async (options: Parameters<typeof entriesOfLocalTree>[1]) => {
      const { root } = await ingest(entriesOfLocalTree(tree, options), store)
      return [...walkTree(root, await readDirectories([root], store))].map(({ path }) => path)
    }
    assert.deepEqual(await paths({ entries: ['bin', 'bin/run', 'empty'] }), ['', 'bin', 'bin/run', 'empty'])
    assert.deepEqual(await paths({ filter: (path, kind) => kind !== 'regular' && !path.startsWith('deep') }), ['', 'bin', 'bin/also-run', 'dangling', 'empty-folder'])
    await assert.rejects(paths({ filter: () => { throw new Error('from the filter') } }), /from the filter/)
    await assert.rejects(ingest(entriesOfLocalTree(join(tree, 'missing')), store), ofKind('not-found'))
  })

  it('stops when told to, and reports progress', async () => {
    const controller = new AbortController()
    const seen: number[] = []
    await assert.rejects(ingest(entriesOfLocalTree(tree), memoryStore(), {
      signal: controller.signal,
      onProgress: (bytes) => {
        seen.push(bytes)
        if (bytes > 1000) controller.abort(new FirnError('cancelled', 'enough'))
      },
    }), ofKind('cancelled'))
    assert.ok(seen.length > 3 && seen.every((value, index) => index === 0 || value >= seen[index - 1]!))
  })
})
