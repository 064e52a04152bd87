/**
 * Twenty clients follow the farm's events while its API is killed and started again by the supervisor: each resumes from the last id it saw, and has
 * in the end every event once, in the order of the commits. What writes is as unruly as a farm: transactions that overlap and commit out of order.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import { readFarmState } from '../../infra/embedded/state.ts'
import { type FarmDatabase, openFarmDatabase } from '../../state/database.ts'
import { type RunningFirn, startFirn } from '../support/firn.ts'

const CLIENTS = 20
const WRITERS = 4
const KILLS = 3
const SECONDS_BETWEEN = 3

let farm: RunningFirn
let database: FarmDatabase
before(async () => {
  farm = await startFirn()
  database = openFarmDatabase({ url: readFarmState(farm.home)!.endpoints.databaseUrl!, connections: WRITERS + 1 })
})
after(async () => {
  await database.close()
  await farm.stop()
})

/** As EventSource does it: keeps the last id, and comes back after every break. */
class Client {
  readonly seen: number[] = []
  breaks = 0
  lastId: string | undefined
  /** Has been told where it stands. */
  readonly ready: Promise<void>
  #isReady: () => void = () => undefined
  readonly #url: string
  readonly #stopping = new AbortController()
  readonly #running: Promise<void>

  constructor(url: string) {
    this.#url = url
    this.ready = new Promise((resolve) => { this.#isReady = resolve })
    this.#running = this.#run()
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      await this.#follow().catch(() => undefined)
      if (this.#stopping.signal.aborted) return
      this.breaks++
      await sleep(50)
    }
  }

  async #follow(): Promise<void> {
    const response = await fetch(`${this.#url}/api/v1/events`, { signal: this.#stopping.signal, headers: this.lastId === undefined ? {} : { 'last-event-id': this.lastId } })
    if (!response.ok) throw new Error(String(response.status))
    let buffer = ''
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
      buffer += chunk
      const messages = buffer.split('\n\n')
      // what was cut off is not an event
      buffer = messages.pop()!
      for (const message of messages) {
        const id = /^id: (.*)$/m.exec(message)?.[1]
        const data = /^data: (.*)$/m.exec(message)?.[1]
        if (id !== undefined) this.lastId = id
        if (data !== undefined && /^event: test$/m.test(message)) this.seen.push((JSON.parse(data) as { id: number }).id)
        if (id !== undefined) this.#isReady()
      }
    }
  }
}

async function until(what: string, look: () => boolean): Promise<void> {
  for (const end = Date.now() + 60_000; !look(); await sleep(20)) assert.ok(Date.now() < end, `not within a minute: ${what}`)
}

test('20 clients lose nothing and get nothing twice while the API is killed', async (context) => {
  const clients = Array.from({ length: CLIENTS }, () => new Client(farm.url))
  await Promise.all(clients.map((client) => client.ready))
  // some have had nothing but their place when the API dies
  let writing = true
  const writers = Array.from({ length: WRITERS }, async (_, writer) => {
    for (let round = 0; writing; round++) {
      const transaction = await database.db.startTransaction().execute()
      for (let index = 0; index < 3; index++) await sql`insert into event (kind, data) values ('test', ${JSON.stringify({ writer, round, index })})`.execute(transaction)
      await sleep((writer * 37 + round * 61) % 90)
      await sql`select pg_notify('firn_event', '')`.execute(transaction)
      await (round % 7 === 3 ? transaction.rollback() : transaction.commit()).execute()
    }
  })
  try {
    for (let kill = 0; kill < KILLS; kill++) {
      const { pid, restarts } = readFarmState(farm.home)!.services['api']!
      process.kill(pid, 'SIGKILL')
      await until('the API is started again', () => (readFarmState(farm.home)!.services['api']?.restarts ?? 0) > restarts)
      await until('all are back', () => clients.every((client) => client.breaks > kill))
      await sleep(SECONDS_BETWEEN * 1000)
    }
  } finally {
    writing = false
    await Promise.all(writers)
  }
  const { rows } = await sql<{ id: number }>`select id from event where kind = 'test' order by xid, id`.execute(database.db)
  const expected = rows.map((row) => row.id)
  await until('everybody has the last event', () => clients.every((client) => client.seen.at(-1) === expected.at(-1)))
  await Promise.all(clients.map((client) => client.stop()))
  context.diagnostic(`${expected.length} events, ${clients.reduce((sum, client) => sum + client.breaks, 0)} times cut off or refused`)
  for (const client of clients) assert.deepEqual(client.seen, expected)
  assert.ok(expected.length > 100)
})
