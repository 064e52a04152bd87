/**
 * Ring: infra. Keeps one service running: starts it, and starts it again when it ends by itself, waiting longer each time it
 * ends soon. Upstream counterpart: a systemd unit with Restart=always.
 */
import { setTimeout as sleep } from 'node:timers/promises'

/** A service that runs now. */
export interface RunningService {
  readonly pid: number
  /** Ends when the service has ended, for whatever reason; the text says how. */
  readonly exited: Promise<string>
  /** Ends it in good order, by force where that takes too long. */
  stop(): Promise<void>
}

export interface Service {
  readonly name: string
  /** Resolves when the service answers. */
  start(): Promise<RunningService>
}

export interface SupervisedService {
  readonly name: string
  stop(): Promise<void>
}

export interface SupervisorEvents {
  started?(name: string, pid: number, restarts: number): void
  /** `waitSeconds` until it is started again. */
  ended?(name: string, how: string, waitSeconds: number): void
}

const FIRST_WAIT = 0.2
const LONGEST_WAIT = 10
/** A service that ran this long ended for a new reason. */
const SETTLED_SECONDS = 30

/** Starts a service and keeps it running. Throws what the first start throws; later failures are tried again for ever. */
export async function supervise(service: Service, events: SupervisorEvents): Promise<SupervisedService> {
  const stopping = new AbortController()
  let running: RunningService = await service.start()
  events.started?.(service.name, running.pid, 0)

  const loop = async (): Promise<void> => {
    let wait = FIRST_WAIT
    for (let restarts = 1; ; restarts++) {
      const since = Date.now()
      const how = await running.exited
      if (stopping.signal.aborted) return
      if (Date.now() - since > SETTLED_SECONDS * 1000) wait = FIRST_WAIT
      events.ended?.(service.name, how, wait)
      for (;;) {
        await sleep(wait * 1000, undefined, { signal: stopping.signal }).catch(() => undefined)
        if (stopping.signal.aborted) return
        wait = Math.min(wait * 2, LONGEST_WAIT)
        try {
          running = await service.start()
          break
        } catch (error) {
          events.ended?.(service.name, error instanceof Error ? error.message : String(error), wait)
        }
      }
      // asked to stop while it was starting
      if (stopping.signal.aborted) return running.stop()
      events.started?.(service.name, running.pid, restarts)
    }
  }
  const ended = loop()
  return {
    name: service.name,
    stop: async () => {
      stopping.abort()
      await running.stop()
      await ended
    },
  }
}
