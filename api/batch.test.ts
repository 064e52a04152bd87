import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'node:test'
import { batched } from './batch.ts'

test('look-ups that come together are few queries, each key asked once', async () => {
  const asked: string[][] = []
  const find = batched(async (keys: readonly string[]) => {
    asked.push([...keys])
    await sleep(5)
    return new Map(keys.filter((key) => key !== 'absent').map((key) => [key, key.toUpperCase()]))
  })
  const keys = Array.from({ length: 300 }, (_, index) => `k${index % 150}`)
  const answers = await Promise.all([...keys, 'absent'].map(find))
  assert.deepEqual(answers, [...keys.map((key) => key.toUpperCase()), undefined])
  assert.ok(asked.length <= 4, `${asked.length} queries`)
  assert.equal(await find('alone'), 'ALONE')
})

test('a failing query fails those who asked, and nobody later', async () => {
  let failing = true
  const find = batched((keys: readonly string[]) => (failing ? Promise.reject(new Error('no database')) : Promise.resolve(new Map(keys.map((key) => [key, 1])))))
  const results = await Promise.allSettled(['a', 'b', 'c', 'd'].map(find))
  assert.ok(results.every(({ status }) => status === 'rejected'))
  failing = false
  assert.equal(await find('a'), 1)
})
