/** Ring: eval. The keys that `genericClosure` has met: hashed where they are of one simple type, else compared as Nix orders them. */
import { ContextString, Float, PathValue, type Value } from '../values/value.ts'
import { lessThan } from './equality.ts'
import { NO_SITE } from './site.ts'
import { typeOf } from './types.ts'

export class KeySet {
  private readonly doing: string
  private readonly simple = new Set<string | number | bigint>()
  private type: string | undefined = undefined
  /** Sorted; for keys that can't be hashed. */
  private readonly ordered: Value[] = []

  constructor(doing: string) {
    this.doing = doing
  }

  /** False if an equal key is there already. Throws where keys can't be compared. */
  add(key: Value): boolean {
    const type = typeOf(key)
    const hashable = type === 'string' || type === 'int' || type === 'path'
    if (this.type === undefined && hashable) this.type = type
    if (hashable && this.type === type && this.ordered.length === 0) {
      const before = this.simple.size
      this.simple.add(hashOf(key))
      if (this.simple.size > before) {
        this.last = key
        return true
      }
      return false
    }
    return this.addOrdered(key)
  }

  private last: Value | undefined = undefined

  private addOrdered(key: Value): boolean {
    // A set of one kind of keys meets another: numbers compare, the rest fails as the comparison says.
    if (this.ordered.length === 0 && this.simple.size > 0) {
      lessThan(key, this.last!, this.doing, NO_SITE)
      const keys = [...this.simple] as (string | number | bigint)[]
      keys.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))
      for (const k of keys) this.ordered.push(k)
    }
    let low = 0
    let high = this.ordered.length
    if (high === 0) lessThan(key, key, this.doing, NO_SITE)
    while (low < high) {
      const middle = (low + high) >> 1
      if (lessThan(this.ordered[middle]!, key, this.doing, NO_SITE)) low = middle + 1
      else high = middle
    }
    if (low < this.ordered.length && !lessThan(key, this.ordered[low]!, this.doing, NO_SITE)) return false
    this.ordered.splice(low, 0, key)
    return true
  }
}

function hashOf(key: Value): string | number | bigint {
  if (key instanceof ContextString) return key.text
  if (key instanceof PathValue) return key.path
  if (key instanceof Float) return key.value
  return key as string | number | bigint
}
