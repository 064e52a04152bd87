import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Expression } from './ast.ts'
import { parse } from './parser.ts'
import { matchSyntax } from './same.ts'

function expressionOf(text: string): Expression {
  return parse({ origin: { kind: 'string' }, text }, { basePath: '/', homePath: '/home', pure: false, pipeOperators: true }).expression
}

const match = (first: string, second: string) => matchSyntax(expressionOf(first), expressionOf(second))

test('comments, spaces and parentheses leave a syntax the same, and each part is found again', () => {
  for (const [first, second] of [
    ['a: a', '/* c */ a: # d\n a'], ['{ x = 1; y = "a${b}c"; }', '{\n  x = 1; # one\n  y = "a${ b }c";\n}'], ['null 1', 'null (1)'], ['{ a.b = 1; a.c = 2; }', '{ a.b = 1;\n\n a.c = 2; }'],
    ['\'\'\n  a\n  b\n\'\'', '\'\'\n      a\n      b\n\'\''], ['"\\n"', '"\n"'], ['[ ./a ~/b <c> 1.50 ]', '[\n./a ~/b\n<c> 1.5 ]'], ['1 + 2 + 3', '1+2+3'],
  ] as const) {
    const found = match(first.replaceAll('b', 'null'), second.replaceAll('b', 'null'))
    assert.ok(found !== undefined, `${first} and ${second}`)
  }
  assert.deepEqual(match('let a = 1; in [ a __curPos ]', '# c\nlet a = 1;\n in [ a  __curPos ]'), new Map([[0, 4], [4, 8], [8, 12], [14, 19], [16, 21], [18, 24]]))
})

test('whatever else differs makes another syntax', () => {
  for (const [first, second] of [
    ['1', '2'], ['1', '1.0'], ['"a"', '\'\'b\'\''], ['./a', './b'], ['{ a = 1; }', 'rec { a = 1; }'], ['{ a = 1; b = 2; }', '{ b = 2; a = 1; }'], ['{ a = 1; }', '{ a = 1; b = 2; }'],
    ['{ a, ... }: a', '{ a }: a'], ['{ a ? 1 }: a', '{ a }: a'], ['{ a }@all: a', '{ a }: a'], ['x: x', 'y: y'], ['{ f = x: x; }', '{ f = (x: x); g = 1; }'], ['{ inherit ({ }) a; }', '{ inherit ([ ]) a; }'],
    ['1 + 2', '1 - 2'], ['1 + 2 * 3', '(1 + 2) * 3'], ['"a${toString 1}"', '"a" + "${toString 1}"'], ['{ }.a or 1', '{ }.a'], ['<a>', '<b>'], ['if true then 1 else 2', 'if true then 1 else 3'],
    ['{ "${"a"}" = 1; }', '{ "${"b"}" = 1; }'], ['9007199254740993', '9007199254740992'], ['0.0', '-0.0'], ['"a\\n"', '"a\\r"'],
  ] as const) assert.equal(match(first, second), undefined, `${first} and ${second}`)
})

test('parts that stood at one place and stand at two are not matched', () => {
  // the operand begins at its parenthesis, the variable behind it
  assert.equal(match('let a = 1; in a + 1', 'let a = 1; in (a) + 1'), undefined)
})

test('long chains need no deep stack', () => {
  const chain = `[ ]${' ++ [ ]'.repeat(50_000)}`
  assert.ok(match(chain, `${chain} # c`) !== undefined)
})
