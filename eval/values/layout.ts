/**
 * Ring: eval. Layouts: what attribute sets of one origin share. A set is a layout (names in order, where each was
 * defined) and an array of values. Sets made by one literal have one layout, and sets made by merging or filtering sets of the
 * same layouts too, so that `//` is a copy along a plan made once, and a selection is a comparison and a load.
 */
import { knownLayout, type KnownLayout } from './layout-tree.ts'
import { byBytes } from './order.ts'
import type { Location } from './location.ts'

export interface MergePlan {
  readonly layout: Layout
  /** For each attribute of the result: index in the right set, or `~index` in the left. */
  readonly sources: Int32Array
}

export interface RemovalPlan {
  readonly layout: Layout
  /** Indices that stay. */
  readonly kept: Int32Array
}

/** Caches are dropped at this size: layouts of sets with computed names may be met once and never again. */
const CACHE_LIMIT = 256
/** Up to this size, comparing names in turn is quicker than hashing. */
const LINEAR = 8
/** Searches before names are hashed: hashing all of them must pay. */
const SEARCHES = 12
const SEARCHES_PER_NAME = 1 / 4

export class Layout {
  /** Sorted by bytes, without duplicates. */
  readonly names: readonly string[]
  /** Parallel to `names`; undefined where none has a place in a source. */
  readonly locations: readonly (Location | undefined)[] | undefined
  private index: Map<string, number> | undefined
  private searches: number
  private lastRight: Layout | undefined
  private lastPlan: MergePlan | undefined
  /** By the right layout; undefined where it was met once. */
  private merges: Map<Layout, MergePlan | undefined> | undefined
  private lastRemoved: readonly string[] | undefined
  private lastRemoval: RemovalPlan | undefined
  private bare: Layout | undefined

  constructor(names: readonly string[], locations?: readonly (Location | undefined)[]) {
    this.names = names
    this.locations = locations
    this.index = undefined
    this.searches = 0
    this.lastRight = undefined
    this.lastPlan = undefined
    this.merges = undefined
    this.lastRemoved = undefined
    this.lastRemoval = undefined
    this.bare = undefined
  }

  /** Index of a name, or -1. */
  find(name: string): number {
    const names = this.names
    const { length } = names
    if (length <= LINEAR) {
      for (let i = 0; i < length; i++) if (names[i] === name) return i
      return -1
    }
    if (this.index !== undefined) {
      const found = this.index.get(name)
      return found === undefined ? -1 : found
    }
    // Most layouts are asked only a few times; hashing all names pays after that.
    if (++this.searches > SEARCHES && this.searches > length * SEARCHES_PER_NAME) return this.indexed().get(name) ?? -1
    let low = 0
    let high = length - 1
    while (low <= high) {
      const middle = (low + high) >> 1
      const found = names[middle]!
      if (found === name) return middle
      if (found < name) low = middle + 1
      else high = middle - 1
    }
    return -1
  }

  private indexed(): Map<string, number> {
    const index = new Map<string, number>()
    for (let i = 0; i < this.names.length; i++) index.set(this.names[i]!, i)
    this.index = index
    return index
  }

  /** The same names without places. */
  unlocated(): Layout {
    if (this.locations === undefined) return this
    return (this.bare ??= new Layout(this.names))
  }

  /** The plan of a merge that was seen before; undefined the first time, when making one would cost more than merging. */
  mergeWith(right: Layout): MergePlan | undefined {
    if (this.lastRight === right) return (this.lastPlan ??= planMerge(this, right))
    const known = this.merges?.get(right)
    const again = known !== undefined || this.merges?.has(right) === true
    if (this.lastRight !== undefined) this.rememberLast()
    this.lastRight = right
    this.lastPlan = again ? known ?? planMerge(this, right) : undefined
    return this.lastPlan
  }

  private rememberLast(): void {
    if (this.merges === undefined || this.merges.size >= CACHE_LIMIT) this.merges = new Map()
    this.merges.set(this.lastRight!, this.lastPlan)
  }

  without(names: readonly string[]): RemovalPlan {
    if (this.lastRemoved !== undefined && sameNames(this.lastRemoved, names)) return this.lastRemoval!
    const removed = setOf(names)
    const kept: number[] = []
    for (let i = 0; i < this.names.length; i++) if (!removed.has(this.names[i]!)) kept.push(i)
    const plan = { layout: kept.length === this.names.length ? this : this.pick(kept), kept: Int32Array.from(kept) }
    this.lastRemoved = names
    this.lastRemoval = plan
    return plan
  }

  /** The layout of some attributes, by ascending index. */
  pick(indices: readonly number[]): Layout {
    const locations = this.locations
    const names = indices.map((i) => this.names[i]!)
    const places = locations === undefined ? undefined : indices.map((i) => locations[i])
    return knownLayout(names, places, () => ({ layout: new Layout(names, places), order: indices.map((_, i) => i) })).layout
  }
}

/** The set of the names asked for last: a package set removes the same dozen from each package's arguments. */
let lastNames: readonly string[] = []
let lastSet: ReadonlySet<string> = new Set()

function setOf(names: readonly string[]): ReadonlySet<string> {
  if (sameNames(lastNames, names)) return lastSet
  lastNames = names
  lastSet = new Set(names)
  return lastSet
}

/** Whether two lists of names are alike. */
export function sameNames(left: readonly string[], right: readonly string[]): boolean {
  if (left.length !== right.length) return false
  for (let i = 0; i < left.length; i++) if (left[i] !== right[i]) return false
  return true
}

function planMerge(left: Layout, right: Layout): MergePlan {
  const names: string[] = []
  const sources: number[] = []
  const l = left.names
  const r = right.names
  let i = 0
  let j = 0
  while (i < l.length && j < r.length) {
    const a = l[i]!
    const b = r[j]!
    if (a === b) {
      names.push(b)
      sources.push(j)
      i++
      j++
    } else if (a < b) {
      names.push(a)
      sources.push(~i++)
    } else {
      names.push(b)
      sources.push(j++)
    }
  }
  for (; i < l.length; i++) {
    names.push(l[i]!)
    sources.push(~i)
  }
  for (; j < r.length; j++) {
    names.push(r[j]!)
    sources.push(j)
  }
  // Sets that differ in nothing but values give the layout of the right: the common case of overriding.
  if (names.length === r.length) return { layout: right, sources: Int32Array.from(sources) }
  if (names.length === l.length && sources.every((s, at) => s < 0 || right.locations?.[s] === left.locations?.[at])) return { layout: left, sources: Int32Array.from(sources) }
  const located = left.locations !== undefined || right.locations !== undefined
  const locations = located ? sources.map((s) => (s >= 0 ? right.locations?.[s] : left.locations?.[~s])) : undefined
  return { layout: new Layout(names, locations), sources: Int32Array.from(sources) }
}

/** A layout of names in any order, without duplicates; `order[i]` is where the i-th name of the layout was given. */
export function layoutOf(names: readonly string[], locations?: readonly (Location | undefined)[]): KnownLayout {
  return knownLayout(names, locations, () => {
    const order = names.map((_, i) => i).sort((a, b) => byBytes(names[a]!, names[b]!))
    return { layout: new Layout(order.map((i) => names[i]!), locations && order.map((i) => locations[i])), order }
  })
}
