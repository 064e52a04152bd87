/**
 * Ring: eval. Layouts: the names of an attribute set, in order. Sets with the same names share one, however they came about, so that `//` is a copy
 * along a plan made once, and a selection is a comparison and a load. Where attributes were defined is beside it (places.ts).
 */
import { byBytes } from '../../nix/sorting.ts'
import type { Sources } from './places.ts'

export interface MergePlan {
  readonly layout: Layout
  readonly sources: Sources
}

export interface RemovalPlan {
  readonly layout: Layout
  /** Indices that stay. */
  readonly kept: Sources
}

/** Caches are dropped at this size: layouts of sets with computed names may be met once and never again. */
const CACHE_LIMIT = 256
/** Up to this size, comparing names in turn is quicker than hashing. */
const LINEAR = 8
/** Searches before names are hashed: hashing all of them must pay. */
const SEARCHES = 12
const SEARCHES_PER_NAME = 1 / 4
/** Larger sets are rare, and seldom alike: they have layouts of their own, and a plan to merge them only when they meet again. */
const LARGEST_SHARED = 128

export class Layout {
  /** Sorted by bytes, without duplicates. */
  readonly names: readonly string[]
  private index: Map<string, number> | undefined
  private searches: number
  private lastRight: Layout | undefined
  private lastPlan: MergePlan | undefined
  /** By the right layout; undefined where it was met once. */
  private merges: Map<Layout, MergePlan | undefined> | undefined
  private lastRemoved: readonly string[] | undefined
  private lastRemoval: RemovalPlan | undefined

  /** For names that no other set has; else `layoutOfSorted` finds what there is. */
  constructor(names: readonly string[]) {
    this.names = names
    this.index = undefined
    this.searches = 0
    this.lastRight = undefined
    this.lastPlan = undefined
    this.merges = undefined
    this.lastRemoved = undefined
    this.lastRemoval = undefined
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

  /** How to merge with a set on the right. */
  mergeWith(right: Layout): MergePlan {
    if (this.lastRight === right) return (this.lastPlan ??= planMerge(this, right))
    const known = this.merges?.get(right)
    // a plan of large sets that nobody may need again isn't kept
    const keep = this.names.length + right.names.length <= LARGEST_SHARED || known !== undefined || this.merges?.has(right) === true
    if (this.lastRight !== undefined) this.rememberLast()
    const plan = known ?? planMerge(this, right)
    this.lastRight = right
    this.lastPlan = keep ? plan : undefined
    return plan
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
    const plan = { layout: kept.length === this.names.length ? this : this.pick(kept), kept: new Int32Array(kept) }
    this.lastRemoved = names
    this.lastRemoval = plan
    return plan
  }

  /** The layout of some attributes, by ascending index. */
  pick(indices: readonly number[]): Layout {
    return layoutOfSorted(indices.map((i) => this.names[i]!))
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
  const layout = names.length === r.length ? right : names.length === l.length ? left : layoutOfSorted(names)
  return { layout, sources: new Int32Array(sources) }
}

/** Shared layouts, by their names; forgotten when there are too many. */
const shared = new Map<string, Layout>()
const SHARED_LIMIT = 50_000

/** The layout of names that are sorted and distinct. */
export function layoutOfSorted(names: readonly string[]): Layout {
  if (names.length > LARGEST_SHARED) return new Layout(names)
  const key = names.join('\0')
  const known = shared.get(key)
  // a name may hold what joins names
  if (known !== undefined && sameNames(known.names, names)) return known
  if (shared.size >= SHARED_LIMIT) shared.clear()
  const layout = new Layout(names)
  shared.set(key, layout)
  return layout
}

export interface OrderedLayout {
  readonly layout: Layout
  /** For each name of the layout, where it was given. */
  readonly order: readonly number[]
}

/** By the names as they were given: builtins make sets of the same few lists of names. */
const ordered = new Map<string, OrderedLayout>()
const ORDERED_LIMIT = 10_000
const LARGEST_ORDERED = 16

/** A layout of distinct names in any order. */
export function layoutOf(names: readonly string[]): OrderedLayout {
  if (names.length > LARGEST_ORDERED) return sorted(names)
  const key = names.join('\0')
  const known = ordered.get(key)
  if (known !== undefined && known.layout.names.length === names.length && known.order.every((from, i) => names[from] === known.layout.names[i])) return known
  if (ordered.size >= ORDERED_LIMIT) ordered.clear()
  const made = sorted(names)
  ordered.set(key, made)
  return made
}

function sorted(names: readonly string[]): OrderedLayout {
  const order = names.map((_, i) => i).sort((a, b) => byBytes(names[a]!, names[b]!))
  return { layout: layoutOfSorted(order.map((i) => names[i]!)), order }
}
