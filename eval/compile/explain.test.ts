import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Evaluator } from '../evaluator.ts'
import { MemoryIO } from '../memory-io.ts'
import { parse } from '../syntax/parser.ts'
import { SETTINGS } from '../testing/worlds.ts'
import { type Explained, explainCompiled } from './explain.ts'

const { globals } = new Evaluator({ io: new MemoryIO(), settings: SETTINGS })

function lines(text: string): string[] {
  const { expression } = parse({ origin: { kind: 'string' }, text }, { basePath: '/', homePath: undefined, pure: false, pipeOperators: true })
  const out: string[] = []
  const walk = (node: Explained, depth: number): void => {
    out.push(`${' '.repeat(depth)}${node.label}${node.detail === undefined ? '' : ` [${node.detail}]`}`)
    for (const child of node.children) walk(child, depth + 1)
  }
  walk(explainCompiled(expression, globals), 0)
  return out
}

test('variables of a let become slots of the running frame; what is not constant becomes a thunk', () => {
  assert.deepEqual(lines('let b = a + 1; a = 2; in b'), [
    'fill slots [frame 0]', ' slot 2 a <-', '  constant [2]', ' slot 1 b <-', '  thunk', '   operator [+]', '    read [a = slot 2]', '    constant [1]', ' then', '  read [b = slot 1]',
  ])
})

test('a chain of functions shares a frame; outer variables are frames up', () => {
  assert.deepEqual(lines('x: y: [ (z: x) ]'), [
    'function [frame 0]', ' slot 1 <- argument [x]', ' slot 2 <- argument [y]', ' body', '  make list', '   function [frame 1]', '    slot 1 <- argument [z]', '    body', '     read [x = slot 1, 1 frame up]',
  ])
})

test('a pattern is taken apart; names that only a with knows are looked up', () => {
  assert.deepEqual(lines('{ a, b ? a, ... }@all: with all; map c'), [
    'function [frame 0]', ' take apart [others allowed]', '  slot 2 <- [a]', '  slot 3 <- [b]', '   otherwise', '    read [a = slot 2]', ' body', '  with [frame 0]', '   slot 4 <-', '    read [all = slot 1]',
    '   then', '    call with 1', '     builtin [map]', '     thunk', '      look up [c in slot 4]',
  ])
})

test('every kind of expression is explained', () => {
  const text = '{ i = 1; f = 1.5; s = "a"; t = "a${s}"; p = /a; q = /a/${"b"}; h = <x>; } // (rec { inherit (a.b or c) d; "${e}" = ! f; g = a ? b."${c}"; }) // (if assert a; b then __curPos else c d [ ] { })'
  assert.ok(lines(text).length > 40)
  assert.ok(lines(text).some((line) => line.includes('undefined [a]')))
})
