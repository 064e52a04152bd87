/**
 * Ring: evaluator. Attributes that wait for one of several processes. What attributes have in common each process evaluates for itself, and
 * neighbours have most in common: two processes take from the two ends of a part, so that each has a run of neighbours and they meet where
 * both have done the same amount. A process that had something before gets it first, since its values are in that process's memory, and
 * begins with what took it long: what is long and begun late is waited for. One that has nothing left helps its neighbour, and then whoever has most.
 */
/** Of an evaluation before: which process had something, and how long that took. */
export interface Memory {
  readonly process: number
  readonly milliseconds: number
}

interface Part<T> {
  readonly items: T[]
  /** Those before were taken. */
  head: number
}

export class JobQueue<T> {
  /** One for each process. Those with odd numbers go from the end of what is found to its beginning. */
  private readonly parts: readonly Part<T>[]
  private readonly memoryOf: (item: T) => Memory | undefined
  size = 0

  constructor(processes: number, memoryOf: (item: T) => Memory | undefined = () => undefined) {
    this.parts = Array.from({ length: Math.max(1, processes) }, () => ({ items: [], head: 0 }))
    this.memoryOf = memoryOf
  }

  /** The next for a process, by its number. With `own`, nothing that is in the memory of another. */
  take(process: number, own = false): T | undefined {
    if (this.size === 0) return undefined
    const part = this.parts[process]!
    if (left(part) > 0) {
      this.size--
      return part.items[part.head++]
    }
    const neighbour = this.parts[process ^ 1]
    const { items } = neighbour !== undefined && left(neighbour) > 0 ? neighbour : this.longest()
    if (own && this.memoryOf(items.at(-1)!) !== undefined) return undefined
    this.size--
    return items.pop()
  }

  /** What a process found or didn't come to, in order. With nothing else waiting, what nobody had before is for all. */
  add(process: number, items: readonly T[]): void {
    const divided = this.size === 0
    this.size += items.length
    const shares: T[][] = this.parts.map(() => [])
    const pairs = Math.ceil(this.parts.length / 2)
    // what is new stays beside what stands before it
    let last: number | undefined
    items.forEach((item, i) => {
      last = this.memoryOf(item)?.process ?? last
      shares[last ?? (divided ? 2 * Math.floor((i * pairs) / items.length) : process)]!.push(item)
    })
    const milliseconds = (item: T): number => this.memoryOf(item)?.milliseconds ?? 0
    shares.forEach((share, number) => {
      if (number % 2 === 1) share.reverse()
      prepend(this.parts[number]!, share.sort((one, other) => milliseconds(other) - milliseconds(one)))
    })
  }

  private longest(): Part<T> {
    return this.parts.reduce((longest, part) => (left(part) > left(longest) ? part : longest))
  }

  clear(): void {
    for (const part of this.parts) {
      part.items.length = 0
      part.head = 0
    }
    this.size = 0
  }
}

function left({ items, head }: Part<unknown>): number {
  return items.length - head
}

function prepend<T>(part: Part<T>, items: readonly T[]): void {
  if (items.length === 0) return
  const rest = part.items.slice(part.head)
  part.items.length = 0
  part.head = 0
  for (const item of items) part.items.push(item)
  for (const item of rest) part.items.push(item)
}
