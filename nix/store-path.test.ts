import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FormatError } from './errors.ts'
import { hashBytes, parseHash, parseHashDigits, type HashAlgorithm } from './hash.ts'
import { formatContentAddress, parseContentAddress, parseMethodAlgorithm, formatMethodAlgorithm } from './content-address.ts'
import { dynamicPlaceholder, hashPlaceholder, upstreamPlaceholder } from './placeholder.ts'
import { isStorePath, isStorePathName, makeFixedOutputPath, makeSourcePath, makeTextPath, parseBaseName, parseStorePath, storePathOf } from './store-path.ts'
import { goldenBuilds, goldenBytes, goldenValues } from './testing/goldens.ts'

const values = goldenValues()
const HASH = 'yijsab4r1bx0r46irb2jbir2xdndmxrz'

test('paths of fixed content are those of nix-store --print-fixed-path', () => {
  for (const [key, path] of Object.entries(values.fixed)) {
    const [method, algorithm, digits] = key.split(':') as ['flat' | 'nar', HashAlgorithm, string]
    assert.equal(makeFixedOutputPath('some-name', { method, hash: parseHashDigits(digits, algorithm) }).toString(), path)
  }
})

test('the path of a tree follows from its NAR, that of a text from its content and references', () => {
  assert.equal(makeSourcePath('tree', hashBytes('sha256', goldenBytes('tree.nar'))).toString(), values.treePath)
  assert.equal(makeFixedOutputPath('file.txt', { method: 'flat', hash: hashBytes('sha1', values.file) }).toString(), values.filePath)
  const [text, inner] = ['-text', '-inner'].map((end) => goldenBuilds().texts.find(({ path }) => path.endsWith(end))!)
  assert.equal(makeTextPath('inner', hashBytes('sha256', 'inner'), []).toString(), inner!.path)
  assert.equal(makeTextPath('text', hashBytes('sha256', `refers to ${inner!.path}`), [inner!.path, inner!.path]).toString(), text!.path)
})

test('what may not refer to other paths is refused', () => {
  const hash = hashBytes('sha1', '')
  const references = [values.treePath]
  assert.throws(() => makeFixedOutputPath('a', { method: 'nar', hash, references }), FormatError)
  assert.throws(() => makeFixedOutputPath('a', { method: 'flat', hash: hashBytes('sha256', ''), self: true }), FormatError)
  assert.throws(() => makeFixedOutputPath('a', { method: 'text', hash: hashBytes('sha256', ''), self: true }), FormatError)
  assert.throws(() => makeFixedOutputPath('a', { method: 'text', hash }), FormatError)
  assert.throws(() => makeFixedOutputPath('a', { method: 'git', hash: hashBytes('sha512', '') }), FormatError)
  assert.throws(() => makeFixedOutputPath('not a name', { method: 'nar', hash }), FormatError)
})

test('store paths are read, and parts of them', () => {
  const path = parseStorePath(values.treePath)
  assert.deepEqual([path.hash, path.name, path.baseName, path.toString()], [HASH, 'tree', `${HASH}-tree`, values.treePath])
  assert.equal(JSON.stringify({ path }), `{"path":"${values.treePath}"}`)
  assert.equal(storePathOf(`${values.treePath}/a/../b`).rest, '/a/../b')
  assert.equal(storePathOf(values.treePath).rest, '')
  assert.ok(parseBaseName(`${HASH}-x.drv`).isDerivation)
})

test('names are what Nix allows', () => {
  for (const name of ['a', '.a', '...', 'a+b-c.d_e?f=g', '0', 'x'.repeat(211), '.a-b', '..a', '-']) assert.ok(isStorePathName(name), name)
  for (const name of ['', '.', '..', '.-a', '..-a', 'x'.repeat(212), 'a b', 'a/b', 'é', 'a\n', '\0', 'a:b', '~']) assert.ok(!isStorePathName(name), name)
})

test('malformed store paths are rejected with a FormatError', () => {
  const cases = [
    '', '/', '/nix/store', '/nix/store/', values.treePath.slice(1), `/gnu/store/${HASH}-a`, `/nix/store/${HASH}`, `/nix/store/${HASH}-`, `/nix/store/${HASH}_a`,
    `/nix/store/${HASH.slice(1)}-a`, `/nix/store/e${HASH.slice(1)}-a`, `/nix/store/A${HASH.slice(1)}-a`, `${values.treePath}/`, `/nix/store//${HASH}-a`, `/nix/store/.links`, `/nix/store/../nix/store/${HASH}-a`,
  ]
  for (const path of cases) {
    assert.throws(() => parseStorePath(path), FormatError, path)
    assert.ok(!isStorePath(path))
  }
  for (const path of ['/tmp', '/nix/store', '/nix/store/', '/nix/store/x/y']) assert.throws(() => storePathOf(path), FormatError, path)
})

test('content addresses', () => {
  for (const { ca } of [...goldenBuilds().texts, ...goldenBuilds().selfReferent.information]) assert.equal(formatContentAddress(parseContentAddress(ca!)), ca)
  assert.equal(parseContentAddress('fixed:git:sha1:ldipg2h2yxs4gw3y95sz8634rmz6i04k').method, 'git')
  for (const text of ['', 'text', 'text:', 'text:sha256', 'text:sha256:', 'fixed:x:sha256:abc', 'text:r:sha256:abc', `fixed:r:sha256:${'z'.repeat(52)}`, 'fixed:r:md6:abc', `fixed::sha256:${'0'.repeat(52)}`]) {
    assert.throws(() => parseContentAddress(text), FormatError, text)
  }
  for (const text of ['r:sha256', 'sha1', 'text:sha256', 'git:sha1']) {
    const { method, algorithm } = parseMethodAlgorithm(text)
    assert.equal(formatMethodAlgorithm(method, algorithm), text)
  }
  for (const text of ['', 'r:', 'r:r:sha256', 'sha256:', 'text:sha']) assert.throws(() => parseMethodAlgorithm(text), FormatError, text)
})

test('placeholders are Nix\'s', () => {
  for (const [name, placeholder] of Object.entries(values.placeholders)) assert.equal(hashPlaceholder(name), placeholder)
  const { selfReferent, dependent } = goldenBuilds()
  assert.ok(dependent.derivation.includes(`"${upstreamPlaceholder(selfReferent.drvPath, 'out')}"`))
  assert.equal(dynamicPlaceholder(selfReferent.drvPath, ['out']), upstreamPlaceholder(selfReferent.drvPath, 'out'))
  assert.throws(() => upstreamPlaceholder(values.treePath, 'out'), FormatError)
})

test('SRI and prefixed hashes name one path', () => {
  const hash = parseHash(values.hashes.sha256.sri)
  assert.equal(makeSourcePath('x', hash).toString(), makeSourcePath('x', parseHash(`sha256:${values.hashes.sha256.nix32}`)).toString())
})
