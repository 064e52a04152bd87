import assert from 'node:assert/strict'
import { test } from 'node:test'
import { layOut, NODE_HEIGHT } from './layout.ts'

const nodes = (count: number) => Array.from({ length: count }, (_, id) => ({ id, width: 100 + (id % 5) * 20 }))

test('inputs lie at the left of what needs them, and nodes that stand alone in rows below', () => {
  const { places, edges, width, height } = layOut({ id: 1, nodes: nodes(40), edges: [[0, 1], [1, 2], [3, 2]], width: 900 })
  assert.equal(places.size, 40)
  const at = (id: number): readonly [number, number] => places.get(id)!
  assert.ok(at(0)[0] < at(1)[0] && at(1)[0] < at(2)[0] && at(3)[0] < at(2)[0])
  const lowest = Math.max(...[0, 1, 2, 3].map((id) => at(id)[1]))
  const alone = nodes(40).slice(4)
  assert.ok(alone.every(({ id }) => at(id)[1] > lowest))
  assert.ok(new Set(alone.map(({ id }) => at(id)[1])).size <= 9, 'rows, not a column')
  for (const { id, width: own } of nodes(40)) {
    assert.ok(at(id)[0] - own / 2 >= 0 && at(id)[0] + own / 2 <= width && at(id)[1] - NODE_HEIGHT / 2 >= 0 && at(id)[1] + NODE_HEIGHT / 2 <= height, `node ${id} lies within`)
    for (const other of nodes(40).slice(id + 1)) {
      const apart = Math.abs(at(id)[0] - at(other.id)[0]) >= (own + other.width) / 2 || Math.abs(at(id)[1] - at(other.id)[1]) >= NODE_HEIGHT
      assert.ok(apart, `${id} and ${other.id} don't overlap`)
    }
  }
  assert.ok(edges.every(({ points }) => points.length >= 2))
})

test('a graph may be nothing but single nodes, or nothing', () => {
  assert.equal(layOut({ id: 1, nodes: nodes(3), edges: [], width: 900 }).places.size, 3)
  assert.equal(layOut({ id: 1, nodes: [], edges: [], width: 900 }).places.size, 0)
})
