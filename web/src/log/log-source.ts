/**
 * Ring: web. A log as lines, of which only those are here that somebody looks at: blocks of a thousand lines are read by range, the oldest
 * are forgotten, and what a running build writes is added at the end. A gigabyte costs an index and what is on the screen.
 */
import { addressOf, call, fetchFromFarm } from '../api/client.ts'
import { eventsOf, MARK } from '../api/event-stream.ts'
import { live } from '../api/live.ts'

const BLOCKS = 40
const encoder = new TextEncoder()

export class LogSource {
  lines = 0
  bytes = 0
  ended = false
  attempt: number | undefined
  error: unknown
  loaded = false
  /** Counts changes. */
  version = 0
  readonly #build: number
  readonly #wanted: number | undefined
  #every = 1000
  #offsets: number[] = [0]
  readonly #blocks = new Map<number, readonly string[]>()
  readonly #reading = new Set<number>()
  /** Begun, but without its end. */
  #open = ''
  readonly #watchers = new Set<() => void>()
  readonly #stop = new AbortController()

  constructor(build: number, attempt: number | undefined) {
    this.#build = build
    this.#wanted = attempt
    void this.#start()
  }

  watch = (watcher: () => void): (() => void) => {
    this.#watchers.add(watcher)
    return () => this.#watchers.delete(watcher)
  }

  close(): void {
    this.#stop.abort()
  }

  /** A line, if it is here; asks for its block otherwise. */
  line(index: number): string | undefined {
    const block = Math.floor(index / this.#every)
    const lines = this.#blocks.get(block)
    if (lines) return lines[index - block * this.#every] ?? (index === this.lines - 1 ? this.#open : '')
    void this.#read(block)
    return undefined
  }

  async #start(): Promise<void> {
    const { signal } = this.#stop
    let last: string | undefined
    for (let pause = 500; !signal.aborted; pause = Math.min(pause * 2, 10_000)) {
      try {
        if (!this.loaded) {
          const index = await call('buildLogIndex', { params: { id: this.#build }, query: { ...(this.#wanted !== undefined && { attempt: this.#wanted }) } }, signal)
          Object.assign(this, { attempt: index.attempt, ended: index.ended, bytes: index.bytes, lines: index.lines, loaded: true })
          this.#every = index.every
          this.#offsets = [...index.offsets]
          // the block that grows is here from the beginning, so that lines can be added to it
          await this.#read(Math.max(0, Math.floor((index.lines - 1) / index.every)))
          last = String(index.bytes)
          this.error = undefined
          this.#changed()
        }
        if (this.ended) return
        for await (const { id, event, data } of eventsOf(addressOf('/api/v1/builds/{id}/log', { id: this.#build }, { follow: true, attempt: this.attempt }), last, signal)) {
          if (event === 'end') {
            this.ended = true
            this.#changed()
            return
          }
          pause = 500
          last = id
          if (event !== MARK) this.#append((JSON.parse(data) as { text: string }).text, Number(id))
        }
      } catch (error) {
        if (signal.aborted) return
        this.error = this.loaded ? undefined : error
        this.#changed()
        if (!this.loaded && (error as { status?: number }).status !== undefined && (error as { status: number }).status < 500) return
      }
      await this.#pause(pause)
    }
  }

  /** Until it is time to try again, or the farm can be heard again. */
  async #pause(milliseconds: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const end = (): void => {
        clearTimeout(timer)
        unsubscribe()
        resolve()
      }
      const timer = setTimeout(end, milliseconds)
      const unsubscribe = live.subscribe((events) => { if (events.length === 0) end() })
      this.#stop.signal.addEventListener('abort', end, { once: true })
    })
  }

  async #read(block: number): Promise<void> {
    if (this.#reading.has(block) || this.#blocks.has(block)) return
    this.#reading.add(block)
    try {
      const start = this.#offsets[block] ?? 0
      const end = this.#offsets[block + 1] ?? this.bytes
      const text = end <= start ? '' : await (await fetchFromFarm(addressOf('/api/v1/builds/{id}/log', { id: this.#build }, { attempt: this.attempt }), { headers: { range: `bytes=${start}-${end - 1}` }, signal: this.#stop.signal })).text()
      const lines = text.split('\n')
      const rest = lines.pop()!
      if (block === this.#offsets.length - 1) this.#open = rest
      this.#blocks.set(block, lines)
      this.#forget(block)
      this.#changed()
    } catch {
      // asked for again by whoever still shows it
    } finally {
      this.#reading.delete(block)
    }
  }

  #append(text: string, end: number): void {
    const pieces = (this.#open + text).split('\n')
    let position = end - encoder.encode(this.#open + text).length
    let block = this.#offsets.length - 1
    let complete = this.lines - (this.#open === '' ? 0 : 1)
    this.#open = pieces.pop()!
    for (const line of pieces) {
      position += encoder.encode(line).length + 1
      const lines = this.#blocks.get(block) ?? []
      this.#blocks.set(block, lines)
      ;(lines as string[]).push(line)
      complete++
      if (complete % this.#every === 0) {
        this.#offsets.push(position)
        block++
        this.#blocks.set(block, [])
        this.#forget(block)
      }
    }
    this.lines = complete + (this.#open === '' ? 0 : 1)
    this.bytes = end
    this.#changed()
  }

  #forget(used: number): void {
    for (const block of this.#blocks.keys()) {
      if (this.#blocks.size <= BLOCKS) return
      if (block !== used && block !== this.#offsets.length - 1) this.#blocks.delete(block)
    }
  }

  #changed(): void {
    this.version++
    for (const watcher of this.#watchers) watcher()
  }
}
