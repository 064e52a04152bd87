import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import { request } from 'node:http'
import { buildPages, PAGES } from '../infra/setup/pages.ts'
import { startTestApi, stopTemporal, type TestApi } from './testing/api.ts'

interface Answer { readonly status: number; readonly headers: Readonly<Record<string, string | undefined>>; readonly body: Buffer }

describe('web pages', () => {
  let farm: TestApi
  before(async () => {
    await buildPages()
    farm = await startTestApi({ pages: PAGES })
  })
  after(async () => {
    await farm.close()
    await stopTemporal()
  })

  /** Without what fetch adds and undoes. */
  const get = async (path: string, headers: Record<string, string> = {}): Promise<Answer> => new Promise((resolve, reject) => {
    request(farm.api.url + path, { headers }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers as Record<string, string>, body: Buffer.concat(chunks) }))
    }).on('error', reject).end()
  })

  it('are what browsers get, and nobody else', async () => {
    const browser = await get('/', { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' })
    assert.deepEqual([browser.status, browser.headers['location']], [302, '/ui/'])
    // who asks for JSON there is a client of Hydra's, and gets its list of projects
    const asking: Record<string, string>[] = [{ accept: 'application/json' }, {}]
    for (const headers of asking) {
      const client = await get('/', headers)
      assert.deepEqual([client.status, JSON.parse(client.body.toString())], [200, []])
    }
    assert.equal((await get('/healthz', { accept: 'text/html' })).headers['content-type'], 'application/json; charset=utf-8')
    assert.equal((await get('/nix-cache-info', { accept: 'text/html' })).headers['content-type'], 'text/x-nix-cache-info; charset=utf-8')
    assert.equal((await get('/api/v1/nothing', { accept: 'text/html' })).status, 404)
  })

  it('give the dashboard under all of its addresses, revalidated each time', async () => {
    const page = await get('/ui/evaluations/7?state=failed')
    assert.equal(page.status, 200)
    assert.match(page.body.toString(), /<base href="\/ui\/">/)
    assert.equal(page.headers['cache-control'], 'no-cache')
    assert.equal((await get('/ui/', { 'if-none-match': page.headers['etag']! })).status, 304)
  })

  it('keep scripts for ever, compressed beforehand', async () => {
    const script = /src="\.\/(assets\/[^"]+\.js)"/.exec((await get('/ui/')).body.toString())![1]!
    const plain = await get(`/ui/${script}`)
    assert.match(plain.headers['cache-control']!, /immutable/)
    assert.equal(plain.headers['content-type'], 'text/javascript; charset=utf-8')
    const brotli = await get(`/ui/${script}`, { 'accept-encoding': 'gzip, deflate, br' })
    assert.deepEqual([brotli.headers['content-encoding'], brotli.headers['vary']], ['br', 'Accept-Encoding'])
    assert.deepEqual(brotliDecompressSync(brotli.body), plain.body)
    const gzip = await get(`/ui/${script}`, { 'accept-encoding': 'gzip' })
    assert.equal(gzip.headers['content-encoding'], 'gzip')
    assert.deepEqual(gunzipSync(gzip.body), plain.body)
    assert.equal((await get('/ui/assets/gone.js')).status, 404)
    assert.equal((await get('/ui/assets/../../package.json')).status, 404)
  })

  it('may load and reach nothing but this farm; the playground not even that', async () => {
    const policy = (await get('/ui/')).headers['content-security-policy']!
    assert.match(policy, /default-src 'none'; script-src 'self';/)
    assert.match(policy, /connect-src 'self'/)
    assert.doesNotMatch(policy, /script-src[^;]*(unsafe|\*)/)
    const playground = await get('/ui/playground/')
    assert.equal(playground.status, 200)
    assert.match(playground.headers['content-security-policy']!, /connect-src 'none'/)
    assert.equal((await get('/ui/playground')).headers['location'], '/ui/playground/')
    assert.equal((await get('/ui/playground/other')).status, 404)
  })

  it('say what to do where they are not built', async () => {
    const bare = await startTestApi({ motion: farm.dependencies.motion })
    try {
      const { status, body } = await bare.get('/ui/')
      assert.equal(status, 404)
      assert.match((body as { detail: string }).detail, /not built: run infra\/setup\/run\.sh setup/)
    } finally {
      await bare.close()
    }
  })
})
