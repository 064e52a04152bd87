import assert from 'node:assert/strict'
import { test } from 'node:test'
import { warmUp } from './warm-up.ts'

test('what a process warms up with is a whole evaluation without an error', () => {
  const said = new Map<string, number>()
  warmUp((message) => said.set(message.kind, (said.get(message.kind) ?? 0) + (message.kind === 'needs' ? message.needs.length : 1)))
  assert.deepEqual(Object.fromEntries(said), { derivation: 124, job: 82, needs: 80, finished: 1 })
})
