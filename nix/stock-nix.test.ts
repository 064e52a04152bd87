/** Compares with the stock Nix on the PATH, live: what the goldens can't hold, and newer versions than wrote them. */
import assert from 'node:assert/strict'
import { lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { derivationHash, checkOutputPaths, type DerivationHash } from './derivation-hash.ts'
import { derivationPath, parseDerivation, type Derivation } from './derivation.ts'
import { printDerivation } from './derivation-printer.ts'
import { readExport, writeExport } from './export.ts'
import { createHash, formatHash, hashBytes, parseHash, type HashAlgorithm } from './hash.ts'
import { readNar } from './nar.ts'
import { narOfFile, writeNar, writeNarSync, type NarSourceSync } from './nar-writer.ts'
import { parseNarInfo, formatNarInfo, type NarInfo } from './narinfo.ts'
import { fingerprint } from './narinfo.ts'
import { formatKey, generateKeyPair, parsePublicKey, parseSecretKey, publicKeyOf, sign, verify } from './signature.ts'
import { makeFixedOutputPath, makeTextPath, parseStorePath } from './store-path.ts'
import { randomOf } from './testing/fuzz.ts'
import { EXPRESSIONS } from './testing/goldens.ts'
import { openStockNix, WITHOUT_STOCK_NIX, writeSampleTree, type StockNix } from './testing/stock-nix.ts'

const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '')

function sourceOf(folder: string): NarSourceSync {
  const at = (path: string): Buffer => Buffer.from(path === '' ? folder : `${folder}/${path}`, 'latin1')
  return {
    status: (path) => {
      const status = lstatSync(at(path))
      return { kind: status.isSymbolicLink() ? 'symlink' : status.isDirectory() ? 'directory' : 'regular', executable: (status.mode & 0o100) !== 0 }
    },
    readFile: (path) => readFileSync(at(path)),
    readDirectory: (path) => readdirSync(at(path), { encoding: 'buffer' }).map((name) => name.toString('latin1')),
    readLink: (path) => readlinkSync(at(path), { encoding: 'buffer' }).toString('latin1'),
  }
}

/** A tree of random shape, names and sizes. */
function writeRandomTree(folder: string, seed: number): void {
  const random = randomOf(seed)
  const below = (limit: number): number => Math.floor(random() * limit)
  const fill = (path: string, depth: number): void => {
    mkdirSync(path)
    const count = below(8)
    for (let index = 0; index < count; index++) {
      const name = `${String.fromCharCode(...Array.from({ length: 1 + below(6) }, () => 33 + below(90))).replaceAll('/', '_')}${index}`
      const kind = below(depth > 3 ? 2 : 3)
      if (kind === 0) writeFileSync(join(path, name), Uint8Array.from({ length: below(3) === 0 ? below(100_000) : below(20) }, () => below(256)), { mode: below(2) === 0 ? 0o644 : 0o755 })
      else if (kind === 1) symlinkSync('x'.repeat(1 + below(40)), join(path, name))
      else fill(join(path, name), depth + 1)
    }
  }
  fill(folder, 0)
}

async function gather(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of source) chunks.push(chunk.slice())
  return Buffer.concat(chunks)
}

function narOf(folder: string): Buffer {
  const chunks: Uint8Array[] = []
  writeNarSync(sourceOf(folder), (chunk) => chunks.push(chunk))
  return Buffer.concat(chunks)
}

describe('beside stock Nix', { skip: WITHOUT_STOCK_NIX }, () => {
  let nix: StockNix
  let work: string
  before(() => {
    nix = openStockNix()
    work = join(nix.root, 'work')
    mkdirSync(work)
  })
  after(() => nix.close())

  test('trees have the same NAR, and ours are restored by it', async () => {
    writeSampleTree(join(work, 'sample'))
    for (let seed = 0; seed < 8; seed++) writeRandomTree(join(work, `random-${seed}`), seed)
    for (const name of readdirSync(work)) {
      const folder = join(work, name)
      const dumped = Buffer.from(nix.run('nix-store', ['--dump', folder]), 'latin1')
      assert.ok(narOf(folder).equals(dumped), name)
      assert.ok((await gather(writeNar(readNar([dumped])))).equals(dumped), name)
      const restored = join(work, `${name}-restored`)
      nix.run('nix-store', ['--restore', restored], await gather(writeNar(readNar([dumped]))))
      assert.ok(narOf(restored).equals(dumped), name)
    }
  })

  test('derivations of real expressions print, hash and are named the same', () => {
    const derivations = new Map<string, Derivation>()
    for (const file of ['derivations.nix', 'built.nix']) {
      const instantiated = lines(nix.run('nix-instantiate', [join(EXPRESSIONS, file)])).map((path) => path.replace(/!.*/, ''))
      const requisites = lines(nix.run('nix-store', ['--query', '--requisites', ...instantiated]))
      for (const path of requisites.filter((candidate) => candidate.endsWith('.drv'))) {
        const text = readFileSync(nix.localPath(path), 'latin1')
        const derivation = parseDerivation(text, parseStorePath(path).name.slice(0, -'.drv'.length))
        assert.equal(printDerivation(derivation), text)
        assert.equal(derivationPath(derivation).toString(), path)
        derivations.set(path, derivation)
      }
    }
    const hashes = new Map<string, DerivationHash>()
    const lookup = (path: string): DerivationHash => {
      const hash = hashes.get(path) ?? derivationHash(derivations.get(path)!, lookup)
      hashes.set(path, hash)
      return hash
    }
    assert.ok(derivations.size > 20)
    for (const derivation of derivations.values()) checkOutputPaths(derivation, lookup)
  })

  test('hashes of files and conversions between their forms', () => {
    const file = join(work, 'hashed')
    const random = randomOf(7)
    for (const length of [0, 1, 1000]) {
      const content = Uint8Array.from({ length }, () => Math.floor(random() * 256))
      writeFileSync(file, content)
      for (const algorithm of ['md5', 'sha1', 'sha256', 'sha512'] as HashAlgorithm[]) {
        const theirs = lines(nix.run('nix-hash', ['--flat', '--base32', '--type', algorithm, file]))[0]!
        assert.equal(formatHash(hashBytes(algorithm, content), 'nix32'), theirs)
        assert.equal(lines(nix.run('nix-hash', ['--to-base16', '--type', algorithm, theirs]))[0], formatHash(parseHash(theirs, algorithm), 'base16'))
      }
    }
  })

  test('paths that are added', () => {
    const file = join(work, 'added.txt')
    writeFileSync(file, 'added')
    const flat = makeFixedOutputPath('added.txt', { method: 'flat', hash: hashBytes('sha256', 'added') })
    assert.equal(lines(nix.run('nix-store', ['--add-fixed', 'sha256', file]))[0], flat.toString())
    const hash = createHash('sha256')
    for (const chunk of narOfFile(Buffer.from('added'))) hash.update(chunk)
    const added = makeFixedOutputPath('added.txt', { method: 'nar', hash: { algorithm: 'sha256', bytes: hash.digest() } })
    assert.equal(lines(nix.run('nix-store', ['--add', file]))[0], added.toString())
    const text = nix.run('nix-instantiate', ['--eval', '--json', '-E', 'builtins.toFile "a-text" "the text"'])
    assert.equal(JSON.parse(text), makeTextPath('a-text', hashBytes('sha256', 'the text'), []).toString())
  })

  test('an export that we write is imported', async () => {
    const content = Buffer.from(`written by us ${Math.floor(Math.random() * 1e9)}`)
    const inner = makeTextPath('inner', hashBytes('sha256', content), [])
    const outerContent = Buffer.from(`refers to ${inner.toString()}`)
    const outer = makeTextPath('outer', hashBytes('sha256', outerContent), [inner.toString()])
    const stream = await gather(writeExport([
      { storePath: inner, references: [], nar: narOfFile(content) },
      { storePath: outer, references: [inner], nar: narOfFile(outerContent) },
    ]))
    assert.deepEqual(lines(nix.run('nix-store', ['--import', '--option', 'require-sigs', 'false'], stream)), [inner.toString(), outer.toString()])
    assert.deepEqual(lines(nix.run('nix-store', ['--query', '--references', outer.toString()])), [inner.toString()])
    const back = nix.run('nix-store', ['--export', inner.toString(), outer.toString()])
    const names: string[] = []
    for await (const { info } of readExport([Buffer.from(back, 'latin1')])) names.push((await info()).storePath.name)
    assert.deepEqual(names, ['inner', 'outer'])
  })

  test('keys of both are the same kind, and signatures are accepted both ways', () => {
    const secretFile = join(work, 'their-secret')
    const publicFile = join(work, 'their-public')
    nix.run('nix-store', ['--generate-binary-cache-key', 'their.example-1', secretFile, publicFile])
    const theirs = parseSecretKey(readFileSync(secretFile, 'utf8'))
    assert.equal(formatKey(publicKeyOf(theirs)), readFileSync(publicFile, 'utf8').trim())

    const { secretKey, publicKey } = generateKeyPair('ours.example-1')
    const ourFile = join(work, 'our-secret')
    writeFileSync(ourFile, formatKey(secretKey))
    const path = makeTextPath('signed', hashBytes('sha256', 'signed'), [])
    assert.equal(JSON.parse(nix.run('nix-instantiate', ['--eval', '--json', '--read-write-mode', '-E', 'builtins.toFile "signed" "signed"'])), path.toString())
    nix.run('nix', ['store', 'sign', '--key-file', ourFile, path.toString()])
    nix.run('nix', ['store', 'sign', '--key-file', secretFile, path.toString()])
    const [info] = JSON.parse(nix.run('nix', ['path-info', '--json', path.toString()])) as [{ narHash: string; narSize: number; signatures: string[] }]
    const text = fingerprint({ storePath: path, narHash: parseHash(info.narHash), narSize: info.narSize, references: [] })
    assert.deepEqual([...info.signatures].sort(), [sign(secretKey, text), sign(theirs, text)].sort())
    assert.equal(verify([publicKey], text, info.signatures), publicKey)
    assert.equal(verify([parsePublicKey(readFileSync(publicFile, 'utf8'))], text, info.signatures)?.name, 'their.example-1')
  })

  test('a cache of files that we write is one that it copies from, if we signed it', () => {
    const cache = join(work, 'our-cache')
    mkdirSync(join(cache, 'nar'), { recursive: true })
    writeFileSync(join(cache, 'nix-cache-info'), 'StoreDir: /nix/store\n')
    const { secretKey, publicKey } = generateKeyPair('cache.example-1')
    // Input-addressed as far as Nix can tell, so that only the signature vouches for it.
    const storePath = parseStorePath('/nix/store/abcdfghijklmnpqrsvwxyz0123456789-from-our-cache')
    const nar = Buffer.concat(narOfFile(Buffer.from('from our cache'), true))
    const unsigned: NarInfo = { storePath, url: 'nar/x.nar', compression: 'none', narHash: hashBytes('sha256', nar), narSize: nar.length, references: [storePath], signatures: [] }
    writeFileSync(join(cache, 'nar/x.nar'), nar)
    const file = join(cache, `${storePath.hash}.narinfo`)
    const copy = (): string => nix.run('nix', ['copy', '--from', `file://${cache}`, storePath.toString(), '--option', 'trusted-public-keys', formatKey(publicKey), '--option', 'narinfo-cache-positive-ttl', '0'])

    writeFileSync(file, formatNarInfo(unsigned))
    assert.throws(copy, /lacks a valid signature|lacks a signature/)
    const signed = { ...unsigned, signatures: [sign(secretKey, fingerprint(unsigned))] }
    writeFileSync(file, formatNarInfo(signed))
    assert.equal(formatNarInfo(parseNarInfo(readFileSync(file, 'utf8'))), formatNarInfo(signed))
    copy()
    assert.equal(readFileSync(nix.localPath(storePath.toString()), 'utf8'), 'from our cache')
    assert.deepEqual(lines(nix.run('nix-store', ['--query', '--references', storePath.toString()])), [storePath.toString()])
  })
})
