import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { before, describe, test } from 'node:test'
import type { Node } from '../../castore/nodes.ts'
import { MemoryBlobIndex } from '../../store/blobs/memory-index.ts'
import { PackedBlobStore } from '../../store/blobs/packed.ts'
import { ingest } from '../../store/ingest/ingest.ts'
import type { Entry } from '../../store/ingest/interface.ts'
import { entriesOfNar } from '../../store/ingest/nar.ts'
import { openObjects } from '../../store/objects/open.ts'
import { renderNar } from '../../store/render-nar.ts'
import { readDirectories } from '../../store/tree.ts'
import type { BlobStore } from '../../store/blobs/interface.ts'
import { narListing } from './listing.ts'
import { narBytes as bytesOfNar } from './nar-body.ts'

/** The NAR and the listing that stock Nix 2.8 wrote for the tree of api/uploads/testdata/top.nix. */
const NAR = readFileSync(new URL('testdata/tree.nar', import.meta.url))
const LISTING = JSON.parse(readFileSync(new URL('testdata/tree.ls', import.meta.url), 'utf8')) as unknown

let blobs: PackedBlobStore
before(async () => { blobs = new PackedBlobStore(await openObjects('memory:'), new MemoryBlobIndex()) })

/** As the routes do: directories first, then content. */
async function* narBytes(root: Node, from: BlobStore, range?: { start: number; end: number }): AsyncGenerator<Uint8Array> {
  yield* bytesOfNar(root, await readDirectories([root], from), from, range)
}

async function listingOf(root: Node) {
  return narListing(root, await readDirectories([root], blobs))
}

async function collect(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for await (const part of source) parts.push(part)
  return Buffer.concat(parts)
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(bytes)
}

/** A tree with what is awkward: nothing, odd sizes, a file of several chunks, names that aren't UTF-8, many small ones. */
async function* awkward(): AsyncGenerator<Entry> {
  yield { kind: 'directory', path: '' }
  yield { kind: 'directory', path: 'a-many' }
  for (let index = 1000; index < 1150; index++) yield await Promise.resolve({ kind: 'file', path: `a-many/${index}`, executable: false, content: Buffer.from('x'.repeat(index % 37)) })
  const large = Buffer.alloc(1_200_003)
  for (let at = 0, value = 1; at < large.length; at++) {
    value = (value * 48271) % 0x7fffffff
    large[at] = value
  }
  yield { kind: 'file', path: 'b-large', executable: true, content: large }
  yield { kind: 'directory', path: 'c-empty' }
  yield { kind: 'symlink', path: 'd-link', target: '../\xff\xfe' }
  yield { kind: 'file', path: 'e-\xe9', executable: false, content: new Uint8Array(0) }
}

describe('a NAR out of castore', () => {
  let root: Node
  let whole: Buffer
  before(async () => {
    root = (await ingest(awkward(), blobs)).root
    whole = await collect(renderNar(root, blobs))
  })

  test('is byte for byte what the archive writer writes, and what stock Nix wrote', async () => {
    assert.ok((await collect(narBytes(root, blobs))).equals(whole))
    const stock = await ingest(entriesOfNar(once(NAR)), blobs)
    assert.ok((await collect(narBytes(stock.root, blobs))).equals(NAR))
  })

  test('begins and ends anywhere', async () => {
    const size = whole.length
    const places = [0, 1, 96, 97, 1000, 30_000, 200_000, 1_000_001, size - 500, size - 1, size]
    for (const start of places) {
      for (const end of places) {
        if (start < end) assert.ok((await collect(narBytes(root, blobs, { start, end }))).equals(whole.subarray(start, end)), `${start}-${end}`)
      }
    }
  })

  test('a single file and a symlink are roots too', async () => {
    for (const entry of [{ kind: 'file', path: '', executable: false, content: Buffer.from('alone') }, { kind: 'symlink', path: '', target: 'somewhere' }] satisfies Entry[]) {
      const { root: alone, narSize } = await ingest((async function* () { yield await Promise.resolve(entry) })(), blobs)
      const nar = await collect(narBytes(alone, blobs))
      assert.ok(nar.equals(await collect(renderNar(alone, blobs))))
      assert.equal(nar.length, narSize)
    }
  })

  test('has a listing whose offsets are where the contents are; stock Nix lists the same', async () => {
    const stock = await ingest(entriesOfNar(once(NAR)), blobs)
    assert.deepEqual(JSON.parse(JSON.stringify(await listingOf(stock.root))), LISTING)
    const { root: listed } = await listingOf(root) as unknown as { root: { entries: Record<string, { narOffset: number; size: number; entries: Record<string, { narOffset: number; size: number }> }> } }
    const many = listed.entries['a-many']!.entries['1017']!
    assert.equal(whole.subarray(many.narOffset, many.narOffset + many.size).toString(), 'x'.repeat(1017 % 37))
  })

  test('a reader that stops midway lets the blobs go', async () => {
    let open = 0
    const counting = new Proxy(blobs, {
      get: (target, name) => {
        if (name !== 'openMany') return (Reflect.get(target, name) as (...given: unknown[]) => unknown).bind(target)
        return async function* (digests: Parameters<PackedBlobStore['openMany']>[0]) {
          open++
          try {
            yield* target.openMany(digests)
          } finally {
            open--
          }
        }
      },
    })
    for await (const chunk of narBytes(root, counting)) {
      assert.ok(chunk.length > 0 && open === 1)
      break
    }
    assert.equal(open, 0)
  })
})
