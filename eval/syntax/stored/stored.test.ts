import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { byteStringOfBytes } from '../../../nix/bytes.ts'
import { Evaluator, type SyntaxStore } from '../../evaluator.ts'
import { MemoryIO } from '../../memory-io.ts'
import { SETTINGS } from '../../testing/worlds.ts'
import type { Expression } from '../ast.ts'
import { ParseError } from '../errors.ts'
import { parse } from '../parser.ts'
import { FORMAT } from './format.ts'
import { readSyntax } from './reader.ts'
import { writeSyntax } from './writer.ts'

const ROOT = join(import.meta.dirname, '../../..')

function expressionOf(text: string): Expression {
  return parse({ origin: { kind: 'string' }, text }, { basePath: '/folder', homePath: '/home', pure: false, pipeOperators: true }).expression
}

/** Some files are there to be wrong. */
function isRight(text: string): boolean {
  try {
    expressionOf(text)
    return true
  } catch (error) {
    if (error instanceof ParseError) return false
    throw error
  }
}

function written(text: string): Uint8Array {
  const bytes = writeSyntax(expressionOf(text))
  assert.ok(bytes !== undefined)
  return bytes
}

/** Plain objects, with all that is stored in place of what reads it; `parts` counts these. */
function plain(node: unknown, parts: { count: number }): unknown {
  if (typeof node !== 'object' || node === null) return node
  if (Array.isArray(node)) return node.map((item) => plain(item, parts))
  const stored = node as Expression
  if (stored.kind === 'stored') {
    parts.count++
    const inner = stored.read()
    assert.equal(inner.position, stored.position)
    return plain(inner, parts)
  }
  // of bindings, what the parser keeps for itself is no part of the syntax
  const { index: _index, ...fields } = node as Record<string, unknown>
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, plain(value, parts)]))
}

function assertSame(text: string): number {
  const parts = { count: 0 }
  assert.deepEqual(plain(readSyntax(written(text)), parts), plain(expressionOf(text), { count: 0 }))
  return parts.count
}

const EVERY_KIND: readonly string[] = [
  '1', '9223372036854775807', '1.5', '-0.0', '1.7976931348623157e308', '"a"', '"a${b}c${"d"}"', '\'\'\n  a\n   ${b}\n  c\'\'', './a', '/a/../b', '~/a', './a/${b}/c', '<nixpkgs/lib>', 'http://a.b/c',
  'a', 'a.b.c', 'a.b or c', 'a."b ${c}".${d}', 'f or', 'a ? b', 'a ? b.${c}', '{ }', 'rec { }', '{ a = 1; b.c = 2; b.d = 3; "e" = 4; ${f} = 5; }', 'rec { inherit a; inherit (b) c d; inherit (e f) g; }', 'let { body = 1; }',
  '[ ]', '[ 1 (a b) c.d [ ] ]', 'a: a', 'a: b: c: a', '{ }: 1', '{ a, b ? a, ... }: a', '{ a ? { b = 1; } }@all: a', 'all@{ ... }: all', '{ f = x: y: x; }', 'f a b c', '(f a) b', 'let a = 1; b = a; in a', 'with a; b', 'with { b = 1; c = 2; d = 3; }; b',
  'if a then b else if c then d else e', 'assert a; b', '!a', '-a', 'a + b + c', '(a) + (b)', 'a ++ b ++ c', 'a // b // c', 'a == b', 'a != b', 'a && b || c -> d', 'a < b', 'a >= b', 'a - b * c / d', 'a |> f |> g', 'f <| g <| a',
  '__curPos', '"\\0"'.replace('\\0', '\u00ff\u0001'), '# c\n  a /* d */',
]

test('what is read is what was written, for every kind of syntax', () => {
  for (const text of EVERY_KIND) assertSame(text)
})

test('what is read is what was written, for all files of this repository', () => {
  let parts = 0
  const texts = globSync('{eval,examples,nix,test}/**/*.nix', { cwd: ROOT }).map((file) => byteStringOfBytes(readFileSync(join(ROOT, file)))).filter(isRight)
  assert.ok(texts.length > 30)
  for (const text of texts) parts += assertSame(text)
  assert.ok(parts > 300, `${parts} parts are read later`)
})

test('what was stored before still means what the parser makes: else FORMAT must be raised, and this hash be another', () => {
  const all = createHash('sha256')
  for (const text of EVERY_KIND) all.update(written(text))
  assert.deepEqual({ format: FORMAT, hash: all.digest('hex') }, { format: 1, hash: '0be2c3a925710578b29be2204710c0ec34a111f8c3fd4a70b72a878cc0f39a32' })
})

test('numbers and strings of any size', () => {
  const long = 'x'.repeat(70_000)
  assertSame(`${' '.repeat(3_000_000)}{ ${long} = "${long}"; list = [ ${Array.from({ length: 300 }, (_, i) => `name${i}`).join(' ')} ]; }`)
})

test('a part is read when it is asked for, as often as that is', () => {
  const read = readSyntax(written('{ wanted = f { one = 1; two = 2; three = 3; }; other = g { one = 1; two = 2; three = 3; }; }'))
  assert.ok(read.kind === 'attributes')
  const [wanted, other] = read.bindings.static
  assert.ok(wanted?.kind === 'plain' && wanted.value.kind === 'stored' && other?.kind === 'plain' && other.value.kind === 'stored')
  assert.deepEqual(plain(other.value.read(), { count: 0 }), plain(other.value.read(), { count: 0 }))
  assert.equal(wanted.value.read().kind, 'call')
})

test('what is nested deeply is not stored', () => {
  assert.equal(writeSyntax(expressionOf(`${'['.repeat(2000)}${']'.repeat(2000)}`)), undefined)
  assert.equal(writeSyntax(expressionOf(`1${' + 1'.repeat(2000)}`)), undefined)
})

test('paths of the home folder are those of who evaluates', () => {
  const known = new Map<string, Uint8Array | undefined>()
  const syntax: SyntaxStore = { find: (_, folders) => known.get(folders), add: (_, folders, write) => void known.set(folders, write()) }
  const valueAt = (home: string): unknown => {
    const io = new MemoryIO()
    io.environmentVariables.set('HOME', home)
    io.writeFile('/folder/file.nix', Buffer.from('toString ~/a'))
    return new Evaluator({ io, settings: SETTINGS, syntax }).evaluateFile('/folder/file.nix')
  }
  assert.deepEqual(['/one', '/two', '/one'].map(valueAt), ['/one/a', '/two/a', '/one/a'])
  assert.equal(known.size, 2)
})
