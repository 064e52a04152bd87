import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type RunningService, supervise } from './supervise.ts'

/** A service that ends when told to; counts its starts. */
function service(failures: readonly number[] = []) {
  let starts = 0
  const running: { end: (how: string) => void, stopped: boolean }[] = []
  return {
    running,
    get starts() { return starts },
    name: 'thing',
    start: async (): Promise<RunningService> => {
      starts++
      if (failures.includes(starts)) throw new Error(`start ${starts} failed`)
      const exited = Promise.withResolvers<string>()
      const state = { end: exited.resolve, stopped: false }
      running.push(state)
      return { pid: starts, exited: exited.promise, stop: async () => { state.stopped = true; exited.resolve('stopped') } }
    },
  }
}

async function until(condition: () => boolean): Promise<void> {
  for (const end = Date.now() + 5000; !condition();) {
    assert.ok(Date.now() < end, 'it did not happen')
    await new Promise((resume) => setTimeout(resume, 10))
  }
}

describe('supervise', () => {
  it('starts a service again each time it ends, and waits longer each time', async () => {
    const thing = service()
    const waits: number[] = []
    const restarts: number[] = []
    const supervised = await supervise(thing, { started: (_, __, count) => restarts.push(count), ended: (_, __, wait) => waits.push(wait) })
    thing.running[0]!.end('crashed')
    await until(() => thing.starts === 2)
    thing.running[1]!.end('crashed')
    await until(() => thing.starts === 3)
    await supervised.stop()
    assert.deepEqual(waits, [0.2, 0.4])
    assert.deepEqual(restarts, [0, 1, 2])
    assert.equal(thing.running[2]!.stopped, true)
  })

  it('goes on trying where a restart fails, but not where the first start does', async () => {
    const thing = service([2])
    const said: string[] = []
    const supervised = await supervise(thing, { ended: (_, how) => said.push(how) })
    thing.running[0]!.end('crashed')
    await until(() => thing.starts === 3)
    await supervised.stop()
    assert.deepEqual(said, ['crashed', 'start 2 failed'])
    await assert.rejects(supervise(service([1]), {}), /start 1 failed/)
  })

  it('does not start what it was told to stop', async () => {
    const thing = service()
    const supervised = await supervise(thing, {})
    thing.running[0]!.end('crashed')
    await supervised.stop()
    await new Promise((resume) => setTimeout(resume, 400))
    assert.equal(thing.starts, 1)
  })
})
