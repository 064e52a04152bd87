import assert from 'node:assert/strict'
import { readFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, describe, it } from 'node:test'
import { pathToFileURL } from 'node:url'

import { FirnError } from '../../contract/errors.ts'
import { StorePath } from '../../nix/store-path.ts'
import { testDatabase } from '../../test/support/database.ts'
import { openDatabase } from '../database.ts'
import { ingest } from '../ingest/ingest.ts'
import { entriesOfLocalTree } from '../ingest/local-tree.ts'
import { memoryStore } from '../testing/memory-store.ts'
import { hasNix, makeNixCache, serveCache } from '../testing/nix-cache.ts'
import { makeTree } from '../testing/trees.ts'
import { openSubstituters, type OpenSubstitutersOptions } from './open.ts'

const ofKind = (kind: string) => (error: unknown) => error instanceof FirnError && error.kind === kind

describe('substituters: from caches that stock Nix wrote', { skip: hasNix() ? false : 'stock Nix is not installed' }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'firn-substituters-'))
  after(() => rm(folder, { recursive: true, force: true }))
  const tree = join(folder, 'base-tree')
  await makeTree(tree)
  const expected = await ingest(entriesOfLocalTree(tree), memoryStore().blobs)
  const cache = await makeNixCache(tree, 'xz')
  after(() => cache.remove())
  const server = await serveCache(cache.folder)
  after(() => server.close())
  afterEach(() => {
    server.intercept = undefined
    server.requests.length = 0
  })
  const unknown = new StorePath('0c0lhbkyy2mcz2i2rmcxxqmgkybavc3s', 'unknown')

  function open(more: Partial<OpenSubstitutersOptions> = {}) {
    const store = memoryStore()
    const warnings: string[] = []
    const substituters = openSubstituters({
      substituters: [{ url: server.url }], trustedPublicKeys: [cache.publicKey], timeoutSeconds: 2, pauseSeconds: 60, ...store, onWarning: (message) => warnings.push(message), ...more,
    })
    after(() => substituters.close())
    return { ...store, substituters, warnings }
  }

  it('takes a path with all it refers to, checked, over HTTP and from a folder', async () => {
    for (const url of [server.url, `${server.url}/`, pathToFileURL(cache.folder).href]) {
      const { substituters, pathInfos } = open({ substituters: [{ url }] })
      const progress: number[] = []
      const [info] = await substituters.substitute([cache.top], { onProgress: ({ bytes, total }) => { if (total !== undefined) progress.push(bytes / total) } })
      assert.equal(info?.storePath.baseName, cache.top.baseName)
      assert.deepEqual(info?.references.map(({ baseName }) => baseName), [cache.base.baseName])
      assert.equal(info?.ultimate, false)
      const base = (await pathInfos.get([cache.base.hash])).get(cache.base.hash)
      assert.deepEqual(base?.root, expected.root)
      assert.deepEqual(base?.narHash, expected.narHash)
      assert.equal(progress.at(-1), 1)
    }
  })

  for (const compression of ['none', 'zstd', 'gzip', 'bzip2']) {
    it(`reads NARs in ${compression}`, async () => {
      const other = await makeNixCache(join(tree, 'deep'), compression)
      try {
        const { substituters } = open({ substituters: [{ url: pathToFileURL(other.folder).href }], trustedPublicKeys: [other.publicKey] })
        const [info] = await substituters.substitute([other.base])
        assert.deepEqual(info?.root, (await ingest(entriesOfLocalTree(join(tree, 'deep')), memoryStore().blobs)).root)
        await substituters.close()
      } finally {
        await other.remove()
      }
    })
  }

  it('says what can be had with everything it refers to, and at what cost', async () => {
    const { substituters } = open()
    const costs = await substituters.substitutable([cache.top, cache.base, unknown])
    assert.deepEqual([...costs.keys()].sort(), [cache.base.baseName, cache.top.baseName].sort())
    assert.equal(costs.get(cache.top.baseName)?.paths, 2)
    assert.equal(costs.get(cache.base.baseName)?.narSize, expected.narSize)
    await substituters.substitute([cache.base])
    assert.equal((await substituters.substitutable([cache.top])).get(cache.top.baseName)?.paths, 1)
    await assert.rejects(substituters.substitute([unknown]), ofKind('not-found'))
  })

  it('a path whose reference no cache has cannot be had', async () => {
    server.intercept = (request, response) => {
      if (!request.url!.includes(cache.base.hash)) return false
      response.writeHead(404).end()
      return true
    }
    const { substituters, pathInfos } = open()
    assert.equal((await substituters.lookup([cache.top])).size, 1)
    assert.equal((await substituters.substitutable([cache.top])).size, 0)
    await assert.rejects(substituters.substitute([cache.top]), ofKind('not-found'))
    assert.equal((await pathInfos.count()).paths, 0)
  })

  it('takes nothing that no trusted key signed', async () => {
    const { substituters, warnings } = open({ trustedPublicKeys: [] })
    // `base` is content-addressed by its NAR, so its path is its proof; `top` is a text and needs a signature.
    assert.deepEqual([...(await substituters.lookup([cache.top, cache.base])).keys()], [cache.base.baseName])
    assert.match(warnings.join('\n'), /no trusted key signed it/)
  })

  it('refuses a narinfo that was changed behind its signature', async () => {
    server.intercept = (request, response) => {
      if (!request.url!.includes(cache.top.hash)) return false
      void readFile(join(cache.folder, `${cache.top.hash}.narinfo`), 'utf8').then((text) => response.end(text.replace(/NarSize: \d+/, 'NarSize: 77')))
      return true
    }
    assert.equal((await open().substituters.lookup([cache.top])).size, 0)
  })

  it('refuses a NAR that is not what its narinfo says, and takes it from the next cache', async () => {
    const serveWrong = () => {
      server.intercept = (request, response) => {
        if (!request.url!.startsWith('/nar/')) return false
        response.end('no NAR at all')
        return true
      }
    }
    serveWrong()
    const { substituters, pathInfos } = open()
    await assert.rejects(substituters.substitute([cache.base]))
    assert.equal((await pathInfos.count()).paths, 0)
    serveWrong()
    const two = open({ substituters: [{ url: server.url, priority: 1 }, { url: pathToFileURL(cache.folder).href, priority: 2 }] })
    const [info] = await two.substituters.substitute([cache.base])
    assert.deepEqual(info?.root, expected.root)
    assert.match(two.warnings.join('\n'), /failed/)
  })

  it('refuses the right NAR of another path', async () => {
    const swapped = await mkdtemp(join(folder, 'swapped-'))
    const text = await readFile(join(cache.folder, `${cache.base.hash}.narinfo`), 'utf8')
    const other = await readFile(join(cache.folder, `${cache.top.hash}.narinfo`), 'utf8')
    const url = /URL: (.*)/.exec(other)![1]!
    await writeFile(join(swapped, `${cache.base.hash}.narinfo`), text.replace(/URL: .*/, `URL: ${pathToFileURL(join(cache.folder, url)).href}`))
    await writeFile(join(swapped, 'nix-cache-info'), 'StoreDir: /nix/store\n')
    const { substituters } = open({ substituters: [{ url: pathToFileURL(swapped).href }] })
    await assert.rejects(substituters.substitute([cache.base]), ofKind('hash-mismatch'))
  })

  it('passes over a cache that fails, and goes back to it after a while', async () => {
    let failing = true
    server.intercept = (_request, response) => {
      if (failing) response.writeHead(502).end()
      return failing
    }
    const { substituters, warnings } = open({ substituters: [{ url: server.url }, { url: pathToFileURL(cache.folder).href }], pauseSeconds: 0.5 })
    const many = Array.from({ length: 20 }, (_, index) => new StorePath(`0c0lhbkyy2mcz2i2rmcxxqmgkybavc${String(index + 10)}`, 'unknown'))
    assert.equal((await substituters.lookup([cache.top, ...many])).get(cache.top.baseName)?.cache, pathToFileURL(cache.folder).href)
    await substituters.lookup([unknown])
    await substituters.lookup(many)
    assert.match(warnings.join('\n'), /passed over/)
    const asked = server.requests.length
    await substituters.lookup(many)
    assert.equal(server.requests.length, asked)
    failing = false
    await new Promise((resolve) => setTimeout(resolve, 600))
    await substituters.lookup(many)
    assert.ok(server.requests.length > asked)
  })

  it('does not wait long for a cache that is silent or not there', async () => {
    server.intercept = () => true
    const { substituters } = open({ substituters: [{ url: server.url }, { url: 'http://127.0.0.1:1' }, { url: pathToFileURL(cache.folder).href }], timeoutSeconds: 1 })
    const begun = performance.now()
    assert.equal((await substituters.lookup([cache.top])).size, 1)
    assert.ok(performance.now() - begun < 5000)
  })

  it('a connection that breaks in a NAR fails as unavailable, and what was begun is not visible', async () => {
    server.intercept = (request, response) => {
      if (!request.url!.startsWith('/nar/')) return false
      void readFile(join(cache.folder, request.url!)).then((bytes) => {
        response.writeHead(200, { 'content-length': bytes.length })
        response.write(bytes.subarray(0, bytes.length / 2), () => response.destroy())
      })
      return true
    }
    const { substituters, pathInfos } = open()
    await assert.rejects(substituters.substitute([cache.base]), ofKind('unavailable'))
    assert.equal((await pathInfos.count()).paths, 0)
    server.intercept = undefined
    assert.equal((await substituters.substitute([cache.base])).length, 1)
  })

  it('asks for hundreds at once, and remembers in Postgres what is not there', async () => {
    const database = openDatabase((await testDatabase()).url, 4)
    const paths = Array.from({ length: 500 }, (_, index) => new StorePath(`0c0lhbkyy2mcz2i2rmcxxqmgkyb${String(10_000 + index)}`, 'unknown'))
    const first = open({ database })
    await first.substituters.lookup([...paths, cache.top])
    assert.ok(server.requests.length >= 501)
    server.requests.length = 0
    const second = open({ database })
    assert.equal((await second.substituters.lookup([...paths, cache.top])).size, 1)
    assert.ok(server.requests.length <= 3, `${server.requests.length} requests`)
    const forgetful = open({ database, negativeSeconds: 0 })
    await database.updateTable('substituter_miss').set({ expires_at: new Date(0) }).execute()
    server.requests.length = 0
    await forgetful.substituters.lookup(paths)
    assert.ok(server.requests.length >= 500)
    await database.destroy()
  })

  it('shares downloads of those who ask at once', async () => {
    const { substituters } = open()
    await Promise.all(Array.from({ length: 5 }, () => substituters.substitute([cache.top])))
    assert.equal(server.requests.filter((path) => path.startsWith('/nar/')).length, 2)
  })

  it('one who gives up does not take the download away from another', async () => {
    const { substituters } = open()
    const controller = new AbortController()
    const [one, two] = await Promise.allSettled([
      substituters.substitute([cache.top], { signal: controller.signal, onProgress: () => controller.abort(new FirnError('cancelled', 'gave up')) }),
      substituters.substitute([cache.top]),
    ])
    assert.equal(one.status, 'rejected')
    assert.equal(two.status, 'fulfilled')
  })
})
