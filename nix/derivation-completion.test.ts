import assert from 'node:assert/strict'
import { test } from 'node:test'
import { byteStringOfBytes } from './bytes.ts'
import { completeDerivation } from './derivation-completion.ts'
import { derivationHash, type DerivationHash } from './derivation-hash.ts'
import { printDerivation, printable, type PrintableDerivation } from './derivation-printer.ts'
import { parseDerivation, type Derivation } from './derivation.ts'
import { goldenDerivations } from './testing/goldens.ts'

const texts = goldenDerivations()
const parsed = new Map([...texts].map(([path, text]) => [path, parseDerivation(text, path.slice(44, -'.drv'.length))]))
const lookup = (path: string): DerivationHash => derivationHash(parsed.get(path)!, lookup)

/** What an expression says of it: no paths of outputs that follow from the rest. */
function draftOf({ env, ...derivation }: Derivation): PrintableDerivation {
  const follows = (name: string): boolean => derivation.outputs.get(name)?.kind === 'input-addressed'
  return printable({
    ...derivation,
    outputs: new Map([...derivation.outputs].map(([name, output]) => [name, follows(name) ? { kind: 'deferred' } : output])),
    env: new Map([...env].map(([name, value]) => [name, follows(name) ? '' : value])),
  })
}

test('derivations are completed as stock Nix does, one after another in the same buffer', () => {
  const all = [...texts].map(([path, text]) => {
    const completed = completeDerivation(draftOf(parsed.get(path)!), lookup)
    assert.equal(completed.drvPath, path)
    assert.deepEqual(completed.hash, lookup(path))
    assert.deepEqual(completed.outputs, printable(parsed.get(path)!).outputs)
    assert.equal(byteStringOfBytes(completed.aterm()), text)
    return completed
  })
  assert.deepEqual(all.map((completed) => byteStringOfBytes(completed.aterm())), [...texts.values()], 'printed again')
})

test('texts larger than the buffers, in their head and their body', () => {
  const plain = [...parsed.values()].find(({ outputs }) => outputs.size > 1 && outputs.get('out')?.kind === 'input-addressed')
  const sources = Array.from({ length: 3000 }, (_, i) => `/nix/store/${'0'.repeat(28)}${String(i).padStart(4, '0')}-source`)
  const inputs = sources.map((source): [string, string[]] => [`${source}.drv`, ['out']])
  const large: Derivation = { ...plain!, inputSources: sources, inputDerivations: new Map(inputs), env: new Map([...plain!.env, ['long', 'x\n'.repeat(200_000)]]) }
  const hashes = (path: string): DerivationHash => ({ base16: path.slice(11, 43).repeat(2), deferred: false, outputs: ['out'] })
  const completed = completeDerivation(draftOf(large), hashes)
  const read = parseDerivation(byteStringOfBytes(completed.aterm()), large.name)
  assert.equal(read.env.get('long'), large.env.get('long'))
  completed.outputs.values.forEach((output, i) => assert.ok(output.kind === 'input-addressed' && read.env.get(completed.outputs.keys[i]!) === output.path))
  assert.deepEqual(completed.hash, derivationHash(read, hashes))
  assert.equal(printDerivation(read), byteStringOfBytes(completed.aterm()))
})

test('a character that is no byte is a bug of the caller', () => {
  const draft = draftOf([...parsed.values()][0]!)
  assert.throws(() => completeDerivation({ ...draft, args: ['\u0100'] }, lookup), RangeError)
})
