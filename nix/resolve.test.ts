import assert from 'node:assert/strict'
import { test } from 'node:test'
import { derivationPath, parseDerivation } from './derivation.ts'
import { printDerivation } from './derivation-printer.ts'
import { needsResolution, resolveDerivation } from './resolve.ts'
import { dynamicPlaceholder } from './placeholder.ts'
import { ModuloHash, rewriteStream, rewriteString, Rewriter } from './rewriting.ts'
import { makeFixedOutputPath, parseStorePath } from './store-path.ts'
import { formatContentAddress, parseContentAddress } from './content-address.ts'
import { inPieces } from './testing/fuzz.ts'
import { goldenBuilds } from './testing/goldens.ts'
import { bytesOfByteString, byteStringOfBytes } from './bytes.ts'
import { decodeBase64 } from './bytes.ts'
import { hashBytes } from './hash.ts'

const builds = goldenBuilds()

test('derivations resolve to those that stock Nix builds in their place', () => {
  for (const [golden, name] of [[builds.dependent, 'dependent'], [builds.floatingDependent, 'floating-dependent']] as const) {
    const derivation = parseDerivation(golden.derivation, name)
    assert.ok(needsResolution(derivation))
    const resolved = resolveDerivation(derivation, (drvPath, outputNames) => {
      assert.deepEqual([drvPath, outputNames], [builds.selfReferent.drvPath, ['out']])
      return builds.selfReferent.outputs[0]
    })!
    assert.ok(!needsResolution(resolved))
    const path = derivationPath(resolved).toString()
    assert.equal(printDerivation(resolved), builds.resolved[path], `${name}: ${path}`)
    assert.notEqual(path, golden.drvPath)
  }
  assert.equal(resolveDerivation(parseDerivation(builds.dependent.derivation, 'dependent'), () => undefined), undefined)
  assert.ok(!needsResolution(parseDerivation(builds.graph.derivation, 'graph')))
})

test('outputs of dynamic derivations are resolved too', () => {
  const drv = builds.selfReferent.drvPath
  const placeholder = dynamicPlaceholder(drv, ['out', 'dev'])
  const text = `DrvWithVersion("xp-dyn-drv",[("out","","","")],[("${drv}",([],[("out",["dev"])]))],[],"s","b",[],[("a","x${placeholder}/y"),("out","")])`
  const asked: unknown[] = []
  const resolved = resolveDerivation(parseDerivation(text, 'x'), (drvPath, names) => {
    asked.push([drvPath, names])
    return builds.texts[0]!.path
  })!
  assert.deepEqual(asked, [[drv, ['out', 'dev']]])
  assert.equal(resolved.env.get('a'), `x${builds.texts[0]!.path}/y`)
  assert.deepEqual(resolved.inputSources, [builds.texts[0]!.path])
  assert.ok(printDerivation(resolved).startsWith('Derive('))
})

test('the content address of what refers to itself is stock Nix\'s', () => {
  const [output] = builds.selfReferent.information
  const path = parseStorePath(output!.path)
  const nar = decodeBase64(builds.selfReferent.nar!)
  for (const largest of [1, 7, 40, 10_000]) {
    const hash = new ModuloHash('sha256', path.hash)
    for (const piece of inPieces(nar, largest)) hash.update(piece)
    const digest = hash.digest()
    assert.ok(hash.hasSelfReference)
    assert.equal(formatContentAddress({ method: 'nar', hash: digest }), output!.ca)
    assert.equal(makeFixedOutputPath('self-referent', { method: 'nar', hash: digest, references: [], self: true }).toString(), output!.path)
  }
  const [dependent] = builds.floatingDependent.information
  const { hash } = parseContentAddress(dependent!.ca!)
  assert.equal(makeFixedOutputPath('floating-dependent', { method: 'nar', hash, references: dependent!.references }).toString(), dependent!.path)
})

test('without a self-reference, the hash is the ordinary one', () => {
  const hash = new ModuloHash('sha256', 'a'.repeat(32))
  hash.update(bytesOfByteString('nothing'))
  assert.deepEqual(hash.digest(), hashBytes('sha256', 'nothing'))
  assert.ok(!hash.hasSelfReference)
})

test('zeros in the place of a self-reference do not hash the same', () => {
  const modulus = 'abcdfghijklmnpqrsvwxyz0123456789'
  const digests = [`x${modulus}y`, `x${'\0'.repeat(32)}y`].map((text) => {
    const hash = new ModuloHash('sha256', modulus)
    hash.update(bytesOfByteString(text))
    return Buffer.from(hash.digest().bytes).toString('hex')
  })
  assert.notEqual(digests[0], digests[1])
})

test('texts are replaced wherever the stream is cut', async () => {
  const rewrites = new Map([['hello', 'HELLO'], ['abc', 'XYZ'], ['ab', 'UV'], ['zzzz', 'yyyy']])
  const text = 'abcabhellohellabzzzzzzzabhello'.repeat(50)
  const expected = rewriteString(text, rewrites)
  assert.equal(rewriteString('abcabhellohellabzzzzzzzabhello', rewrites), 'XYZUVHELLOhellUVyyyyzzzUVHELLO')
  for (const largest of [1, 2, 3, 5, 100]) {
    const pieces: string[] = []
    for await (const piece of rewriteStream(inPieces(bytesOfByteString(text), largest, largest), rewrites)) pieces.push(byteStringOfBytes(piece))
    assert.equal(pieces.join(''), expected)
  }
})

test('replacements tell where they were', () => {
  const positions: number[] = []
  const rewriter = new Rewriter(new Map([['aa', 'bb']]), () => {}, (position) => positions.push(position))
  for (const piece of ['xa', 'aaa', 'a', 'xaa']) rewriter.update(bytesOfByteString(piece))
  rewriter.finish()
  assert.deepEqual(positions, [1, 3, 7])
  assert.throws(() => new Rewriter(new Map([['a', 'bb']]), () => {}), RangeError)
  assert.throws(() => new Rewriter(new Map([['', '']]).set('', 'x'), () => {}), RangeError)
})

test('a stream without anything to replace passes', async () => {
  const pieces: Uint8Array[] = []
  for await (const piece of rewriteStream([Uint8Array.of(1, 2, 3)], new Map())) pieces.push(piece)
  assert.deepEqual(Buffer.concat(pieces), Buffer.of(1, 2, 3))
})
