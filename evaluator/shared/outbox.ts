/** Ring: evaluator. Messages on their way from several processes to the one that reads them; who writes can wait until there is room. */

/** More than a reader takes at once; few, since what waits here waits in the pipes of the processes as well. */
const ROOM = 2000

export class Outbox<T> implements AsyncIterable<T> {
  private waiting: T[] = []
  private head = 0
  private closed = false
  private wakeReader: (() => void) | undefined
  private wakeWriters: (() => void)[] = []

  push(item: T): void {
    if (this.closed) return
    this.waiting.push(item)
    this.wakeReader?.()
  }

  get isFull(): boolean {
    return !this.closed && this.waiting.length - this.head >= ROOM
  }

  /** Until there is room. */
  async room(): Promise<void> {
    while (this.isFull) await new Promise<void>((resolve) => this.wakeWriters.push(resolve))
  }

  /** What is in it can still be read. */
  close(): void {
    this.closed = true
    this.wakeReader?.()
    this.freeWriters()
  }

  /** Can be iterated again where another loop left off. */
  [Symbol.asyncIterator](): AsyncIterator<T, undefined> {
    return { next: () => this.next() }
  }

  private async next(): Promise<IteratorResult<T, undefined>> {
    while (this.head === this.waiting.length) {
      if (this.closed) return { done: true, value: undefined }
      await new Promise<void>((resolve) => { this.wakeReader = resolve })
      this.wakeReader = undefined
    }
    const value = this.waiting[this.head++]!
    if (this.head === this.waiting.length) {
      this.waiting = []
      this.head = 0
    }
    if (this.wakeWriters.length > 0 && !this.isFull) this.freeWriters()
    return { done: false, value }
  }

  private freeWriters(): void {
    for (const wake of this.wakeWriters.splice(0)) wake()
  }
}
