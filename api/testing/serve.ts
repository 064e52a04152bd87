/**
 * Serves the API with something of everything in it, for tools that probe it from outside (test/conformance/api-schemathesis.sh).
 * Prints its address and runs until SIGTERM. Evaluations that come in are cancelled at once, since nobody evaluates them: so
 * what waits for one ends.
 */
import { readFileSync } from 'node:fs'
import { setInterval } from 'node:timers/promises'
import { cancelEvaluation } from '../../state/cancel.ts'
import { addLogChunk } from '../../state/logs.ts'
import { registerWorker } from '../../state/workers.ts'
import { startTestApi, stopTemporal } from './api.ts'
import { addAttempt, addEvaluation, addInput, addJob, addNode } from './farm-rows.ts'

const farm = await startTestApi()
const { database: { db }, motion } = farm.dependencies
const cause = { kind: 'builder-failed', exitCode: 1 } as const

await registerWorker(db, { id: 'w1', host: 'here', systems: ['x86_64-linux'], features: ['kvm'], slots: 2 })
for (let round = 0; round < 3; round++) {
  const leaf = await addNode(db, { name: 'leaf', state: 'failed', outcome: { status: 'failed', cause, cached: true, logTail: ['it broke'] } })
  const top = await addNode(db, { name: 'top', state: 'failed', outcome: { status: 'failed', cached: false, cause: { kind: 'dependency-failed', node: leaf.key, buildId: leaf.id, name: 'leaf', cause } } })
  const done = await addNode(db, { name: 'done', kind: 'fetch', state: 'succeeded', outcome: { status: 'succeeded', how: 'fetched' } })
  await addInput(db, top.key, leaf.key)
  await addInput(db, top.key, done.key)
  const attempt = await addAttempt(db, leaf.id, { ended: true, outcome: { status: 'failed', cause, cached: true } })
  await addLogChunk(db, attempt, 0, 0, Buffer.from('one\ntwo\nit broke\n'))
  const evaluation = await addEvaluation(db, 'failed')
  await addJob(db, evaluation, 'top', top)
  await addJob(db, evaluation, 'done', done)
  await addJob(db, evaluation, 'wrong', { error: 'undefined variable \'x\'' })
}
const uploaded = await fetch(`${farm.api.url}/api/v1/derivations`, {
  method: 'POST', headers: { 'content-type': 'application/x-nix-export' }, body: new Uint8Array(readFileSync(new URL('../uploads/testdata/top.export', import.meta.url))),
})
if (!uploaded.ok) throw new Error(`the upload of the example failed: ${await uploaded.text()}`)
process.stdout.write(`${farm.api.url}\n`)

const stopping = new AbortController()
process.once('SIGTERM', () => stopping.abort())
process.once('SIGINT', () => stopping.abort())
try {
  for await (const _ of setInterval(200, undefined, { signal: stopping.signal })) {
    const unfinished = await db.selectFrom('evaluation').select('id').where('state', 'not in', ['succeeded', 'failed', 'cancelled']).execute()
    for (const { id } of unfinished) await cancelEvaluation(db, motion, id).catch(() => undefined)
  }
} catch (error) {
  if (!stopping.signal.aborted) throw error
}
await farm.close()
await stopTemporal()
process.exit(0)
