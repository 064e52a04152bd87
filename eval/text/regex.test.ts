/** Regular expressions against what libstdc++'s std::regex (extended grammar, in a program of a few lines) gave: testdata/regex.json. */
import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { compileRegex, RegexError } from './regex.ts'

interface Golden {
  readonly pattern: string
  readonly text: string
  /** `N` or `M` with the groups of a whole match, then `start:length` and groups of each match found; or `E`. */
  readonly result: string
}

const GOLDENS = JSON.parse(readFileSync(new URL('./testdata/regex.json', import.meta.url), 'utf8')) as readonly Golden[]

function show(groups: readonly (string | undefined)[]): string {
  return groups.map((group) => group === undefined ? '-' : `<${group}>`).join('')
}

function result(pattern: string, text: string): string {
  try {
    const regex = compileRegex(pattern)
    const whole = regex.match(text)
    let shown = whole === undefined ? 'N' : `M${show(whole)}`
    for (const { start, end, groups } of regex.matches(text)) shown += ` ${start}:${end - start}${show(groups)}`
    return shown
  } catch (error) {
    if (!(error instanceof RegexError)) throw error
    return error.reason === 'space' ? 'E1' : 'E0'
  }
}

test('as libstdc++ matches', () => {
  for (const golden of GOLDENS) {
    const bytes = (text: string): string => Buffer.from(text, 'utf8').toString('latin1')
    assert.deepEqual({ ...golden, result: Buffer.from(result(bytes(golden.pattern), bytes(golden.text)), 'latin1').toString('utf8') }, golden)
  }
})

describe('large texts', () => {
  const big = 'abc def\n'.repeat(20_000)
  test('what backtracks exponentially elsewhere ends', () => {
    assert.equal(compileRegex('(a*)*b').match('a'.repeat(3000)), undefined)
    assert.equal(compileRegex('(a+)+b').match('a'.repeat(3000)), undefined)
    assert.equal(compileRegex('(a|aa)+$').match(`${'a'.repeat(3000)}b`), undefined)
    assert.equal(compileRegex('.*x.*y.*z').match(big), undefined)
  })
  test('nothing recurses', () => {
    assert.equal([...compileRegex('(abc|def)').matches(big)].length, 40_000)
    assert.equal([...compileRegex('\n').matches(big)].length, 20_000)
    assert.deepEqual(compileRegex('((a)|(b))*').match('ab'.repeat(20_000)), ['b', 'a', 'b'])
  })
})

test('too large an expression is told from a wrong one', () => {
  assert.throws(() => compileRegex('((a{100}){100}){100}'), (error) => error instanceof RegexError && error.reason === 'space')
  assert.throws(() => compileRegex('(a'), (error) => error instanceof RegexError && error.reason === 'syntax')
})
