/**
 * Ring: worker. Readers of the event table that do something with each event: one round of each at a time in the farm, woken by
 * Postgres, and every few seconds in any case. What a round could not do is done again by the next.
 */
import type { Logger } from 'pino'
import type { FarmDatabase } from '../state/database.ts'
import { type FollowedEvent, followEvents } from '../state/events.ts'
import { exclusively } from '../state/sweep.ts'

export interface Follower {
  readonly name: string
  readonly kinds: readonly string[]
  /** Does what the events ask for; twice is once. */
  work(events: readonly FollowedEvent[]): Promise<void>
}

const BATCH = 1000
const ROUND_MILLISECONDS = 3000
/** Notifications that come faster than this are one. */
const COALESCE_MILLISECONDS = 100

/** Keeps following until stopped; the round under way ends first. */
export async function keepFollowing(database: FarmDatabase, followers: readonly Follower[], logger: Logger): Promise<{ stop(): Promise<void> }> {
  const loops = followers.map((follower) => new Loop(database, follower, logger))
  const stopListening = await database.listen('firn_event', () => {
    for (const loop of loops) loop.wake(COALESCE_MILLISECONDS)
  })
  for (const loop of loops) loop.wake(0)
  return {
    stop: async () => {
      await stopListening()
      await Promise.all(loops.map((loop) => loop.stop()))
    },
  }
}

class Loop {
  readonly #database: FarmDatabase
  readonly #follower: Follower
  readonly #logger: Logger
  #timer: NodeJS.Timeout | undefined
  #due = Infinity
  #round: Promise<void> | undefined
  #again = false
  #stopped = false

  constructor(database: FarmDatabase, follower: Follower, logger: Logger) {
    this.#database = database
    this.#follower = follower
    this.#logger = logger
  }

  wake(milliseconds: number): void {
    if (this.#stopped) return
    if (this.#round) {
      this.#again = true
      return
    }
    const due = Date.now() + milliseconds
    if (due >= this.#due) return
    clearTimeout(this.#timer)
    this.#due = due
    this.#timer = setTimeout(() => this.#begin(), milliseconds)
    this.#timer.unref()
  }

  #begin(): void {
    this.#due = Infinity
    this.#again = false
    this.#round = this.#run().finally(() => {
      this.#round = undefined
      this.wake(this.#again ? COALESCE_MILLISECONDS : ROUND_MILLISECONDS)
    })
  }

  async #run(): Promise<void> {
    const { db } = this.#database
    const { name, kinds } = this.#follower
    try {
      await exclusively(db, `firn-follower-${name}`, async () => {
        while (!this.#stopped && await followEvents(db, name, kinds, BATCH, (events) => this.#follower.work(events)));
      })
    } catch (error) {
      this.#logger.warn({ error, follower: name }, 'a follower could not do its work; it tries again')
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    await this.#round
  }
}
