import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { logTail, startChild } from './child.ts'
import { endProcess, identityOf, isAlive, lockHome, readFarmState, runningFarm, writeFarmState } from './state.ts'

const home = mkdtempSync(join(tmpdir(), 'firn-state-'))
after(() => rmSync(home, { recursive: true }))

async function sleeper(): Promise<{ pid: number }> {
  const child = spawn('sleep', ['60'], { stdio: 'ignore' })
  await once(child, 'spawn')
  return { pid: child.pid! }
}

describe('farm state', () => {
  it('tells a process from another one with its id', async () => {
    const { pid } = await sleeper()
    const identity = identityOf(pid)
    assert.equal(isAlive(identity), true)
    assert.equal(isAlive({ ...identity, startTime: identity.startTime - 1 }), false)
    await endProcess({ ...identity, startTime: identity.startTime - 1 }, 1)
    assert.equal(isAlive(identity), true, 'a stranger is left alone')
    await endProcess(identity, 5)
    assert.equal(isAlive(identity), false)
  })

  it('ends what does not want to end', async () => {
    const child = spawn('sh', ['-c', 'trap "" TERM; echo ready; while :; do sleep 1; done'], { stdio: ['ignore', 'pipe', 'ignore'] })
    await once(child.stdout, 'data')
    const identity = identityOf(child.pid!)
    await endProcess(identity, 0.2)
    assert.equal(isAlive(identity), false)
  })

  it('knows a farm whose supervisor lives, and keeps its file to its owner', () => {
    const state = { supervisor: identityOf(process.pid), state: 'up', startedAt: '', services: {}, endpoints: {} } as const
    writeFarmState(home, state)
    assert.deepEqual(runningFarm(home), state)
    assert.equal(statSync(join(home, 'run', 'farm.json')).mode & 0o777, 0o600)
    writeFarmState(home, { ...state, supervisor: { pid: process.pid, startTime: 1 } })
    assert.equal(runningFarm(home), undefined)
    writeFileSync(join(home, 'run', 'farm.json'), '{"half')
    assert.equal(readFarmState(home), undefined, 'a file that a crash cut off counts as none')
  })

  it('lets one supervisor in, and takes the lock of a dead one over', () => {
    const lock = lockHome(home)
    assert.throws(() => lockHome(home), { kind: 'conflict', message: new RegExp(`already running in ${home} \\(process ${process.pid}\\)`) })
    lock.release()
    writeFileSync(join(home, 'run', 'lock'), JSON.stringify({ pid: process.pid, startTime: 1 }))
    lockHome(home).release()
    assert.equal(existsSync(join(home, 'run', 'lock')), false)
  })
})

describe('startChild', () => {
  const logFile = join(home, 'logs', 'child.log')
  const node = (code: string, ipc = true) => startChild({ command: [process.execPath, '-e', code], environment: process.env, logFile, ipc, startSeconds: 10, stopSeconds: 5 })

  it('waits for the child\'s word, and ends it', async () => {
    const child = await node('console.log("hello"); process.send({ kind: "ready" }); process.on("disconnect", () => process.exit(0))')
    assert.equal(isAlive(identityOf(child.pid)), true)
    await child.stop()
    assert.equal(await child.exited, 'killed by SIGTERM')
    assert.match(readFileSync(logFile, 'utf8'), /hello/)
  })

  it('says with the end of its log why it did not start', async () => {
    await assert.rejects(node('console.error("no such thing"); process.exit(3)'), (error: Error) => {
      assert.match(error.message, /^exited with code 3; the end of .*child\.log:\nno such thing$/)
      return true
    })
    await assert.rejects(startChild({ command: ['/nowhere/program'], environment: {}, logFile, startSeconds: 5, stopSeconds: 1, ready: () => new Promise(() => undefined) }), /cannot be started/)
  })

  it('gives up on a child that never answers', async () => {
    const begun = Date.now()
    await assert.rejects(startChild({ command: ['sleep', '60'], environment: process.env, logFile, startSeconds: 0.3, stopSeconds: 1, ready: () => new Promise(() => undefined) }), /did not answer within 0.3 s/)
    assert.ok(Date.now() - begun < 5000)
  })

  it('cuts a log at its last lines', () => {
    writeFileSync(logFile, Array.from({ length: 40 }, (_, i) => `line ${i}`).join('\n'))
    assert.equal(logTail(logFile, 0, 2), 'line 38\nline 39')
    assert.equal(logTail(join(home, 'none')), '')
  })
})
