import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseContentAddress } from './content-address.ts'
import { derivationOptions } from './derivation-options.ts'
import { parseDerivation } from './derivation.ts'
import { outputPaths } from './derivation-hash.ts'
import { FormatError } from './errors.ts'
import { parseHash } from './hash.ts'
import { formatFloat, isJsonObject, parseJson, printJson, type Json } from './json.ts'
import { formatRegistrations, parseRegistrations } from './registration.ts'
import { parseStructuredAttributes, prepareStructuredAttributes, renderAttributesJson, renderAttributesShell, type ExportedPath } from './structured-attributes.ts'
import { goldenBuilds } from './testing/goldens.ts'

const { structured, graph, texts } = goldenBuilds()

const exported: ExportedPath[] = [...texts].sort((left, right) => (left.path < right.path ? -1 : 1)).map((info) => ({
  path: info.path,
  narHash: parseHash(info.narHash),
  narSize: info.narSize,
  references: info.references,
  closureSize: info.closureSize!,
  contentAddress: parseContentAddress(info.ca!),
}))

/** Nix since 2.24 says of every path that it is valid; 2.8, which wrote the golden, only says where one isn't. */
function withoutValid(value: Json): Json {
  if (Array.isArray(value)) return (value as readonly Json[]).map(withoutValid)
  if (!isJsonObject(value)) return value
  return new Map([...value].filter(([key]) => key !== 'valid').map(([key, item]) => [key, withoutValid(item)]))
}

test('.attrs.sh and .attrs.json are what stock Nix writes', () => {
  const derivation = parseDerivation(structured.derivation, 'structured')
  const options = derivationOptions(derivation)
  assert.deepEqual([...options.exportReferencesGraph.keys()], ['closure'])
  const prepared = prepareStructuredAttributes(options.structuredAttributes!, outputPaths(derivation) as Map<string, string>, new Map([['closure', exported]]))
  assert.equal(renderAttributesShell(prepared), structured.shell)
  assert.equal(printJson(withoutValid(parseJson(renderAttributesJson(prepared)))), structured.json)
})

test('what a shell can\'t hold is left out', () => {
  const shell = (attributes: object): string => renderAttributesShell(parseStructuredAttributes(Buffer.from(JSON.stringify(attributes)).toString('latin1')))
  assert.equal(shell({ a: { b: {} }, c: [[1]], 'd-e': 1, f: 1.5, g: [1.5], '1h': 1 }), '')
  assert.equal(shell({ b: 2, a: 1 }), 'declare a=1\ndeclare b=2\n')
  assert.equal(shell({ a: [null, true, false] }), 'declare -a a=(\'\' 1  )\n')
})

test('JSON keeps 64-bit integers and prints floats as nlohmann does', () => {
  for (const text of ['9007199254740993', '-9223372036854775808', '18446744073709551615', '0', '1.5', '-0.0', '1e-07', '1e+20', '123456789012345.0', '1.5e+300', '0.0001', '1e-05', '{"a":[],"b":{}}', '"\\u0001\\n\\"é"'].map((item) => Buffer.from(item).toString('latin1'))) {
    assert.equal(printJson(parseJson(text)), text)
  }
  assert.equal(printJson(parseJson('{"b":1,"a":2,"b":3}')), '{"a":2,"b":3}')
  assert.equal(printJson(parseJson('18446744073709551616')), '1.8446744073709552e+19')
  assert.equal(printJson(parseJson('1.0')), '1.0')
  assert.equal(printJson(parseJson('"\\ud834\\udd1e\\u00e9"')), Buffer.from('"𝄞é"').toString('latin1'))
  assert.equal(printJson(parseJson('{"\\uffff":1,"\\ud834\\udd1e":2}')).indexOf('1') < 8, true, 'sorted by UTF-8, not by UTF-16')
  assert.deepEqual([0.1, 100, 1e15, 1e14, 1e-4, 5e-324].map(formatFloat), ['0.1', '100.0', '1e+15', '100000000000000.0', '0.0001', '5e-324'])
})

test('malformed JSON is rejected with a FormatError', () => {
  const cases = ['', '{', '[1,]', '{"a":1,}', '{a:1}', '01', '1.', '.5', '+1', 'nul', 'true false', '"', '"\n"', '"\\x"', '[1 2]', '1e400', '\xff', '"\xc3"', 'NaN', '[' .repeat(5000), '{"a":'.repeat(5000)]
  for (const text of cases) assert.throws(() => parseJson(text), FormatError, text.slice(0, 20))
})

test('the file of exportReferencesGraph is what stock Nix writes', () => {
  assert.equal(formatRegistrations(exported, false), graph.content)
  assert.deepEqual(parseRegistrations(graph.content!, false).map(({ path }) => path), exported.map(({ path }) => path))
})

test('registrations with hashes are read back', () => {
  const registrations = exported.map(({ path, narHash, narSize, references }) => ({ path, narHash, narSize, references: [...references], deriver: structured.drvPath }))
  const text = formatRegistrations(registrations, true)
  assert.deepEqual(parseRegistrations(text, true), registrations)
  for (const bad of [text.slice(0, -1), text.slice(0, -60), `${text}x\n`, text.replace(/\n\d+\n/, '\n-1\n'), text.replace(/\n\d+\n/, '\n99999999999999999999\n'), text.replace('/nix/', '/gnu/')]) {
    assert.throws(() => parseRegistrations(bad, true), FormatError)
  }
})
