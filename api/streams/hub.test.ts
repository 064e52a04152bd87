import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pino } from 'pino'
import type { FarmDatabase } from '../../state/database.ts'
import { ChangeHub } from './hub.ts'

/** The hub needs only what tells it of notifications. */
async function hubWith(): Promise<{ readonly hub: ChangeHub; notify(): void }> {
  let notify: (payload: string) => void = () => undefined
  const database: Pick<FarmDatabase, 'listen'> = {
    listen: (_channel, onPayload) => {
      notify = onPayload
      return Promise.resolve(() => Promise.resolve())
    },
  }
  const hub = new ChangeHub()
  await hub.start(database as FarmDatabase, pino({ level: 'silent' }))
  return { hub, notify: () => notify('') }
}

const never = new AbortController().signal
/** Far longer than a test may take: whoever waits for it has missed a change. */
const LONG = 3_600_000

test('a change that comes while the database is asked is not missed', async () => {
  const { hub, notify } = await hubWith()
  const since = hub.seen()
  notify()
  await hub.change(never, since, LONG)
})

test('who waits hears of a change, and of the next one', async () => {
  const { hub, notify } = await hubWith()
  for (let round = 0; round < 3; round++) {
    const heard = hub.change(never, hub.seen(), LONG)
    notify()
    await heard
  }
})

test('until asks again after each change', async () => {
  const { hub, notify } = await hubWith()
  let asked = 0
  const answer = await hub.until(() => {
    asked++
    if (asked < 4) notify()
    return Promise.resolve(asked === 4 ? 'there' : undefined)
  }, { seconds: LONG / 1000, signal: never })
  assert.equal(answer, 'there')
  assert.equal(asked, 4)
})

test('a signal ends the wait with its reason', async () => {
  const { hub } = await hubWith()
  const controller = new AbortController()
  const waiting = hub.change(controller.signal, hub.seen(), LONG)
  controller.abort(new Error('gone'))
  await assert.rejects(waiting, /abort|gone/i)
})
