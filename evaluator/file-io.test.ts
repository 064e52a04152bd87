/** Files, sources and store paths as an evaluation sees them; store paths as stock Nix gave them for the same tree. */
import assert from 'node:assert/strict'
import { chmodSync, existsSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { EvalIOError, NeedFailed, Suspended } from '../eval/io.ts'
import type { FileIOOptions, StoreAddition } from './file-io-options.ts'
import { FileIO } from './file-io.ts'
import { LocalStoreFolder } from './local-store.ts'
import type { DerivationOutput } from '../nix/derivation.ts'

const TREE = '/nix/store/dyprvizg0j09jgzbrcr267xjj9dyawzp-tree'
const KEPT = '/nix/store/vypn523xnwbisqcqcsrrlz0mb106l3s0-kept'
const FLAT = '/nix/store/55rlr5xql78vj5r1xpimlfvz0jzzlxn9-flat'
const TEXT = '/nix/store/gmzdrk8k0jbnbvvdf0517iyixgkvqnil-t'
const LINK = '/nix/store/gl8mrq7cxzhp13jvrrik9l99dsjx3h3v-link'
const RUN = '/nix/store/fhsg3jqz69b5s1ng2y2947cgd10nvswa-run'
const UNKNOWN = '/nix/store/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-unknown'

let folder: string
let added: StoreAddition[]
let recorded: Map<string, unknown>

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'firn-file-io-'))
  mkdirSync(join(folder, 'tree/sub'), { recursive: true })
  mkdirSync(join(folder, 'tree/skip'))
  mkdirSync(join(folder, 'store'))
  writeFileSync(join(folder, 'tree/a'), 'hello')
  writeFileSync(join(folder, 'tree/sub/run'), '#!/bin/sh\n')
  chmodSync(join(folder, 'tree/sub/run'), 0o755)
  symlinkSync('a', join(folder, 'tree/link'))
  writeFileSync(join(folder, 'tree/skip/x'), 'x')
  writeFileSync(join(folder, 'tree/sub/é'), 'é')
})
after(() => rmSync(folder, { recursive: true, force: true }))

function open(more: Partial<FileIOOptions> = {}): FileIO {
  added = []
  recorded = new Map()
  return new FileIO({
    storeFolders: [join(folder, 'store')], environment: new Map([['A', 'b']]), journal: {}, asksForUnknownPaths: true,
    scratchFolder: () => folder, add: (addition) => added.push(addition), record: (key, value) => recorded.set(key, value), trace: () => undefined, ...more,
  })
}

const latin = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1')
const missing = (kind: EvalIOError['kind']) => (error: unknown): boolean => error instanceof EvalIOError && error.kind === kind

describe('sources', () => {
  test('have the store paths that Nix gives them', () => {
    const io = open()
    const tree = join(folder, 'tree')
    assert.equal(io.addPath({ path: tree, name: 'tree', method: 'nar' }), TREE)
    assert.equal(io.addPath({ path: tree, name: 'kept', method: 'nar', filter: (path) => !path.endsWith('/skip') }), KEPT)
    assert.equal(io.addPath({ path: `${tree}/a`, name: 'flat', method: 'flat' }), FLAT)
    assert.equal(io.addText('t', 'text', []), TEXT)
    assert.equal(io.addPath({ path: `${tree}/link`, name: 'link', method: 'nar' }), LINK)
    assert.equal(io.addPath({ path: `${tree}/sub/run`, name: 'run', method: 'nar' }), RUN)
    assert.deepEqual(added.map((addition) => addition.kind), ['source', 'source', 'source', 'text', 'source', 'source'])
  })

  test('are told once, and asked of a filter once, in order', () => {
    const io = open()
    const asked: string[] = []
    const filter = (path: string, kind: string): boolean => asked.push(`${kind} ${path.slice(folder.length)}`) > 0 && !path.endsWith('skip')
    for (let round = 0; round < 2; round++) io.addPath({ path: join(folder, 'tree'), name: 'kept', method: 'nar', filter })
    assert.equal(added.length, 1)
    assert.deepEqual(asked.slice(0, 5), ['regular /tree/a', 'symlink /tree/link', 'directory /tree/skip', 'directory /tree/sub', 'regular /tree/sub/run'])
    const [source] = added
    assert.deepEqual(source?.kind === 'source' && source.entries, ['a', 'link', 'sub', 'sub/run', 'sub/\u00c3\u00a9'])
  })

  test('are readable under their store paths, without what the filter left out', () => {
    const io = open()
    io.addPath({ path: join(folder, 'tree'), name: 'kept', method: 'nar', filter: (path) => !path.endsWith('/skip') })
    assert.equal(latin(io.readFile(`${KEPT}/a`)), 'hello')
    assert.equal(latin(io.readFile(`${KEPT}/link`)), 'hello')
    assert.deepEqual([...io.readDirectory(KEPT)], [...io.readDirectory(join(folder, 'tree'))].filter(([name]) => name !== 'skip'))
    assert.equal(io.status(`${KEPT}/skip`), undefined)
    assert.throws(() => io.readFile(`${KEPT}/skip/x`), missing('missing'))
    assert.equal(io.status(`${KEPT}/sub/run`)?.executable, true)
  })

  test('change with their files', () => {
    const file = join(folder, 'changing')
    writeFileSync(file, '1')
    const first = open().addPath({ path: file, name: 'f', method: 'nar' })
    writeFileSync(file, '2')
    assert.notEqual(open().addPath({ path: file, name: 'f', method: 'nar' }), first)
  })
})

describe('errors', () => {
  test('say what is missing or of another kind', () => {
    const io = open()
    assert.throws(() => io.readFile(join(folder, 'nothing')), missing('missing'))
    assert.throws(() => io.readFile(join(folder, 'tree')), missing('is-a-directory'))
    assert.throws(() => io.readDirectory(join(folder, 'tree/a')), missing('not-a-directory'))
    assert.throws(() => io.addPath({ path: join(folder, 'nothing'), name: 'x', method: 'nar' }), missing('missing'))
    assert.equal(io.status(join(folder, 'tree/a/b')), undefined)
  })
})

describe('needs', () => {
  const needOf = (work: () => unknown): Suspended['need'] => {
    try {
      work()
    } catch (error) {
      if (error instanceof Suspended) return error.need
      throw error
    }
    throw new Error('did not suspend')
  }

  test('unknown store paths are asked for, and read where the answer says', () => {
    const io = open()
    const need = needOf(() => io.readFile(`${UNKNOWN}/a`))
    assert.deepEqual(need, { kind: 'path', key: `path:${UNKNOWN}`, storePath: UNKNOWN })
    io.answer([{ key: need.key, ok: true, storePath: UNKNOWN, localPath: join(folder, 'tree') }])
    assert.equal(latin(io.readFile(`${UNKNOWN}/a`)), 'hello')
  })

  test('a bad answer is an error where content is wanted, and no where existence is', () => {
    const io = open()
    io.answer([{ key: `path:${UNKNOWN}`, ok: false, message: 'nobody has it' }])
    assert.throws(() => io.readFile(`${UNKNOWN}/a`), (error) => error instanceof NeedFailed && error.message === 'nobody has it')
    assert.equal(io.status(`${UNKNOWN}/a`), undefined)
  })

  test('without anybody to ask, unknown store paths do not exist', () => {
    const io = open({ asksForUnknownPaths: false })
    assert.equal(io.status(UNKNOWN), undefined)
    assert.throws(() => io.readFile(UNKNOWN), missing('missing'))
  })

  test('fetches are told at once and suspend when read', () => {
    const io = open()
    const request = { kind: 'url', name: 'x', urls: ['http://localhost/x'], unpack: false, executable: false, hash: 'sha256-AAAA', method: 'flat' } as const
    io.mentionFetch(UNKNOWN, request)
    assert.deepEqual(added, [{ kind: 'known-fetch', storePath: UNKNOWN, request }])
    assert.equal(needOf(() => io.status(UNKNOWN)).kind, 'fetch')
  })

  test('unlocked fetches and the time are remembered in the journal', () => {
    const io = open()
    const request = { kind: 'tarball', name: 'source', url: 'http://localhost/x.tar.gz' } as const
    const need = needOf(() => io.fetchUnlocked(request))
    const fetched = { storePath: UNKNOWN, narHash: 'sha256-AAAA' }
    io.answer([{ key: need.key, ok: true, storePath: UNKNOWN, localPath: join(folder, 'tree'), fetched }])
    assert.deepEqual(io.fetchUnlocked(request), fetched)
    const time = io.currentTime()
    assert.deepEqual(recorded, new Map<string, unknown>([[need.key, fetched], ['current-time', time]]))
    const again = open({ journal: { ...Object.fromEntries(recorded), 'current-time': 7 } })
    assert.deepEqual([again.currentTime(), again.fetchUnlocked(request)], [7, fetched])
    assert.equal(recorded.size, 0)
  })

  test('outputs: one need for all that is missing', () => {
    const io = open()
    const [out, dev] = ['bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb-x', 'cccccccccccccccccccccccccccccccc-x-dev']
    const drv = '/nix/store/dddddddddddddddddddddddddddddddd-x.drv'
    const outputs = { keys: ['dev', 'out'], values: [dev, out].map((name): DerivationOutput => ({ kind: 'input-addressed', path: `/nix/store/${name}` })) }
    io.addDerivation({ drvPath: drv, references: [], outputs, aterm: () => Buffer.from(`Derive([("dev","/nix/store/${dev}","",""),("out","/nix/store/${out}","","")],[],[],"x86_64-linux","/bin/sh",[],[])`) })
    const need = io.realise(drv, ['out', 'dev']).need!
    assert.deepEqual(need.kind === 'realise' && need.outputs, ['out', 'dev'])
    for (const name of [out, dev]) mkdirSync(join(folder, 'store', name))
    assert.deepEqual(io.realise(drv, ['out', 'dev']).paths, [`/nix/store/${out}`, `/nix/store/${dev}`])
  })

  test('outputs of a derivation that lies in the store', () => {
    const io = open()
    const drv = 'abababababababababababababababab-read.drv'
    const [out, dev] = ['acacacacacacacacacacacacacacacac-read', 'adadadadadadadadadadadadadadadad-read-dev']
    writeFileSync(join(folder, 'store', drv), `Derive([("dev","/nix/store/${dev}","",""),("out","/nix/store/${out}","","")],[],[],"x86_64-linux","/bin/sh",[],[])`)
    mkdirSync(join(folder, 'store', out))
    assert.deepEqual(io.realise(`/nix/store/${drv}`, ['out']).paths, [`/nix/store/${out}`])
    const need = io.realise(`/nix/store/${drv}`, ['out', 'dev']).need!
    assert.deepEqual(need.kind === 'realise' && need.outputs, ['dev'])
    assert.throws(() => io.realise(`/nix/store/${drv}`, ['man']), NeedFailed)
  })

  test('links within the store lead to where the store really is', () => {
    const io = open()
    const [from, to] = ['eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee-from', 'ffffffffffffffffffffffffffffffff-to']
    mkdirSync(join(folder, 'store', from))
    symlinkSync(`/nix/store/${to}/file`, join(folder, 'store', from, 'link'))
    mkdirSync(join(folder, 'store', to))
    writeFileSync(join(folder, 'store', to, 'file'), 'content')
    assert.equal(latin(io.readFile(`/nix/store/${from}/link`)), 'content')
    assert.equal(io.readLink(`/nix/store/${from}/link`), `/nix/store/${to}/file`)
    assert.equal(io.status(`/nix/store/${from}/link`)?.kind, 'symlink')
  })
})

describe('the local store', () => {
  test('gets trees with the modes and times of store paths, whole or not at all', () => {
    const target = join(folder, 'local')
    const store = new LocalStoreFolder(target)
    const io = open({ add: (addition) => store.add(addition) })
    io.addPath({ path: join(folder, 'tree'), name: 'kept', method: 'nar', filter: (path) => !path.endsWith('/skip') })
    io.addText('t', 'text', [])
    const kept = join(target, KEPT.slice(11))
    assert.deepEqual(readdirSync(kept), ['a', 'link', 'sub'])
    const modes = ['', 'a', 'sub', 'sub/run'].map((name) => (lstatSync(join(kept, name)).mode & 0o777).toString(8))
    assert.deepEqual(modes, ['555', '444', '555', '555'])
    assert.equal(lstatSync(join(kept, 'a')).mtimeMs, 1000)
    assert.equal(readFileSync(join(target, TEXT.slice(11)), 'utf8'), 'text')
    assert.throws(() => store.add({ kind: 'source', storePath: UNKNOWN, localPath: join(folder, 'nothing'), narHash: '', recursive: true }), /could not write/)
    assert.equal(existsSync(join(target, UNKNOWN.slice(11))), false)
    assert.deepEqual(readdirSync(target).filter((name) => name.startsWith('.')), [])
  })
})
