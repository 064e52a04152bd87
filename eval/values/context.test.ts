import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ContextBuilder, singleContext } from './context.ts'

const element = (i: number) => singleContext('opaque', `/nix/store/${i}`)

test('references that are equal are one object', () => {
  assert.equal(singleContext('built', '/nix/store/a.drv', 'out'), singleContext('built', '/nix/store/a.drv', 'out'))
  const all = [singleContext('built', '/nix/store/a.drv', 'out'), singleContext('built', '/nix/store/a.drv', 'dev'), singleContext('deep', '/nix/store/a.drv'), singleContext('opaque', '/nix/store/a.drv')]
  assert.equal(new Set(all).size, 4)
})

test('builders that are at work at the same time each gather their own, every element once', () => {
  const [first, second] = [new ContextBuilder(), new ContextBuilder()]
  for (const i of [3, 1, 2, 1, 3]) {
    first.add(element(i))
    second.add(element(i))
    second.add(element(i + 1))
  }
  const paths = (builder: ContextBuilder) => builder.build()!.elements.map(({ path }) => path).sort()
  assert.deepEqual(paths(first), ['/nix/store/1', '/nix/store/2', '/nix/store/3'])
  assert.deepEqual(paths(second), ['/nix/store/1', '/nix/store/2', '/nix/store/3', '/nix/store/4'])
  const ids = first.build()!.elements.map(({ id }) => id)
  assert.deepEqual(ids, [...ids].sort((a, b) => a - b))
})

test('a builder of nothing, and of one context', () => {
  const builder = new ContextBuilder()
  assert.equal(builder.build(), undefined)
  builder.add(undefined)
  builder.add(element(1))
  builder.add(element(1))
  assert.equal(builder.build(), element(1))
})
