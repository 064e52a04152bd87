/**
 * From an expression to a running program by way of the farm: built there, copied by stock Nix into a fresh store with nothing but the
 * farm's address and key, and the same as what stock Nix builds itself. What the cache answers to each request, and uploads, are
 * test/conformance/binary-cache.test.ts's matter.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { programOnPath } from '../../builder/container/runtime.ts'
import { formatKey, generateKeyPair } from '../../nix/signature.ts'
import { type RunningFirn, startFirn } from '../support/firn.ts'
import { StockNix } from '../support/stock-nix.ts'

const file = fileURLToPath(new URL('testdata/closure.nix', import.meta.url))
const shell = ['--argstr', 'shell', programOnPath('busybox')!]

let farm: RunningFirn
let client: StockNix
let builder: StockNix
let program: string
before(async () => {
  ;[farm, client, builder] = await Promise.all([startFirn(), StockNix.open(), StockNix.open()])
  const { code, stdout, stderr } = await farm.run('build', file, ...shell)
  assert.equal(code, 0, stderr)
  program = stdout.trim()
  assert.match(program, /^\/nix\/store\/[0-9a-z]{32}-program$/)
})
after(async () => { await Promise.all([farm.stop(), client.close(), builder.close()]) })

const copy = (publicKey: string): ReturnType<StockNix['run']> => client.run('nix', 'copy', '--from', farm.url, '--option', 'trusted-public-keys', publicKey, program)

test('a client that trusts another key takes nothing', async () => {
  const { code, stderr } = await copy(formatKey(generateKeyPair('firn-1').publicKey))
  assert.notEqual(code, 0)
  assert.match(stderr, /lacks a (valid )?signature|signature by a trusted key/)
  assert.equal(existsSync(client.localPath(program)), false)
})

test('a closure is copied with the farm\'s key, and is bit for bit what stock Nix builds', async () => {
  const key = await farm.run('key', 'show')
  const { code, stderr } = await copy(key.stdout.trim())
  assert.equal(code, 0, stderr)
  await client.must('nix-store', '--verify', '--check-contents')
  const copied = await client.pathInfo([program], { recursive: true })
  assert.deepEqual([...copied.keys()].map((path) => path.slice(44)).sort(), ['greeting', 'program'])

  assert.deepEqual(await builder.build(file, ...shell), [program])
  const built = await builder.pathInfo([program], { recursive: true })
  for (const [path, { narHash, narSize, references }] of built) {
    const other = copied.get(path)
    assert.deepEqual([other?.narHash, other?.narSize, [...other?.references ?? []].sort()], [narHash, narSize, [...references].sort()], path)
  }
  assert.deepEqual(readFileSync(client.localPath(`${program}/bin/greet`)), readFileSync(builder.localPath(`${program}/bin/greet`)))
})

test('the copied program runs', { skip: process.getuid?.() === 0 ? false : 'the store has to be at /nix/store for it, which takes root' }, () => {
  assert.equal(execFileSync('chroot', [client.store, `${program}/bin/greet`], { encoding: 'utf8' }), 'hello from a store path\n')
})
