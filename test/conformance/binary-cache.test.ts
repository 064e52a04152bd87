/**
 * Stock Nix as a client of the farm's binary cache: it copies a closure into a fresh store, agrees on every hash, and refuses
 * what isn't signed with a key it trusts. Runs with the `nix` on the PATH; FIRN_TEST_NIX_ROOT names root folders (separated by
 * colons) that hold others, which are entered with chroot.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { after, before, describe, test } from 'node:test'
import { startTestApi, stopTemporal, type TestApi } from '../../api/testing/api.ts'
import { formatHash } from '../../nix/hash.ts'
import { formatKey, generateKeyPair, publicKeyOf } from '../../nix/signature.ts'
import { parseBaseName, parseStorePath, type StorePath } from '../../nix/store-path.ts'
import { ingest } from '../../store/ingest/ingest.ts'
import type { Entry } from '../../store/ingest/interface.ts'
import type { PathInfo } from '../../store/path-info/interface.ts'

/** Written by `nix-store --export` of Nix 2.8. */
const EXPORT = readFileSync(new URL('../../api/uploads/testdata/top.export', import.meta.url))
const TREE = parseStorePath('/nix/store/fz1w2d34cy165d1f3vbq20q4032x2bha-tree')
const DERIVATION = '/nix/store/7xn7ppr5d532lab1s6pifq3bpd1iq31h-top.drv'
/** Stands for what a build made: no path of its kind follows from its content, so a client asks for a signature. */
const BUILT = parseBaseName('9qy7wl1zr1sv7wl0bqjbq9fbxlfkvy1d-built-1.0')

const roots = [...(process.env['PATH'] ?? '').split(delimiter).some((folder) => existsSync(join(folder, 'nix'))) ? [''] : [], ...(process.env['FIRN_TEST_NIX_ROOT'] ?? '').split(':').filter((root) => root !== '')]

/** A Nix in a root folder ('' for this machine's), with a store of its own that goes when the test ends. */
class Client {
  readonly #root: string
  #folder = ''

  constructor(root: string) {
    this.#root = root
  }

  async freshStore(): Promise<void> {
    this.#folder = await mkdtemp(join(this.#root === '' ? tmpdir() : join(this.#root, 'tmp'), 'firn-client-'))
  }

  /** Where the client's store lies, as this process sees it. */
  get storeFolder(): string {
    return join(this.#folder, 'store')
  }

  async run(program: 'nix' | 'nix-store', ...args: string[]): Promise<string> {
    const inside = this.#folder.slice(this.#root.length)
    const command = [...(this.#root === '' ? [] : ['chroot', this.#root]), program, ...(program === 'nix' ? ['--extra-experimental-features', 'nix-command'] : []),
      '--store', join(inside, 'store'), ...args]
    const { stdout } = await promisify(execFile)(command[0]!, command.slice(1), { maxBuffer: 1e8, env: { PATH: process.env['PATH'], HOME: inside, NIX_REMOTE: '', NIX_CONF_DIR: '/none', NIX_CONFIG: 'substituters =', XDG_CACHE_HOME: join(inside, 'cache') } })
    return stdout
  }

  async version(): Promise<string> {
    return (await this.run('nix', '--version')).trim()
  }

  async remove(): Promise<void> {
    await promisify(execFile)('chmod', ['-R', 'u+w', this.#folder]).catch(() => undefined)
    await rm(this.#folder, { recursive: true, force: true })
  }
}

async function* built(): AsyncGenerator<Entry> {
  yield { kind: 'directory', path: '' }
  yield { kind: 'directory', path: 'bin' }
  yield await Promise.resolve({ kind: 'file', path: 'bin/run', executable: true, content: Buffer.from(`#!/bin/sh\nexec ${TREE.toString()}/sub/run\n`) })
  for (let index = 0; index < 300; index++) yield { kind: 'file', path: `bin/z${index + 1000}`, executable: index % 2 === 0, content: Buffer.alloc(index * 97, index) }
  yield { kind: 'symlink', path: 'link', target: TREE.toString() }
}

let farm: TestApi
let info: PathInfo
before(async () => {
  farm = await startTestApi()
  const { store } = farm.dependencies
  const uploaded = await fetch(`${farm.api.url}/api/v1/derivations`, { method: 'POST', headers: { 'content-type': 'application/x-nix-export' }, body: new Uint8Array(EXPORT) })
  assert.equal(uploaded.status, 201)
  const { root, narHash, narSize, references } = await ingest(built(), store.blobs, { candidates: [TREE.hash, BUILT.hash] })
  assert.deepEqual(references, [TREE.hash])
  info = { storePath: BUILT, root, narHash, narSize, references: [TREE], deriver: parseStorePath(DERIVATION), signatures: [], registeredAt: new Date(), ultimate: true }
  await store.pathInfos.put([info])
})
after(async () => {
  await farm.close()
  await stopTemporal()
})

for (const root of roots) {
  describe(`stock Nix ${root === '' ? 'on the PATH' : `in ${root}`}`, () => {
    const client = new Client(root)
    before(() => client.freshStore())
    after(() => client.remove())
    const copy = (path: string | StorePath, ...options: string[]): Promise<string> => client.run('nix', 'copy', '--from', farm.api.url, ...options, path.toString())

    const listed = async (...path: string[]): Promise<(readonly [string, Listed])[]> => {
      const answer = JSON.parse(await client.run('nix', 'path-info', '--json', '--recursive', ...path)) as Record<string, Listed> | (Listed & { path: string })[]
      return Array.isArray(answer) ? answer.map((one) => [one.path, one] as const) : Object.entries(answer)
    }

    test('refuses a path whose signature is by a key that it does not trust', async () => {
      const stranger = formatKey(publicKeyOf(generateKeyPair('stranger-1').secretKey))
      await assert.rejects(copy(BUILT, '--option', 'trusted-public-keys', stranger), /lacks a (valid )?signature|signature by a trusted key/)
      assert.equal(existsSync(join(client.storeFolder, 'nix/store', BUILT.baseName)), false)
    })

    test('copies a closure whose signature it trusts, and agrees on every hash', async () => {
      await copy(BUILT, '--option', 'trusted-public-keys', farm.dependencies.store.publicKey!)
      // of a .drv, Nix means what it makes unless told otherwise
      await copy(DERIVATION, '--derivation')
      await client.run('nix-store', '--verify', '--check-contents')
      const paths = new Map([...await listed(BUILT.toString()), ...await listed(DERIVATION, '--derivation')])
      assert.equal(paths.size, 6)
      for (const [path, { narHash, narSize, references }] of paths) {
        const known = (await farm.dependencies.store.pathInfos.get([parseStorePath(path).hash])).get(parseStorePath(path).hash)!
        assert.deepEqual([narHash, narSize], [narHash.startsWith('sha256-') ? formatHash(known.narHash, 'sri') : formatHash(known.narHash, 'nix32', true), known.narSize], path)
        assert.deepEqual([...references].sort(), known.references.map(String).sort(), path)
      }
      assert.equal(readFileSync(join(client.storeFolder, 'nix/store', BUILT.baseName, 'bin/run'), 'utf8'), `#!/bin/sh\nexec ${TREE.toString()}/sub/run\n`)
    })

    test('finds the NAR of a path to have the hash that the farm says', async () => {
      const hash = (await client.run('nix-store', '--query', '--hash', BUILT.toString())).trim()
      assert.equal(hash, formatHash(info.narHash, 'nix32', true))
    })

    test('is told what is not there', async () => {
      await assert.rejects(copy('/nix/store/00000000000000000000000000000000-absent'), /does not exist|is not valid|no substituter that can build it|don't know how to build/)
    })
  })
}

interface Listed { readonly narHash: string; readonly narSize: number; readonly references: readonly string[] }
