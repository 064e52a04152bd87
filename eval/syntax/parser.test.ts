/**
 * The parser against what Nix 2.26 printed for `nix-instantiate --parse` (testdata/parse.json; in messages, tokens are named as later
 * versions do), and what no golden shows: positions, long chains, other sources of lines.
 */
import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import type { Expression } from './ast.ts'
import { ParseError } from './errors.ts'
import { parse, type ParseOptions } from './parser.ts'
import { lineAndColumn, lineText } from './position.ts'
import { printExpression } from './print.ts'
import { findUndefinedVariable } from './scope.ts'

interface Golden {
  readonly source: string
  readonly output?: string
  readonly error?: string
  /** Line and column. */
  readonly at?: string | null
}

const GOLDENS = JSON.parse(readFileSync(new URL('./testdata/parse.json', import.meta.url), 'utf8')) as readonly Golden[]
const GLOBALS = new Set(['true', 'false', 'null', 'builtins', 'map', 'import', 'derivation', '__add', '__sub', '__mul', '__div', '__lessThan', '__findFile', '__nixPath'])

const bytes = (text: string): string => Buffer.from(text, 'utf8').toString('latin1')
const text = (byteString: string): string => Buffer.from(byteString, 'latin1').toString('utf8')

function parsed(source: string, options: Partial<ParseOptions> = {}): Expression {
  return parse({ origin: { kind: 'stdin' }, text: bytes(source) }, { basePath: '/', homePath: '/home/user', ...options }).expression
}

function result(source: string): Golden {
  const place = (position: number): string => {
    const { line, column } = lineAndColumn(bytes(source), position)
    return `${line}:${column}`
  }
  try {
    const expression = parsed(source)
    const unknown = findUndefinedVariable(expression, (name) => GLOBALS.has(name))
    if (unknown !== undefined) return { source, error: `undefined variable '${text(unknown.name)}'`, at: place(unknown.position) }
    return { source, output: text(printExpression(expression)) }
  } catch (error) {
    if (!(error instanceof ParseError)) throw error
    return { source, error: text(error.message), at: error.position === undefined ? null : place(error.position) }
  }
}

describe('as Nix prints', () => {
  for (const golden of GOLDENS) test(JSON.stringify(golden.source), () => assert.deepEqual(result(golden.source), golden))
})

describe('chains', () => {
  const long = 100_000
  const cases: Readonly<Record<string, string>> = {
    'operators to the left': Array(long).fill('1').join(' + '),
    'operators to the right': Array(long).fill('[ ]').join(' ++ '),
    'functions': `${'a: '.repeat(long)}a`,
    'conditions': `${'if true then 1 else '.repeat(long)}2`,
    'bindings': `${'let a = 1; in '.repeat(long)}a`,
    'assertions': `${'assert true; '.repeat(long)}1`,
    'elements': `[ ${'1 '.repeat(long)}]`,
    'negations': `${'!'.repeat(long)}true`,
    'pipes': `1${' |> import'.repeat(long)}`,
  }
  for (const [name, source] of Object.entries(cases)) {
    test(name, () => assert.equal(typeof parsed(source, { pipeOperators: true }).kind, 'string'))
  }

  test('nesting beyond the stack is an error, not a crash', () => {
    assert.throws(() => parsed(`${'('.repeat(200_000)}1`), /nested too deeply|unexpected end of file/)
  })
})

describe('positions', () => {
  test('of a call, its callee; of an operator, the operator; of a string, its first part', () => {
    const expression = parsed('x: f: (f x) + "a${x}"')
    assert.ok(expression.kind === 'lambda' && expression.body.kind === 'lambda')
    const sum = expression.body.body
    assert.ok(sum.kind === 'binary')
    assert.deepEqual([sum.position, sum.leftPosition, sum.rightPosition, sum.left.position, sum.right.position], [12, 6, 14, 7, 15])
    assert.ok(sum.right.kind === 'interpolation')
    assert.deepEqual(sum.right.partPositions, [15, 16])
  })

  test('lines end with LF, CR LF or CR', () => {
    const source = 'a\r\nb\rc\nd'
    assert.deepEqual([0, 3, 5, 7].map((offset) => lineAndColumn(source, offset).line), [1, 2, 3, 4])
    assert.deepEqual([1, 2, 3, 4, 5].map((line) => lineText(source, line)), ['a', 'b', 'c', 'd', undefined])
  })
})

describe('settings', () => {
  test('pipe operators are errors unless enabled', () => {
    assert.throws(() => parsed('1 |> import'), /experimental Nix feature 'pipe-operators' is disabled/)
    assert.equal(printExpression(parsed('1 |> import', { pipeOperators: true })), '(import 1)')
    assert.equal(printExpression(parsed('import <| import <| 1', { pipeOperators: true })), '(import (import 1))')
  })

  test('no home folder in pure mode', () => {
    assert.throws(() => parsed('~/a', { pure: true }), /can not be resolved in pure mode/)
  })

  test('lints warn or fail', () => {
    const warnings: string[] = []
    parsed('http://example.com', { lints: { urlLiterals: 'warn' }, warn: (message) => warnings.push(message) })
    assert.deepEqual(warnings, ['URL literals are discouraged. Consider using a string literal "http://example.com" instead (lint-url-literals)'])
    assert.throws(() => parsed('a/b', { lints: { shortPathLiterals: 'fatal' } }), /should be prefixed with '\.'/)
  })

  test('`f or` as an argument is warned about', () => {
    const warnings: string[] = []
    parsed('f: x: [ f or x ]', { warn: (message) => warnings.push(message) })
    assert.match(warnings.join('\n'), /^at \S+:1:9: This expression uses `or` as an identifier[^]*\(f or\)/)
  })
})

test('names of functions are those of their bindings, on every level', () => {
  const set = parsed('{ f = a: b: c: 1; }')
  assert.ok(set.kind === 'attributes')
  const [binding] = set.bindings.static
  assert.ok(binding?.kind === 'plain' && binding.value.kind === 'lambda' && binding.value.body.kind === 'lambda')
  assert.deepEqual([binding.value.name, binding.value.body.name], ['f', 'f'])
})
