import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { pack } from 'tar-stream'
import type { ApiPathInfo, DirectoryListing, Problem } from '../../contract/api.ts'
import { writeNar } from '../../nix/nar-writer.ts'
import { startTestApi, stopTemporal, type TestApi } from '../testing/api.ts'

/** Written by `nix-store --export` of Nix 2.8 for the closure of testdata/top.nix. */
const EXPORT = readFileSync(new URL('../uploads/testdata/top.export', import.meta.url))
const TOP = '7xn7ppr5d532lab1s6pifq3bpd1iq31h-top.drv'
const TREE = 'fz1w2d34cy165d1f3vbq20q4032x2bha-tree'

let farm: TestApi
before(async () => { farm = await startTestApi({ settings: { api: { uploadBytes: 1_000_000 } } }) })
after(async () => {
  await farm.close()
  await stopTemporal()
})

async function upload(method: 'PUT' | 'POST', path: string, type: string, body: Uint8Array, headers: Record<string, string> = {}): Promise<{ status: number; body: unknown }> {
  const response = await fetch(farm.api.url + path, { method, headers: { 'content-type': type, ...headers }, body: new Uint8Array(body) })
  return { status: response.status, body: await response.json() }
}

async function narOf(content: Uint8Array): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  const once = (async function* () { yield await Promise.resolve(content) })()
  for await (const part of writeNar([{ kind: 'file', path: '', executable: false, size: content.length, content: once }])) parts.push(part)
  return Buffer.concat(parts)
}

test('an export of stock Nix is taken: paths follow from their content, outputs from the derivations', async () => {
  const { status, body } = await upload('POST', '/api/v1/derivations', 'application/x-nix-export', EXPORT)
  const uploaded = body as { derivations: string[]; sources: string[]; alreadyValid: number }
  assert.equal(status, 201, JSON.stringify(body))
  assert.deepEqual([uploaded.derivations.length, uploaded.sources.length, uploaded.alreadyValid], [3, 2, 0])
  assert.ok(uploaded.derivations.includes(`/nix/store/${TOP}`))
  const info = (await farm.get(`/api/v1/store/${TOP}`)).body as ApiPathInfo
  assert.match(info.contentAddress!, /^text:sha256:/)
  assert.equal(info.references.length, 4)
  const again = await upload('POST', '/api/v1/derivations', 'application/x-nix-export', zstdCompressSync(EXPORT), { 'content-encoding': 'zstd' })
  assert.equal((again.body as { alreadyValid: number }).alreadyValid, 5)
  const submitted = await farm.send('POST', '/api/v1/evaluations', { source: { kind: 'derivations', drvPaths: [`/nix/store/${TOP}`] } })
  assert.equal(submitted.status, 201)
})

test('the store can be looked into', async () => {
  const listing = (await farm.get(`/api/v1/store/${TREE}/ls?recursive=true`)).body as DirectoryListing
  assert.deepEqual(listing.entries.map(({ name, type }) => `${type} ${name}`), ['regular a', 'directory sub', 'symlink sub/link', 'regular sub/run'])
  assert.deepEqual(((await farm.get(`/api/v1/store/${TREE}/ls?subpath=sub`)).body as DirectoryListing).entries.map(({ name }) => name), ['link', 'run'])
  assert.equal((await farm.get(`/api/v1/store/${TREE}/cat?subpath=sub/run`)).body, '#!/bin/sh\n')
  const part = await farm.get(`/api/v1/store/${TREE}/cat?subpath=sub/run`, { range: 'bytes=2-5' })
  assert.deepEqual([part.status, part.body], [206, '/bin'])
  assert.equal((await farm.get(`/api/v1/store/${TREE}/cat?subpath=sub`)).status, 409)
  assert.equal((await farm.get(`/api/v1/store/${TREE}/cat?subpath=sub/link/x`)).status, 409)
  assert.equal((await farm.get(`/api/v1/store/${TREE}/cat?subpath=sub/none`)).status, 404)
  assert.equal((await farm.get(`/api/v1/store/${TREE}-other`)).status, 404)
  const closure = (await farm.get(`/api/v1/store/${TOP}/closure`)).body as { paths: unknown[]; narBytes: number }
  assert.equal(closure.paths.length, 5)
  const absent = '/nix/store/00000000000000000000000000000000-absent'
  assert.deepEqual((await farm.send('POST', '/api/v1/missing-paths', { paths: [`/nix/store/${TREE}`, absent] })).body, { paths: [absent] })
})

test('a derivation that claims another output, a path with other content, a missing input: all refused, nothing kept', async () => {
  const forge = async (from: string, to: string): Promise<Problem & { status: number }> => {
    assert.equal(from.length, to.length)
    const forged = Buffer.from(EXPORT.toString('latin1').replaceAll(from, to), 'latin1')
    const { status, body } = await upload('POST', '/api/v1/derivations', 'application/x-nix-export', forged)
    return { ...body as Problem, status }
  }
  // the text of a .drv decides its path
  const text = await forge('cat /nix/store', 'rat /nix/store')
  assert.equal(text.status, 422)
  assert.match(text.detail, /does not follow from its content/)
  const path = await forge(TREE, TREE.replace('-tree', '-trie'))
  assert.equal(path.status, 422)
  const { status, body } = await upload('POST', '/api/v1/derivations', 'application/x-nix-export', EXPORT.subarray(0, 900))
  assert.ok(status === 400 || status === 422, JSON.stringify(body))
  assert.equal((await upload('POST', '/api/v1/derivations', 'application/x-nix-export', Buffer.from('no export'))).status, 422)
})

test('a tree is taken as a tar stream, compressed or not, and as a NAR; the path is the one that Nix gives', async () => {
  const archive = pack()
  archive.entry({ name: './', type: 'directory' })
  archive.entry({ name: './a' }, 'a\n')
  archive.entry({ name: './sub/', type: 'directory' })
  archive.entry({ name: './sub/run', mode: 0o755 }, '#!/bin/sh\n')
  archive.entry({ name: './sub/link', type: 'symlink', linkname: '../a' })
  archive.finalize()
  const parts: Buffer[] = []
  for await (const part of archive as AsyncIterable<Buffer>) parts.push(part)
  const tar = Buffer.concat(parts)
  for (const [body, headers] of [[tar, {}], [gzipSync(tar), { 'content-encoding': 'gzip' }], [zstdCompressSync(tar), { 'content-encoding': 'zstd' }]] as const) {
    const { status, body: answer } = await upload('PUT', '/api/v1/sources?name=tree', 'application/x-tar', body, headers)
    assert.equal(status, 201, JSON.stringify(answer))
    assert.equal((answer as { storePath: string }).storePath, `/nix/store/${TREE}`)
  }
})

test('what is too large, broken or of another kind is refused', async () => {
  const put = (type: string, body: Uint8Array, headers: Record<string, string> = {}) => upload('PUT', '/api/v1/sources', type, body, headers)
  assert.equal((await put('application/x-tar', Buffer.alloc(2_000_000))).status, 413)
  // small on the wire, large once it is decompressed
  assert.equal((await put('application/x-nix-nar', zstdCompressSync(await narOf(Buffer.alloc(20_000_000))), { 'content-encoding': 'zstd' })).status, 413)
  assert.equal((await put('application/zip', Buffer.from('PK'))).status, 415)
  assert.equal((await put('application/x-tar', Buffer.from('x'), { 'content-encoding': 'br' })).status, 415)
  assert.equal((await put('application/x-tar', Buffer.from('not zstd'), { 'content-encoding': 'zstd' })).status, 400)
  assert.ok([400, 422].includes((await put('application/x-tar', Buffer.from('neither a tarball'))).status))
  assert.ok([400, 422].includes((await put('application/x-nix-nar', Buffer.from('nor a NAR'))).status))
  assert.equal((await upload('PUT', '/api/v1/sources?name=.hidden/x', 'application/x-tar', Buffer.from('x'))).status, 400)
})
