import assert from 'node:assert/strict'
import { test } from 'node:test'
import { byteStringOfBytes, bytesOfByteString } from './bytes.ts'
import { derivationHash, checkOutputPaths, fillOutputPaths, outputPaths, type DerivationHash } from './derivation-hash.ts'
import { derivationPath, derivationReferences, derivationType, parseDerivation, type Derivation } from './derivation.ts'
import { printDerivation } from './derivation-printer.ts'
import { FormatError } from './errors.ts'
import { hashPlaceholder } from './placeholder.ts'
import { damaged } from './testing/fuzz.ts'
import { goldenDerivationPaths, goldenDerivations } from './testing/goldens.ts'

const texts = goldenDerivations()
const paths = goldenDerivationPaths()
const nameOf = (path: string): string => path.slice(44, -'.drv'.length)
const parsed = new Map([...texts].map(([path, text]) => [path, parseDerivation(text, nameOf(path))]))
const get = (attribute: string): Derivation => parsed.get(paths[attribute]!)!
const hashes = new Map<string, DerivationHash>()

function lookup(drvPath: string): DerivationHash {
  const known = hashes.get(drvPath)
  if (known !== undefined) return known
  const hash = derivationHash(parsed.get(drvPath)!, lookup)
  hashes.set(drvPath, hash)
  return hash
}

test('derivations print as they were, and their path follows from their text', () => {
  assert.ok(texts.size >= 19)
  for (const [path, derivation] of parsed) {
    assert.equal(printDerivation(derivation), texts.get(path))
    assert.equal(derivationPath(derivation).toString(), path)
  }
})

test('escapes and bytes that aren\'t ASCII survive', () => {
  const derivation = get('escapes')
  assert.deepEqual(derivation.args, ['-c', 'echo "quoted" \\ $x', '', 'tab\tnewline\nreturn\r'])
  assert.equal(derivation.env.get('trailing'), 'ends with a backslash \\')
  assert.equal(Buffer.from(derivation.env.get('text')!, 'latin1').toString('utf8'), 'quote " backslash \\ newline \n tab \t return \r dollar ${x} umlaut ü kanji 日本')
})

test('output paths are computed from a derivation that lacks them', () => {
  for (const [path, derivation] of parsed) {
    checkOutputPaths(derivation, lookup)
    const blank: Derivation = {
      ...derivation,
      outputs: new Map([...derivation.outputs].map(([name, output]) => [name, output.kind === 'input-addressed' ? { kind: 'deferred' } : output])),
      env: new Map([...derivation.env].map(([name, value]) => [name, derivation.outputs.get(name)?.kind === 'input-addressed' ? '' : value])),
    }
    assert.equal(printDerivation(fillOutputPaths(blank, lookup)), texts.get(path), path)
  }
})

test('types', () => {
  const types = ['plain', 'outputs', 'flat', 'floating', 'onFloating', 'impure', 'floatingOnFloating'].map((attribute) => derivationType(get(attribute)))
  assert.deepEqual(types, ['input-addressed', 'input-addressed', 'fixed', 'floating', 'deferred', 'impure', 'floating'])
  const [input, fixed] = [get('plain').outputs.get('out')!, get('flat').outputs.get('out')!]
  const floating = get('floating').outputs.get('out')!
  for (const outputs of [[], [['out', input], ['b', fixed]], [['b', fixed]], [['out', fixed], ['b', fixed]], [['out', floating], ['b', get('floatingFlat').outputs.get('out')!]]] as [string, typeof input][][]) {
    assert.throws(() => derivationType({ ...get('plain'), outputs: new Map(outputs) }), FormatError)
  }
})

test('two downloads of one content give their users one output path', () => {
  assert.notEqual(paths['flat'], paths['flatOther'])
  assert.notEqual(paths['user'], paths['userOther'])
  assert.deepEqual([...outputPaths(get('user')).values()], [...outputPaths(get('userOther')).values()])
  assert.equal(lookup(paths['user']!).base16, lookup(paths['userOther']!).base16)
})

test('what isn\'t known before a build has no path', () => {
  assert.deepEqual([...outputPaths(get('onFloating'))], [['doc', undefined], ['out', undefined]])
  assert.equal(lookup(paths['onFloating']!).deferred, true)
  assert.equal(get('floatingFlat').env.get('self'), hashPlaceholder('out'))
})

test('references are inputs, sorted', () => {
  const references = derivationReferences(get('source'))
  assert.equal(references.length, 2)
  assert.deepEqual(references, [...references].sort())
  assert.ok(derivationReferences(get('ofDerivation')).includes(paths['plain']!))
})

test('wrong output paths are noticed', () => {
  const derivation = get('user')
  const other = { kind: 'input-addressed', path: [...outputPaths(get('plain')).values()][0]! } as const
  assert.throws(() => checkOutputPaths({ ...derivation, outputs: new Map([['out', other]]) }, lookup), /incorrect output/)
  assert.throws(() => checkOutputPaths({ ...derivation, env: new Map([...derivation.env, ['out', other.path]]) }, lookup), /incorrect environment variable/)
  assert.throws(() => checkOutputPaths({ ...derivation, outputs: new Map([['out', { kind: 'deferred' }]]) }, lookup), /of kind deferred, should be input-addressed/)
  assert.throws(() => checkOutputPaths({ ...derivation, inputDerivations: new Map([[paths['plain']!, ['nothing']]]) }, lookup), /no such output/)
})

test('a fixed output whose path does not follow from its hash is rejected', () => {
  const text = texts.get(paths['flat']!)!
  const path = get('flat').outputs.get('out')!
  assert.ok('path' in path)
  assert.throws(() => parseDerivation(text.replace(path.path, paths['plain']!), 'flat.tar.gz'), /does not match its content address/)
  assert.throws(() => parseDerivation(text, 'another-name'), /does not match its content address/)
})

test('maps in any order print sorted', () => {
  const derivation = get('both')
  const shuffled: Derivation = {
    ...derivation,
    inputDerivations: new Map([...derivation.inputDerivations].reverse().map(([path, outputs]) => [path, [...outputs].reverse()])),
    env: new Map([...derivation.env].reverse()),
  }
  assert.equal(printDerivation(shuffled), texts.get(paths['both']!))
})

test('dynamic inputs are read and printed', () => {
  const drv = paths['plain']!
  const text = `DrvWithVersion("xp-dyn-drv",[("out","","","")],[("${drv}",(["out"],[("dyn",["a","b"]),("more",([],[("deep",["c"])]))]))],[],"s","b",[],[])`
  const derivation = parseDerivation(text, 'x')
  assert.deepEqual(derivation.dynamicInputs?.get(drv)?.get('dyn')?.outputs, ['a', 'b'])
  assert.deepEqual(derivation.inputDerivations.get(drv), ['out'])
  assert.equal(printDerivation(derivation), text)
  assert.throws(() => parseDerivation(text.replace('xp-dyn-drv', 'xp-other'), 'x'), /unknown derivation format version/)
  assert.throws(() => parseDerivation(text.replace('DrvWithVersion("xp-dyn-drv",', 'Derive('), 'x'), FormatError)
  const deep = `${'([],[("a",'.repeat(5000)}["x"]${')])'.repeat(5000)}`
  assert.throws(() => parseDerivation(`DrvWithVersion("xp-dyn-drv",[("out","","","")],[("${drv}",${deep})],[],"s","b",[],[])`, 'x'), /nested too deeply/)
})

test('malformed derivations are rejected with a FormatError', () => {
  const text = texts.get(paths['plain']!)!
  const cases = [
    '', 'D', 'Derive', 'Derive()', 'Derive([])', `${text} `, `${text}x`, text.replace('Derive', 'derive'), text.replace(']', ',]'), text.replace('],[', ']['), text.replace('[]', '["\\'),
    text.replace('"out"', '"out'), text.replace('[]', '["/etc/passwd"]'), text.replace('[]', '["a" "b"]'), text.replace('[]', `[("${paths['flat']!}",[])]`),
    text.replace('"",""', '"sha256",""'), text.replace('"",""', '"","00"'), text.replace('"",""', '"md6","00"'), text.replace('"",""', '"r:sha256","00"'), text.replace('"",""', '"sha256","impure"'),
  ]
  for (const bad of cases) assert.throws(() => parseDerivation(bad, 'plain'), FormatError, bad)
})

test('damaged derivations give a FormatError or a derivation that prints as it was read', () => {
  let accepted = 0
  for (const attribute of ['escapes', 'both', 'flatSha512', 'floating']) {
    const path = paths[attribute]!
    for (const bytes of damaged(bytesOfByteString(texts.get(path)!), 400)) {
      try {
        const derivation = parseDerivation(byteStringOfBytes(bytes), nameOf(path))
        printDerivation(derivation)
        accepted++
      } catch (error) {
        if (!(error instanceof FormatError)) throw error
      }
    }
  }
  assert.ok(accepted > 0, 'some damage is within strings')
})
