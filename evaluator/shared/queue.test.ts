import assert from 'node:assert/strict'
import { test } from 'node:test'
import { JobQueue, type Memory } from './queue.ts'

const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i)

/** What each of the processes gets, where `turns` says who asks. */
function taken(queue: JobQueue<number>, turns: readonly number[]): number[] {
  return turns.map((process) => queue.take(process)!)
}

test('two processes begin at the ends and meet', () => {
  const queue = new JobQueue<number>(2)
  queue.add(0, numbers(6))
  assert.deepEqual(taken(queue, [0, 1, 0, 0, 1, 0]), [0, 5, 1, 2, 4, 3])
  assert.equal(queue.take(0), undefined)
  assert.equal(queue.take(1), undefined)
})

test('pairs have parts of their own, and help where the most is left', () => {
  const queue = new JobQueue<number>(4)
  queue.add(0, numbers(8))
  assert.deepEqual(taken(queue, [0, 1, 2, 3]), [0, 3, 4, 7])
  assert.deepEqual(taken(queue, [0, 1, 0, 1]), [1, 2, 6, 5])
  assert.equal(queue.size, 0)
})

test('what a process had before it gets again, the same end first, and gives away where it meets the other', () => {
  const first = new JobQueue<number>(2)
  first.add(0, numbers(8))
  const memory = new Map<number, Memory>()
  for (const process of [0, 1, 1, 0, 1, 1, 1, 0]) memory.set(first.take(process)!, { process, milliseconds: 0 })
  const second = new JobQueue<number>(2, (item) => memory.get(item))
  second.add(0, numbers(8))
  assert.deepEqual(taken(second, [1, 1, 0, 1]), [7, 6, 0, 5])
  assert.deepEqual(taken(second, [0, 0]), [1, 2])
  assert.equal(second.take(0, true), undefined)
  assert.deepEqual(taken(second, [0, 0]), [3, 4])
  assert.equal(second.size, 0)
})

test('what took a process long before it begins with, and the rest keeps its order', () => {
  const queue = new JobQueue<number>(2, (item) => ({ process: item < 4 ? 0 : 1, milliseconds: [0, 0, 100, 0, 0, 900, 0, 50][item]! }))
  queue.add(0, numbers(8))
  assert.deepEqual(taken(queue, [0, 0, 0, 0, 1, 1, 1, 1]), [2, 0, 1, 3, 5, 7, 6, 4])
})

test('what is new goes to whoever had its neighbour', () => {
  const queue = new JobQueue<number>(2, (item) => [{ process: 0, milliseconds: 0 }, undefined, { process: 1, milliseconds: 0 }, undefined][item])
  queue.add(0, numbers(4))
  assert.deepEqual(taken(queue, [1, 1, 0, 0]), [3, 2, 0, 1])
})

test('what is found, or given back, is next for who found it', () => {
  const queue = new JobQueue<number>(2)
  queue.add(0, numbers(4))
  assert.deepEqual(taken(queue, [0, 1]), [0, 3])
  queue.add(0, [10, 11])
  queue.add(1, [20, 21])
  assert.deepEqual(taken(queue, [0, 1, 0, 1, 0, 1]), [10, 21, 11, 20, 1, 2])
})

test('one process takes everything in order, an odd number of them everything once', () => {
  const alone = new JobQueue<number>(1)
  alone.add(0, numbers(50))
  assert.deepEqual(taken(alone, numbers(50).map(() => 0)), numbers(50))
  const three = new JobQueue<number>(3)
  three.add(0, numbers(50))
  assert.deepEqual(taken(three, numbers(50).map((i) => i % 3)).sort((a, b) => a - b), numbers(50))
  three.clear()
  assert.equal(three.size, 0)
})
