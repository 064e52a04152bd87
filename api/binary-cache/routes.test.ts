import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { zstdDecompressSync } from 'node:zlib'
import { fetch as undiciFetch, request } from 'undici'
import { parseNarInfo, fingerprint } from '../../nix/narinfo.ts'
import { writeNar } from '../../nix/nar-writer.ts'
import { parsePublicKey, verify } from '../../nix/signature.ts'
import { startTestApi, stopTemporal, type TestApi } from '../testing/api.ts'
import { addLogChunk } from '../../state/logs.ts'
import { addAttempt, addNode } from '../testing/farm-rows.ts'

/** Written by stock Nix 2.8. */
const testdata = (name: string): Buffer => readFileSync(new URL(`testdata/${name}`, import.meta.url))
const NAR = testdata('tree.nar')
const HASH = 'fz1w2d34cy165d1f3vbq20q4032x2bha'

let farm: TestApi
before(async () => {
  farm = await startTestApi()
  const uploaded = await fetch(`${farm.api.url}/api/v1/sources?name=tree`, { method: 'PUT', headers: { 'content-type': 'application/x-nix-nar' }, body: new Uint8Array(NAR) })
  assert.equal(uploaded.status, 201)
  assert.equal((await uploaded.json() as { storePath: string }).storePath, `/nix/store/${HASH}-tree`)
})
after(async () => {
  await farm.close()
  await stopTemporal()
})

async function get(path: string, headers: Record<string, string> = {}, method: 'GET' | 'HEAD' = 'GET') {
  const response = await request(farm.api.url + path, { method, headers })
  return { status: response.statusCode, headers: response.headers as Record<string, string | undefined>, body: Buffer.from(await response.body.arrayBuffer()) }
}

test('nix-cache-info says whose store it is', async () => {
  const { body, headers } = await get('/nix-cache-info')
  assert.equal(body.toString(), 'StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 40\n')
  assert.equal(headers['content-type'], 'text/x-nix-cache-info; charset=utf-8')
})

test('a narinfo says what stock Nix says, signed with the farm\'s key', async () => {
  const { body, status } = await get(`/${HASH}.narinfo`)
  assert.equal(status, 200)
  const info = parseNarInfo(body.toString())
  const stock = parseNarInfo(testdata('tree.narinfo').toString())
  assert.deepEqual({ ...info, url: '', signatures: [] }, { ...stock, url: '', signatures: [] })
  const key = parsePublicKey(farm.dependencies.store.publicKey!)
  assert.ok(verify([key], fingerprint(info), info.signatures), 'the signature is right')
  assert.equal(((await farm.get('/api/v1/status')).body as { publicKey: string }).publicKey, farm.dependencies.store.publicKey)
  assert.ok(readFileSync(farm.dependencies.settings.cache.keyFile, 'utf8').length > 80, 'the key is kept')
})

test('HEAD answers as GET does, without a body; what is not here is 404', async () => {
  const head = await get(`/${HASH}.narinfo`, {}, 'HEAD')
  assert.deepEqual([head.status, head.body.length], [200, 0])
  const nar = await get(`/${parseNarInfo((await get(`/${HASH}.narinfo`)).body.toString()).url}`, {}, 'HEAD')
  assert.deepEqual([nar.status, nar.headers['content-length'], nar.body.length], [200, String(NAR.length), 0])
  assert.equal((await get('/00000000000000000000000000000000.narinfo')).status, 404)
  assert.equal((await get('/00000000000000000000000000000000.narinfo', {}, 'HEAD')).status, 404)
  assert.equal((await get(`/nar/${HASH}-${'0'.repeat(52)}.nar`)).status, 404)
  assert.equal((await get('/realisations/sha256:00!out.doi')).status, 404)
})

test('a NAR is plain for who says nothing, compressed for who takes zstd, and never changes', async () => {
  const { url } = parseNarInfo((await get(`/${HASH}.narinfo`)).body.toString())
  const plain = await get(`/${url}`)
  assert.ok(plain.body.equals(NAR))
  assert.deepEqual([plain.headers['content-encoding'], plain.headers['content-length'], plain.headers['accept-ranges']], [undefined, String(NAR.length), 'bytes'])
  assert.match(plain.headers['cache-control']!, /immutable/)
  // what Nix 2.26 sends
  const compressed = await get(`/${url}`, { 'accept-encoding': 'zstd, br, gzip, deflate, bzip2, xz' })
  assert.deepEqual([compressed.headers['content-encoding'], compressed.headers['vary'], compressed.headers['accept-ranges']], ['zstd', 'Accept-Encoding', undefined])
  assert.ok(zstdDecompressSync(compressed.body).equals(NAR))
  assert.notEqual(compressed.headers['etag'], plain.headers['etag'])
  const refused = await get(`/${url}`, { 'accept-encoding': 'gzip, zstd;q=0' })
  assert.equal(refused.headers['content-encoding'], undefined)
  const asFile = await get(`/${url}.zst`)
  assert.ok(zstdDecompressSync(asFile.body).equals(NAR))
  assert.equal((await get(`/${url}`, { 'if-none-match': plain.headers['etag']! })).status, 304)
})

test('a download is resumed where it broke off, whatever encodings the client takes', async () => {
  const { url } = parseNarInfo((await get(`/${HASH}.narinfo`)).body.toString())
  const rest = await get(`/${url}`, { 'range': 'bytes=500-', 'accept-encoding': 'zstd' })
  assert.deepEqual([rest.status, rest.headers['content-encoding'], rest.headers['content-range']], [206, undefined, `bytes 500-${NAR.length - 1}/${NAR.length}`])
  assert.ok(rest.body.equals(NAR.subarray(500)))
  assert.equal((await get(`/${url}`, { range: `bytes=${NAR.length}-` })).status, 416)
  const changed = await get(`/${url}`, { 'range': 'bytes=500-', 'if-range': '"another"' })
  assert.deepEqual([changed.status, changed.body.length], [200, NAR.length])
})

test('the listing, the log of a derivation', async () => {
  assert.deepEqual(JSON.parse((await get(`/${HASH}.ls`)).body.toString()), JSON.parse(testdata('tree.ls').toString()))
  const db = farm.dependencies.database.db
  const node = await addNode(db, { name: 'logged', state: 'succeeded' })
  const attempt = await addAttempt(db, node.id, { ended: true })
  await addLogChunk(db, attempt, 0, 0, Buffer.from('it was built\n'))
  const log = await get(`/log/${node.drvPath.slice('/nix/store/'.length)}`)
  assert.deepEqual([log.status, log.body.toString()], [200, 'it was built\n'])
  assert.equal((await get('/log/00000000000000000000000000000000-x.drv')).status, 404)
  assert.equal((await get('/log/..%2f..%2fetc%2fpasswd')).status, 404)
})

test('downloads that are broken off leave nothing running', async () => {
  const large = Buffer.alloc(40_000_000, 'firn and névé ')
  const content = (async function* () { yield await Promise.resolve(large) })()
  const nar = writeNar([{ kind: 'file', path: '', executable: false, size: large.length, content }])
  const uploaded = await (await undiciFetch(`${farm.api.url}/api/v1/sources?name=large`, { method: 'PUT', headers: { 'content-type': 'application/x-nix-nar' }, body: nar, duplex: 'half' })).json() as { storePath: string }
  const { url } = parseNarInfo((await get(`/${uploaded.storePath.slice(11, 43)}.narinfo`)).body.toString())
  for (const encoding of ['identity', 'zstd']) {
    const broken = await Promise.all(Array.from({ length: 8 }, async () => {
      const gone = new AbortController()
      const response = await request(`${farm.api.url}/${url}`, { signal: gone.signal, headers: { 'accept-encoding': encoding } })
      for await (const _chunk of response.body) break
      gone.abort()
      return response.statusCode
    }))
    assert.ok(broken.every((status) => status === 200))
  }
  const { metrics } = farm.dependencies
  for (let tries = 0; tries < 100; tries++) {
    const open = (await metrics.http.open.get()).values.reduce((sum, { value }) => sum + value, 0)
    if (open === 0) break
    await new Promise((resolve) => { setTimeout(resolve, 50) })
  }
  assert.equal((await metrics.http.open.get()).values.reduce((sum, { value }) => sum + value, 0), 0, 'no answer is still being written')
  assert.ok((await metrics.cache.aborted.get()).values[0]!.value >= 8)
  assert.ok((await get(`/${url}`)).body.length > 40_000_000, 'others are served')
})
