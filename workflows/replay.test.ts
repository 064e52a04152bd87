import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import proto from '@temporalio/proto'
import { Worker } from '@temporalio/worker'
import { testCacheFolder } from '../test/support/cache.ts'
import { workflowBundle } from '../worker/bundle.ts'

const HISTORIES = join(import.meta.dirname, 'testing', 'histories')
const names = readdirSync(HISTORIES).filter((name) => name.endsWith('.binpb'))
const bundle = await workflowBundle(testCacheFolder(), { traced: false })

test('the workflows can be bundled, and export the types that histories name', () => {
  assert.match(readFileSync(bundle.codePath, 'utf8'), /evaluation/)
  assert.ok(names.length >= 4)
})

// recorded from a farm in Temporal's own encoding (test/farm/record-histories.ts); a change that makes one fail needs a patch in the workflow
for (const name of names) {
  test(`a recorded history replays: ${name}`, async () => {
    const history = proto.temporal.api.history.v1.History.decode(readFileSync(join(HISTORIES, name)))
    await Worker.runReplayHistory({ workflowBundle: bundle }, history)
  })
}
