/** JSON and TOML against what Nix 2.26 gave for `fromJSON` and `fromTOML` (testdata/), and Nix's ways of writing numbers and strings. */
import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import type { ValueBuilder } from './builder.ts'
import { formatJsonFloat, JsonError, parseJson, printJsonString } from './json.ts'
import { formatFloat, formatFloatFixed, printAttributeName, printStringLiteral } from './printing.ts'
import { parseToml, TomlError } from './toml.ts'
import { escapeXml } from './xml.ts'

interface Golden {
  readonly source: string
  /** As `toJSON` prints it; missing where Nix fails. */
  readonly value?: string
  readonly error?: string
}

/** Values are their JSON. */
const AS_JSON: ValueBuilder<string> = {
  null: () => 'null',
  boolean: String,
  integer: String,
  float: formatJsonFloat,
  string: printJsonString,
  list: (values) => `[${values.join(',')}]`,
  attributes: (values) => `{${[...values].sort(([a], [b]) => a < b ? -1 : 1).map(([name, value]) => `${printJsonString(name)}:${value}`).join(',')}}`,
}

const bytes = (text: string): string => Buffer.from(text, 'utf8').toString('latin1')
const text = (byteString: string): string => Buffer.from(byteString, 'latin1').toString('utf8')
const goldens = (name: string): readonly Golden[] => JSON.parse(readFileSync(new URL(`./testdata/${name}.json`, import.meta.url), 'utf8')) as readonly Golden[]

describe('JSON', () => {
  for (const golden of goldens('json')) {
    test(JSON.stringify(golden.source), () => {
      // 2.26 cuts strings at NUL; later versions refuse them, and so do we
      if (golden.source.includes('\\u0000')) return assert.throws(() => parseJson(golden.source, AS_JSON), /null bytes/)
      try {
        assert.equal(text(parseJson(bytes(golden.source), AS_JSON)), golden.value)
      } catch (error) {
        if (!(error instanceof JsonError)) throw error
        assert.equal(text(error.message), golden.error)
      }
    })
  }
  test('nesting needs no stack', () => {
    const depth = 200_000
    assert.equal(parseJson(`${'['.repeat(depth)}${']'.repeat(depth)}`, { ...AS_JSON, list: (values) => values[0] ?? '' }), '')
  })
  test('strings that are not UTF-8 are not written', () => {
    assert.throws(() => printJsonString('a\xff'), /invalid UTF-8 byte at index 1: 0xFF/)
    assert.throws(() => printJsonString('a\xc3'), /incomplete UTF-8 string; last byte: 0xC3/)
    assert.equal(printJsonString('\x01\x7f\xc3\xa9"\\/\n'), '"\\u0001\x7f\xc3\xa9\\"\\\\/\\n"')
  })
})

describe('TOML', () => {
  for (const golden of goldens('toml')) {
    test(JSON.stringify(golden.source), () => {
      if (golden.value === undefined) assert.throws(() => parseToml(bytes(golden.source), AS_JSON), TomlError)
      else assert.equal(text(parseToml(bytes(golden.source), AS_JSON)), golden.value)
    })
  }
  test('timestamps are refused unless asked for', () => {
    assert.throws(() => parseToml('a = 1979-05-27', AS_JSON), /Dates and times are not supported/)
    assert.equal(parseToml('a = 1979-05-27 07:32:00.1234Z', AS_JSON, { timestamps: true }), '{"a":{"_type":"timestamp","value":"1979-05-27T07:32:00.123400Z"}}')
    assert.throws(() => parseToml('a = 1979-02-30', AS_JSON, { timestamps: true }), /no such day/)
  })
  test('errors show the line', () => assert.throws(() => parseToml('a = 1\nb = x', AS_JSON), /2 \| b = x\n {3}\| {5}\^-- here/))
})

test('floats as C prints them', () => {
  const cases: readonly [number, string, string, string][] = [
    [1, '1', '1.000000', '1.0'], [1.5, '1.5', '1.500000', '1.5'], [0.1 + 0.2, '0.3', '0.300000', '0.30000000000000004'], [1e6, '1e+06', '1000000.000000', '1000000.0'],
    [123456, '123456', '123456.000000', '123456.0'], [1234567, '1.23457e+06', '1234567.000000', '1234567.0'], [1e-5, '1e-05', '0.000010', '1e-05'],
    [0.0001, '0.0001', '0.000100', '0.0001'], [-0, '-0', '-0.000000', '-0.0'], [1e100, '1e+100', `1${'0'.repeat(100)}.000000`.replace(/^10*/, String(BigInt(1e100))), '1e+100'],
    [1e15, '1e+15', '1000000000000000.000000', '1e+15'], [999999.5, '1e+06', '999999.500000', '999999.5'], [Infinity, 'inf', 'inf', 'null'],
  ]
  for (const [value, general, fixed, json] of cases) assert.deepEqual([formatFloat(value), formatFloatFixed(value), formatJsonFloat(value)], [general, fixed, json])
})

test('strings and names', () => {
  assert.equal(printStringLiteral('a"\\\n\r\t${x}$y$'), '"a\\"\\\\\\n\\r\\t\\${x}$y$"')
  assert.deepEqual(['a', 'a-b\'', 'if', '1a', '', 'or', 'a b', 'a.b'].map(printAttributeName), ['a', 'a-b\'', '"if"', '"1a"', '""', 'or', '"a b"', '"a.b"'])
  assert.equal(escapeXml('<a b="c">&\n'), '&lt;a b=&quot;c&quot;&gt;&amp;&#xA;')
})
