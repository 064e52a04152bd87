import assert from 'node:assert/strict'
import { generateKeyPairSync, sign as nodeSign, verify as nodeVerify, createPrivateKey, createPublicKey } from 'node:crypto'
import { after, test } from 'node:test'
import { FormatError } from './errors.ts'
import { formatHash } from './hash.ts'
import { fingerprint, formatNarInfo, parseNarInfo } from './narinfo.ts'
import { formatKey, generateKeyPair, parsePublicKey, parseSecretKey, parseSignature, publicKeyOf, sign, useSignatureImplementation, verify } from './signature.ts'
import { damaged } from './testing/fuzz.ts'
import { goldenValues } from './testing/goldens.ts'
import { TEST_SECRET_KEY } from './testing/test-key.ts'

const { narinfos } = goldenValues()
const texts = Object.values(narinfos)
const publicKey = publicKeyOf(TEST_SECRET_KEY)

test('narinfos of a stock cache are read and printed the same', () => {
  assert.ok(texts.length >= 5)
  for (const text of texts) assert.equal(formatNarInfo(parseNarInfo(text)), text)
  assert.ok(texts.some((text) => parseNarInfo(text).contentAddress !== undefined))
  assert.ok(texts.some((text) => parseNarInfo(text).references.length > 0))
  assert.ok(texts.some((text) => parseNarInfo(text).deriver !== undefined))
})

test('our signatures are those that stock Nix makes, and its verify', () => {
  for (const text of texts) {
    const info = parseNarInfo(text)
    assert.deepEqual([sign(TEST_SECRET_KEY, fingerprint(info))], info.signatures)
    assert.equal(verify([publicKey], fingerprint(info), info.signatures), publicKey)
  }
})

test('a signature of something else, by another key or of another name is none', () => {
  const info = parseNarInfo(texts[0]!)
  const [signature] = info.signatures as [string]
  assert.equal(verify([publicKey], fingerprint({ ...info, narSize: info.narSize + 1 }), [signature]), undefined)
  assert.equal(verify([{ ...publicKey, name: 'other' }], fingerprint(info), [signature]), undefined)
  assert.equal(verify([{ ...generateKeyPair(publicKey.name).publicKey }], fingerprint(info), [signature]), undefined)
  assert.equal(verify([], fingerprint(info), [signature]), undefined)
  assert.equal(verify([publicKey], fingerprint(info), []), undefined)
  assert.equal(verify([publicKey], fingerprint(info), ['', 'x', `${publicKey.name}:`, `${publicKey.name}:!`, `${publicKey.name}:AAAA`]), undefined)
  assert.equal(verify([generateKeyPair(publicKey.name).publicKey, publicKey], fingerprint(info), ['broken', signature]), publicKey, 'two keys may have one name')
})

test('keys are made, written and read', () => {
  const { secretKey, publicKey: own } = generateKeyPair('cache.example.org-1')
  assert.deepEqual(parseSecretKey(`${formatKey(secretKey)}\n`), secretKey)
  assert.deepEqual(parsePublicKey(formatKey(own)), own)
  assert.deepEqual(publicKeyOf(secretKey), own)
  assert.equal(verify([own], 'text', [sign(secretKey, 'text')]), own)
  for (const name of ['', 'a b', 'a:b', 'a\n']) assert.throws(() => generateKeyPair(name), FormatError)
  for (const text of ['', 'x', 'x:', ':AAAA', 'x:AAAA', 'x:!!!!', formatKey(own), formatKey(secretKey).slice(0, -4), `${formatKey(secretKey).slice(0, -8)}AAAAAA==`]) {
    assert.throws(() => parseSecretKey(text), (error) => error instanceof FormatError && !error.message.includes(text.slice(25) || '\0'), text)
  }
  for (const text of ['', 'x:AAAA', formatKey(secretKey)]) assert.throws(() => parsePublicKey(text), FormatError)
  assert.throws(() => parseSignature('x:AAAA'), FormatError)
})

test('node:crypto can take the place of the built-in signatures', () => {
  after(() => useSignatureImplementation())
  const info = parseNarInfo(texts[0]!)
  const prefix = Buffer.from('302e020100300506032b657004220420', 'hex')
  const spki = Buffer.from('302a300506032b6570032100', 'hex')
  useSignatureImplementation({
    sign: (message, seed) => nodeSign(null, message, createPrivateKey({ key: Buffer.concat([prefix, seed]), format: 'der', type: 'pkcs8' })),
    verify: (signature, message, key) => nodeVerify(null, message, createPublicKey({ key: Buffer.concat([spki, key]), format: 'der', type: 'spki' }), signature),
  })
  assert.deepEqual([sign(TEST_SECRET_KEY, fingerprint(info))], info.signatures)
  assert.equal(verify([publicKey], fingerprint(info), info.signatures), publicKey)
  assert.equal(generateKeyPairSync('ed25519').publicKey.asymmetricKeyType, 'ed25519')
})

test('fields that are missing, twice or malformed are FormatErrors with their line', () => {
  const text = texts.find((candidate) => candidate.includes('CA: ') && candidate.includes('References: k'))!
  assert.ok(text)
  const line = (name: string): string => `${text.split('\n').find((candidate) => candidate.startsWith(`${name}: `))!}\n`
  const cases: [string, RegExp][] = [
    ['', /StorePath missing/], [text.replace(line('StorePath'), ''), /StorePath missing/], [text.replace(line('URL'), ''), /URL missing/], [text.replace(line('NarHash'), ''), /NarHash missing/],
    [text.replace(line('NarSize'), ''), /NarSize missing or zero/], [text.replace(/NarSize: .*/, 'NarSize: 0'), /NarSize missing or zero/], [text.replace(/NarSize: .*/, 'NarSize: -1'), /not a size: '-1' at line 7/],
    [text.replace(/NarSize: .*/, 'NarSize: 99999999999999999'), /not a size/], [text.replace(/NarHash: .*/, 'NarHash: sha256:abc'), /wrong length/], [text.replace(/NarHash: .*/, `NarHash: sha1:${'0'.repeat(32)}`), /must be SHA-256/],
    [text.replace(/References: .*/, 'References: ../x'), /at line 8/], [text + line('References'), /extra References/], [text + line('CA'), /extra CA/], [text.replace(/Sig: .*/, 'Sig: x'), /signature/],
    [text.replace('StorePath: /nix', 'StorePath: /gnu'), /at line 1/], [text.slice(0, -1), /line's end/], [text.replace('URL: ', 'URL'), /expecting ': '/], [text.replace('URL: ', 'URL:'), /expecting ': '/],
  ]
  for (const [bad, message] of cases) assert.throws(() => parseNarInfo(bad), (error) => error instanceof FormatError && message.test(error.message), `${message}\n${bad}`)
})

test('what Nix tolerates is tolerated', () => {
  const text = texts[0]!
  const info = parseNarInfo(`${text.replace('Compression: none\n', '')}Unknown: field\nSystem:\nDeriver: unknown-deriver\nCA: \nSig: ${sign(TEST_SECRET_KEY, 'x')}\n`.replace(/References: .*/, 'References:'))
  assert.equal(info.compression, 'bzip2')
  assert.deepEqual(info.references, [])
  assert.equal(info.signatures.length, 2)
  assert.equal(formatHash(info.narHash, 'sri'), formatHash(parseNarInfo(text).narHash, 'sri'))
})

test('damaged narinfos give a FormatError or a narinfo that can be printed', () => {
  for (const bytes of damaged(Buffer.from(texts[0]!), 1500)) {
    try {
      formatNarInfo(parseNarInfo(Buffer.from(bytes).toString('latin1')))
    } catch (error) {
      if (!(error instanceof FormatError)) throw error
    }
  }
})
