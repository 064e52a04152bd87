/** Downloads from servers that break connections, stall, lie, redirect and refuse. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { Downloader, immutableLink } from './download.ts'
import { DownloadError, withoutPassword } from './errors.ts'
import { DOWNLOAD_DEFAULTS, type DownloadOptions, type DownloadSettings } from './interface.ts'
import { candidates } from './mirrors.ts'
import { credentialsFor, parseNetrc } from './netrc.ts'
import { startProxy, startServer, type TestServer } from './testing/servers.ts'

const CONTENT = Uint8Array.from({ length: 300_000 }, (_, index) => (index * 31 + (index >> 8)) & 0xff)
const FAST: DownloadSettings = { ...DOWNLOAD_DEFAULTS, pauseSeconds: 0.01, connectSeconds: 2, stallSeconds: 0.3 }

describe('downloads', () => {
  let server: TestServer
  let downloader: Downloader
  const folder = mkdtempSync(join(tmpdir(), 'firn-download-'))
  before(async () => {
    server = await startServer()
    downloader = new Downloader(FAST)
  })
  after(async () => {
    await downloader.close()
    await server.close()
    rmSync(folder, { recursive: true })
  })

  const get = async (url: string, options: DownloadOptions = {}, by = downloader): Promise<Buffer> => {
    const chunks: Uint8Array[] = []
    for await (const chunk of (await by.open(url, options)).content) chunks.push(chunk)
    return Buffer.concat(chunks)
  }
  const fails = async (url: string, message: RegExp, options: DownloadOptions = {}): Promise<DownloadError> => {
    let found: unknown
    await assert.rejects(get(url, options), (error) => {
      found = error
      return error instanceof DownloadError && message.test(error.message)
    })
    return found as DownloadError
  }
  const requestsTo = (path: string): (string | undefined)[] => server.requests.filter((request) => request.path === path).map(({ range }) => range)

  test('whole, with progress', async () => {
    const url = server.file('/plain', { content: CONTENT })
    const seen: { bytes: number; total?: number }[] = []
    assert.deepEqual(await get(url, { onProgress: ({ bytes, total }) => void seen.push({ bytes, ...(total !== undefined && { total }) }) }), Buffer.from(CONTENT))
    assert.deepEqual(seen.at(-1), { bytes: CONTENT.length, total: CONTENT.length })
    assert.equal((await get(server.file('/empty', { content: new Uint8Array() }))).length, 0)
    assert.equal((await downloader.open(server.file('/chunked', { content: CONTENT, chunked: true }))).total, undefined)
  })

  test('a broken connection goes on where it stopped', async () => {
    const url = server.file('/breaks', { content: CONTENT, tag: '"v1"', ranges: true, breaks: 6, breakAfter: 40_000 })
    assert.deepEqual(await get(url), Buffer.from(CONTENT))
    const starts = requestsTo('/breaks').map((range) => Number(/\d+/.exec(range ?? '0')![0]))
    assert.equal(starts.length, 7)
    assert.deepEqual(starts, [...starts].sort((left, right) => left - right))
    assert.ok(starts.at(-1)! >= 200_000, String(starts))
  })

  test('a server without ranges sends it again, and what is known is skipped', async () => {
    const url = server.file('/no-ranges', { content: CONTENT, tag: '"v1"', breaks: 2, breakAfter: 100_000 })
    assert.deepEqual(await get(url), Buffer.from(CONTENT))
    assert.deepEqual(requestsTo('/no-ranges').length, 3)
  })

  test('a transfer that stalls is broken off and goes on', async () => {
    const url = server.file('/stalls', { content: CONTENT, lastModified: 'Mon, 01 Jan 2024 00:00:00 GMT', ranges: true, breaks: 1, breakAfter: 1000, stall: true })
    assert.deepEqual(await get(url), Buffer.from(CONTENT))
    assert.equal(requestsTo('/stalls').length, 2)
  })

  test('a file that changes meanwhile is not mixed', async () => {
    let answers = 0
    const url = server.handle('/changes', (_, response) => {
      const version = answers++
      response.writeHead(200, { etag: `"v${version}"`, 'content-length': 1000 })
      if (version === 0) response.write('x'.repeat(500), () => setTimeout(() => response.socket?.destroy(), 5))
      else response.end('y'.repeat(1000))
    })
    await fails(url, /changed while it was downloaded/)
  })

  test('without a validator it goes on only where a hash will tell', async () => {
    const behaviour = { content: CONTENT, ranges: true, breaks: 1, breakAfter: 1000 }
    await fails(server.file('/unvalidated', behaviour), /nothing to tell whether the file is still the same/)
    assert.deepEqual(await get(server.file('/checked', behaviour), { checked: true }), Buffer.from(CONTENT))
  })

  test('a server that lies about the length', async () => {
    // announces more than it has: there is nothing more to be had, and that is found out
    const url = server.handle('/long', (request, response) => {
      if (request.headers.range !== undefined) return void response.writeHead(416, { 'content-range': 'bytes */4' }).end()
      response.writeHead(200, { etag: '"v"', 'content-length': 10 })
      response.write('four', () => setTimeout(() => response.socket?.destroy(), 5))
    })
    assert.equal((await get(url)).toString(), 'four')
    await fails(server.file('/endless', { content: CONTENT, announced: CONTENT.length * 2, breaks: 100, breakAfter: 0 }), /unable to download/)
  })

  test('errors of the server: tried again where that may help', async () => {
    assert.deepEqual(await get(server.file('/recovers', { content: CONTENT, failures: [500, 503, 429] })), Buffer.from(CONTENT))
    assert.equal(requestsTo('/recovers').length, 4)
    assert.equal((await fails(server.file('/down', { content: CONTENT, failures: [500, 502, 503, 504] }), /HTTP error 504/)).permanent, false)
    const missing = await fails(`${server.url}/missing`, /HTTP error 404/)
    assert.equal(missing.permanent, true)
    assert.equal(requestsTo('/missing').length, 1)
    assert.equal(missing.data['status'], 404)
  })

  test('nobody there', async () => {
    const other = await startServer()
    await other.close()
    const error = await fails(`${other.url}/x`, /ECONNREFUSED/)
    assert.equal(error.kind, 'unavailable')
    await fails('http://no-such-host.invalid/x', /unable to download/)
    await fails('gopher://example.org/x', /can't be downloaded/)
    await fails(pathToFileURL(join(folder, 'none')).href, /no such file/)
  })

  test('redirects, and what they say of an immutable address', async () => {
    const target = server.file('/target', { content: CONTENT })
    const url = server.redirect('/from', '/between', 302, { link: '<https://example.org/other>; rel="next", </fixed.tar.gz?a=1>; rel="immutable"' })
    server.redirect('/between', target, 307)
    const download = await downloader.open(url)
    assert.equal(download.url, target)
    assert.equal(download.immutableUrl, `${server.url}/fixed.tar.gz?a=1`)
    for await (const chunk of download.content) assert.ok(chunk.length > 0)
    server.redirect('/round', '/round')
    await fails(`${server.url}/round`, /redirected more than 10 times/)
    server.redirect('/elsewhere', 'file:///etc/passwd')
    await fails(`${server.url}/elsewhere`, /redirected to 'file:/)
    assert.equal(immutableLink('<x>; rel=alternate', 'http://h/'), undefined)
  })

  test('passwords: of the address, of netrc, never for another server after a redirect, never in messages', async () => {
    const other = await startServer()
    other.file('/secret', { content: CONTENT })
    const seen = (on: TestServer, path: string): string | undefined => on.requests.findLast((request) => request.path === path)?.headers.authorization
    writeFileSync(join(folder, 'netrc'), `machine 127.0.0.1 login me password "my secret"\n`)
    const known = new Downloader({ ...FAST, netrc: join(folder, 'netrc') })
    await get(server.file('/netrc', { content: CONTENT }), {}, known)
    assert.equal(seen(server, '/netrc'), `Basic ${Buffer.from('me:my secret').toString('base64')}`)
    await known.close()

    const withPassword = server.url.replace('://', '://user:p%40ss@')
    server.redirect('/own', `${other.url}/secret`)
    await get(`${withPassword}/own`)
    assert.equal(seen(server, '/own'), `Basic ${Buffer.from('user:p@ss').toString('base64')}`)
    assert.equal(seen(other, '/secret'), undefined)
    const error = await fails(`${withPassword}/missing`, /404/)
    assert.equal(JSON.stringify([error.message, error.data]).includes('p%40ss'), false)
    assert.equal(withoutPassword('https://a:b@c/d@e'), 'https://a:***@c/d@e')
    await other.close()
  })

  test('proxies come from the environment', async () => {
    const proxy = await startProxy()
    const before = { ...process.env }
    process.env['http_proxy'] = proxy.url
    const through = new Downloader(FAST)
    assert.deepEqual(await get(server.file('/proxied', { content: CONTENT }), {}, through), Buffer.from(CONTENT))
    assert.equal(proxy.requests.length, 1)
    await through.close()
    process.env['no_proxy'] = '127.0.0.1'
    const past = new Downloader(FAST)
    await get(server.file('/direct', { content: CONTENT }), {}, past)
    assert.equal(proxy.requests.length, 1)
    await past.close()
    process.env = before
    await proxy.close()
  })

  test('cancelled while it waits or reads', async () => {
    for (const delay of [0, 100]) {
      const url = server.file(`/slow-${delay}`, { content: CONTENT, breaks: 1, breakAfter: 1000, stall: true })
      const controller = new AbortController()
      setTimeout(() => controller.abort(), delay)
      await assert.rejects(get(url, { signal: controller.signal, checked: true }), { name: 'AbortError' })
    }
  })

  test('files of this machine', async () => {
    const path = join(folder, 'a file')
    writeFileSync(path, CONTENT)
    assert.deepEqual(await get(pathToFileURL(path).href), Buffer.from(CONTENT))
  })
})

test('mirrors come before the address, hashed ones before all, for hashes of files only', () => {
  const settings = {
    mirrors: { 'https://ftp.example.org/': ['https://a/ftp/', 'https://b/'], 'https://ftp.example.org/gnu/': ['https://gnu/'] },
    hashedMirrors: ['https://hashed/x'],
  }
  const hash = { algorithm: 'md5' as const, bytes: new Uint8Array(16) }
  assert.deepEqual(candidates(['https://ftp.example.org/gnu/a.tgz', 'https://ftp.example.org/b', 'https://gnu/a.tgz'], settings, hash), [
    `https://hashed/x/md5/${'0'.repeat(32)}`, 'https://gnu/a.tgz', 'https://ftp.example.org/gnu/a.tgz', 'https://a/ftp/b', 'https://b/b', 'https://ftp.example.org/b',
  ])
  assert.deepEqual(candidates(['https://c/d'], settings), ['https://c/d'])
})

test('netrc', () => {
  const netrc = parseNetrc(`
    # comment
    machine a.example.org login alice password s3cret # more
    machine b login bob
      password #hash
    macdef init
    machine not login really

    machine "c" login "has space" password "a\\"b" account x
    default login anonymous password guest
    machine after login x password y
  `)
  assert.deepEqual(credentialsFor(netrc, 'a.example.org'), { login: 'alice', password: 's3cret' })
  assert.deepEqual(credentialsFor(netrc, 'b'), { login: 'bob', password: '#hash' })
  assert.deepEqual(credentialsFor(netrc, 'c'), { login: 'has space', password: 'a"b' })
  assert.deepEqual(credentialsFor(netrc, 'not'), { login: 'anonymous', password: 'guest' })
  assert.equal(credentialsFor(parseNetrc('machine a login b password c'), 'x'), undefined)
})
