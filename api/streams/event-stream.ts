/** Ring: api. Server-sent events (HTML's EventSource format) on a response, with keep-alive comments and back-pressure. */
import { once } from 'node:events'
import type { Exchange } from '../http/router.ts'

/** Proxies close connections that say nothing for a minute. */
const KEEP_ALIVE_MILLISECONDS = 15_000

export interface ServerSentEvent {
  readonly id?: string
  readonly event: string
  readonly data: unknown
}

export class EventStream {
  readonly #exchange: Exchange
  readonly #keepAlive: NodeJS.Timeout

  constructor(exchange: Exchange) {
    this.#exchange = exchange
    const { response } = exchange
    response.status(200).set({ 'Content-Type': 'text/event-stream; charset=utf-8', 'Cache-Control': 'no-store', 'X-Accel-Buffering': 'no' })
    response.flushHeaders()
    // how soon to come back after a break, in milliseconds
    response.write('retry: 1000\n\n')
    this.#keepAlive = setInterval(() => response.write(': still here\n\n'), KEEP_ALIVE_MILLISECONDS)
  }

  async send(event: ServerSentEvent): Promise<void> {
    const { response, signal } = this.#exchange
    const id = event.id === undefined ? '' : `id: ${event.id}\n`
    // JSON has no raw line breaks, so one data line holds all of it
    const text = `${id}event: ${event.event}\ndata: ${JSON.stringify(event.data)}\n\n`
    if (!response.write(text) && !signal.aborted) await once(response, 'drain', { signal })
  }

  /** Tells the client where it stands before the first event, so that it can resume there too. */
  mark(id: string): void {
    this.#exchange.response.write(`id: ${id}\n\n`)
  }

  /** Ends the response; later calls do nothing. */
  end(): void {
    clearInterval(this.#keepAlive)
    this.#exchange.response.end()
  }
}
