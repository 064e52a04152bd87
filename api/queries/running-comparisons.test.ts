import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Comparison } from '../../contract/comparison.ts'
import { RunningComparisons } from './running-comparisons.ts'

/** Numbered, so that one sees which was answered. */
function numbered() {
  let [count, now] = [0, 0]
  const comparisons = new RunningComparisons(() => now)
  const compute = (): Promise<Comparison> => Promise.resolve({ evaluation: ++count } as Comparison)
  return { ask: async () => (await comparisons.get('1 0', compute)).evaluation, wait: (milliseconds: number) => { now += milliseconds }, computed: () => count, comparisons }
}

test('one of the last seconds is answered at once, and the next one is computed once meanwhile', async () => {
  const { ask, wait, computed } = numbered()
  assert.equal(await ask(), 1)
  wait(900)
  assert.equal(await ask(), 1)
  wait(1000)
  assert.deepEqual(await Promise.all([ask(), ask(), ask()]), [1, 1, 1])
  assert.equal(computed(), 2)
  assert.equal(await ask(), 2)
})

test('who comes after a pause waits for a new one, which many share', async () => {
  const { ask, wait, computed } = numbered()
  assert.equal(await ask(), 1)
  wait(6000)
  assert.deepEqual(await Promise.all([ask(), ask(), ask()]), [2, 2, 2])
  assert.equal(computed(), 2)
})

test('what could not be computed is not kept', async () => {
  const { ask, wait, comparisons } = numbered()
  await assert.rejects(comparisons.get('1 0', () => Promise.reject(new Error('no database'))), /no database/)
  assert.equal(await ask(), 1)
  wait(2000)
  assert.equal((await comparisons.get('1 0', () => Promise.reject(new Error('no database')))).evaluation, 1)
  await new Promise(setImmediate)
  assert.equal(await ask(), 2)
})
