/**
 * Ring: cli. Attributes that wait for one of several processes. What attributes have in common each process evaluates for itself, and
 * neighbours have most in common: two processes take from the two ends of a part, so that each has a run of neighbours and they meet where
 * both have done the same amount. A process whose part is empty helps with the longest.
 */
interface Part<T> {
  readonly items: T[]
  /** Those before were taken. */
  head: number
}

export class JobQueue<T> {
  private readonly parts: readonly Part<T>[]
  size = 0

  constructor(processes: number) {
    this.parts = Array.from({ length: Math.max(1, Math.ceil(processes / 2)) }, () => ({ items: [], head: 0 }))
  }

  /** The next for a process, by its number. */
  take(process: number): T | undefined {
    if (this.size === 0) return undefined
    this.size--
    const part = this.partFor(process)
    if (process % 2 === 1) return part.items.pop()
    return part.items[part.head++]
  }

  /** What a process found or didn't come to, in order. With nothing else waiting it is for all. */
  add(process: number, items: readonly T[]): void {
    if (this.size === 0) this.divide(items)
    else {
      const part = this.partFor(process)
      if (process % 2 === 1) append(part, items)
      else replace(part, [...items, ...part.items.slice(part.head)])
    }
    this.size += items.length
  }

  private divide(items: readonly T[]): void {
    const share = Math.ceil(items.length / this.parts.length)
    this.parts.forEach((part, i) => replace(part, items.slice(i * share, (i + 1) * share)))
  }

  private partFor(process: number): Part<T> {
    const own = this.parts[(process >> 1) % this.parts.length]!
    return left(own) > 0 ? own : this.parts.reduce((longest, part) => (left(part) > left(longest) ? part : longest))
  }

  clear(): void {
    this.divide([])
    this.size = 0
  }
}

function left({ items, head }: Part<unknown>): number {
  return items.length - head
}

function append<T>(part: Part<T>, items: readonly T[]): void {
  for (const item of items) part.items.push(item)
}

function replace<T>(part: Part<T>, items: readonly T[]): void {
  part.items.length = 0
  part.head = 0
  append(part, items)
}
