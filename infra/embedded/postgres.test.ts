import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import pg from 'pg'

import { startPostgres } from './postgres.ts'

const folder = await mkdtemp(join(tmpdir(), 'firn-embedded-'))
await chmod(folder, 0o711)
after(() => rm(folder, { recursive: true, force: true }))

async function ask(url: string, text: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => undefined)
  await client.connect()
  try {
    return (await client.query(text)).rows
  } finally {
    await client.end()
  }
}

describe('embedded Postgres', { timeout: 120_000 }, () => {
  const directory = join(folder, 'data')

  it('keeps its data and its address from start to start', async () => {
    const first = await startPostgres({ directory, mode: 'fast' })
    await ask(first.url, 'create table kept as select 7 as value')
    await first.stop()
    const second = await startPostgres({ directory, mode: 'fast' })
    assert.equal(second.url, first.url)
    assert.deepEqual(await ask(second.url, 'select value from kept'), [{ value: 7 }])
    await second.stop()
  })

  it('starts again after it was killed, and says that it ended', async () => {
    const killed = await startPostgres({ directory, mode: 'durable' })
    await ask(killed.url, 'create table committed as select 1 as value')
    process.kill(killed.pid, 'SIGKILL')
    await killed.exited
    const next = await startPostgres({ directory, mode: 'durable' })
    assert.equal(next.url, killed.url)
    assert.deepEqual(await ask(next.url, 'select value from committed'), [{ value: 1 }])
    await next.stop()
  })

  it('takes over from a process that was killed', async () => {
    const program = `import { startPostgres } from ${JSON.stringify(new URL('./postgres.ts', import.meta.url).href)}
      const server = await startPostgres({ directory: ${JSON.stringify(directory)}, mode: 'durable' })
      console.log(server.pid)
      setInterval(() => undefined, 1000)`
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['ignore', 'pipe', 'inherit'] })
    await new Promise((resolve) => child.stdout.once('data', resolve))
    child.kill('SIGKILL')
    const next = await startPostgres({ directory, mode: 'durable' })
    assert.deepEqual(await ask(next.url, 'select value from kept'), [{ value: 7 }])
    await next.stop()
  })

  it('is not confused by the pid of somebody else', async () => {
    await writeFile(join(directory, 'postmaster.pid'), `${process.pid}\n${directory}\n`)
    const server = await startPostgres({ directory, mode: 'fast' })
    await server.stop()
  })

  it('starts over after a first start that was interrupted', async () => {
    const fresh = join(folder, 'fresh')
    await writeFile(`${fresh}.new`, 'left behind')
    const server = await startPostgres({ directory: fresh, mode: 'fast', database: 'other' })
    assert.deepEqual(await ask(server.url, 'select current_database() as name'), [{ name: 'other' }])
    await server.stop()
  })

  it('runs in a folder that only root may enter', { skip: process.getuid?.() !== 0 }, async () => {
    const closed = await mkdtemp(join(folder, 'closed-'))
    await chmod(closed, 0o700)
    const server = await startPostgres({ directory: join(closed, 'data'), mode: 'fast' })
    assert.deepEqual(await ask(server.url, 'select 1 as one'), [{ one: 1 }])
    await server.stop()
  })

  it('says what Postgres said where it cannot start', async () => {
    await writeFile(join(folder, 'fresh', 'postgresql.conf'), 'nonsense = 1\n')
    await assert.rejects(startPostgres({ directory: join(folder, 'fresh'), mode: 'fast' }), /unrecognized configuration parameter/)
  })
})
