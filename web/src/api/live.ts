/**
 * Ring: web. The farm's events, one stream for the whole page. They say what changed; what is shown is asked for again, no more often
 * than somebody can look. States of builds are taken from the events themselves. Nothing is kept that is not shown.
 */
import { useEffect, useSyncExternalStore } from 'react'
import { type QueryKey, useQueryClient } from '@tanstack/react-query'
import type { BuildState, FarmEvent } from '../../../contract/api.ts'
import { ApiError } from './client.ts'
import { eventsOf, MARK } from './event-stream.ts'
import { onIdentityChange } from './token.ts'

export type Connection = 'connecting' | 'live' | 'lost' | 'refused'

const LONGEST_PAUSE_MILLISECONDS = 15_000
/** Newest states of builds, the oldest forgotten. */
const REMEMBERED = 20_000
const BATCH_MILLISECONDS = 200

type Listener = (events: readonly FarmEvent[]) => void

class Live {
  connection: Connection = 'connecting'
  /** Counts batches, for who shows states of builds. */
  version = 0
  readonly #states = new Map<number, BuildState>()
  readonly #listeners = new Set<Listener>()
  readonly #watchers = new Set<() => void>()
  #batch: FarmEvent[] = []
  #timer: ReturnType<typeof setTimeout> | undefined
  #wake: (() => void) | undefined

  start(): () => void {
    const stop = new AbortController()
    void this.#run(stop.signal)
    const again = (): void => this.#wake?.()
    addEventListener('online', again)
    const offToken = onIdentityChange(again)
    return () => {
      stop.abort()
      removeEventListener('online', again)
      offToken()
    }
  }

  stateOf(buildId: number): BuildState | undefined {
    return this.#states.get(buildId)
  }

  subscribe = (listener: Listener): (() => void) => {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  watch = (watcher: () => void): (() => void) => {
    this.#watchers.add(watcher)
    return () => this.#watchers.delete(watcher)
  }

  async #run(signal: AbortSignal): Promise<void> {
    let last: string | undefined
    let pause = 500
    while (!signal.aborted) {
      try {
        for await (const { id, event, data } of eventsOf('/api/v1/events', last, signal, () => this.#tell('live'))) {
          last = id
          if (event !== MARK) this.#take(JSON.parse(data) as FarmEvent)
          pause = 500
        }
        if (!signal.aborted) this.#tell('lost')
      } catch (error) {
        if (signal.aborted) return
        const refused = error instanceof ApiError && (error.status === 401 || error.status === 403)
        this.#tell(refused ? 'refused' : 'lost')
        // an id of another database: begin anew
        if (error instanceof ApiError && error.status === 400) last = undefined
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, pause)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
      pause = Math.min(pause * 2, LONGEST_PAUSE_MILLISECONDS)
    }
  }

  /** Tries at once, for who doesn't want to wait. */
  retry(): void {
    this.#wake?.()
  }

  #take(event: FarmEvent): void {
    if (event.buildId !== null) {
      const state = stateAfter(event)
      if (state) {
        this.#states.delete(event.buildId)
        this.#states.set(event.buildId, state)
        if (this.#states.size > REMEMBERED) this.#states.delete(this.#states.keys().next().value!)
      }
    }
    this.#batch.push(event)
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      const batch = this.#batch
      this.#batch = []
      this.version++
      for (const listener of this.#listeners) listener(batch)
      for (const watcher of this.#watchers) watcher()
    }, BATCH_MILLISECONDS)
  }

  #tell(connection: Connection): void {
    if (this.connection === connection) return
    const resumed = connection === 'live' && this.connection === 'lost'
    this.connection = connection
    for (const watcher of this.#watchers) watcher()
    // what happened meanwhile comes as events; answers that failed are asked for again
    if (resumed) for (const listener of this.#listeners) listener([])
  }
}

function stateAfter({ kind, data }: FarmEvent): BuildState | undefined {
  switch (kind) {
    case 'build.queued': return 'queued'
    case 'build.started': return 'running'
    case 'build.ended': return data['state'] === 'failed' ? 'failed' : data['state'] === 'succeeded' ? 'succeeded' : undefined
    default: return undefined
  }
}

export const live = new Live()

export function useConnection(): Connection {
  return useSyncExternalStore(live.watch, () => live.connection)
}

/** The newest state of a build: what an event said, else what an answer said. */
export function useBuildState<State extends string>(buildId: number | null, answered: State): State | BuildState {
  return useSyncExternalStore(live.watch, () => (buildId === null ? answered : live.stateOf(buildId) ?? answered))
}

/** Asks for these answers again when an event concerns them, at most every `milliseconds`. */
export function useRefresh(queryKey: QueryKey, concerns: (event: FarmEvent) => boolean, milliseconds = 1000): void {
  const client = useQueryClient()
  const key = JSON.stringify(queryKey)
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined
    let last = 0
    const unsubscribe = live.subscribe((events) => {
      if (timer !== undefined || (events.length > 0 && !events.some(concerns))) return
      timer = setTimeout(() => {
        timer = undefined
        last = performance.now()
        void client.invalidateQueries({ queryKey: JSON.parse(key) as QueryKey })
      }, Math.max(0, last + milliseconds - performance.now()))
    })
    return () => {
      unsubscribe()
      clearTimeout(timer)
    }
    // the predicate of the first render: it closes over ids that are in the key
     
  }, [client, key, milliseconds])
}
