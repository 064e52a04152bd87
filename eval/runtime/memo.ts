/** Ring: eval. Results by key that are used again as long as what they were made from is as it was. */
import { held, NONE, take, tracker, type Dependencies } from './dependencies.ts'
import { machine, serials } from './machine.ts'

interface Entry<T> {
  readonly value: T
  readonly dependencies: Dependencies
}

export class Memo<T> {
  private readonly entries = new Map<string, Entry<T>>()

  get(key: string, compute: () => T): T {
    const known = this.entries.get(key)
    if (!tracker.on) {
      if (known !== undefined) return known.value
      const value = compute()
      this.entries.set(key, { value, dependencies: NONE })
      return value
    }
    if (known?.dependencies.isCurrent() === true) {
      take(known.dependencies)
      return known.value
    }
    const entry = observed(compute)
    this.entries.set(key, entry)
    take(entry.dependencies)
    return entry.value
  }
}

/** Computes something as a force does: what it depends on is gathered by itself. */
function observed<T>(compute: () => T): Entry<T> {
  const height = machine.forcing
  serials[height] = machine.nextSerial++
  held[height] = tracker.current
  tracker.current = NONE
  machine.forcing = height + 1
  const value = compute()
  machine.forcing = height
  const dependencies = tracker.current
  tracker.current = held[height]
  return { value, dependencies }
}
