/**
 * Ring: eval. String contexts: what a string refers to, so that a derivation that uses it gets it as an input.
 * Upstream counterpart: src/libexpr/value/context.cc. Elements are interned, so that merging compares numbers.
 */
import { byBytes } from './order.ts'

export interface ContextElement {
  /** `opaque`: a store path; `deep`: a derivation with all its outputs and closure (`=drv`); `built`: an output (`!out!drv`). */
  readonly kind: 'opaque' | 'deep' | 'built'
  /** The store path, or that of the derivation. */
  readonly path: string
  /** Of `built` only, else empty. */
  readonly output: string
  readonly id: number
}

/** An immutable set of elements, never empty: a string without context is a plain JavaScript string. */
export class StringContext {
  /** Sorted by id. */
  readonly elements: readonly ContextElement[]
  private lastOther: StringContext | undefined
  private lastUnion: StringContext | undefined

  constructor(elements: readonly ContextElement[]) {
    this.elements = elements
    this.lastOther = undefined
    this.lastUnion = undefined
  }

  union(other: StringContext): StringContext {
    if (other === this || this.lastOther === other) return other === this ? this : this.lastUnion!
    const merged = mergeSorted(this.elements, other.elements)
    const result = merged.length === this.elements.length ? this : merged.length === other.elements.length ? other : new StringContext(merged)
    this.lastOther = other
    this.lastUnion = result
    return result
  }

  /** In Nix's order: opaque, deep, built, each by path and output. */
  sorted(): readonly ContextElement[] {
    return [...this.elements].sort((a, b) => RANK[a.kind] - RANK[b.kind] || byBytes(a.path, b.path) || byBytes(a.output, b.output))
  }
}

const RANK = { opaque: 0, deep: 1, built: 2 } as const

function mergeSorted(left: readonly ContextElement[], right: readonly ContextElement[]): ContextElement[] {
  const merged: ContextElement[] = []
  let i = 0
  let j = 0
  while (i < left.length && j < right.length) {
    const a = left[i]!
    const b = right[j]!
    merged.push(a.id <= b.id ? a : b)
    if (a.id <= b.id) i++
    if (b.id <= a.id) j++
  }
  while (i < left.length) merged.push(left[i++]!)
  while (j < right.length) merged.push(right[j++]!)
  return merged
}

/** The union of two contexts where either may be none. */
export function unionOf(left: StringContext | undefined, right: StringContext | undefined): StringContext | undefined {
  if (left === undefined) return right
  if (right === undefined) return left
  return left.union(right)
}

const interned = new Map<string, StringContext>()
let nextId = 1

/** The context with one element: interned, so that equal references are one object. */
export function singleContext(kind: ContextElement['kind'], path: string, output = ''): StringContext {
  const key = kind === 'opaque' ? path : kind === 'deep' ? `=${path}` : `!${output}!${path}`
  let found = interned.get(key)
  if (found === undefined) interned.set(key, (found = new StringContext([{ kind, path, output, id: nextId++ }])))
  return found
}

/** Gathers elements one by one (long lists of derivations), without a set in between for each step. */
export class ContextBuilder {
  private current: StringContext | undefined = undefined
  private pending: Map<number, ContextElement> | undefined = undefined

  add(context: StringContext | undefined): void {
    if (context === undefined || context === this.current) return
    if (this.current === undefined && this.pending === undefined) {
      this.current = context
      return
    }
    if (this.pending === undefined) {
      this.pending = new Map()
      for (const element of this.current!.elements) this.pending.set(element.id, element)
      this.current = undefined
    }
    for (const element of context.elements) this.pending.set(element.id, element)
  }

  build(): StringContext | undefined {
    if (this.pending === undefined) return this.current
    if (this.pending.size === 0) return undefined
    return new StringContext([...this.pending.values()].sort((a, b) => a.id - b.id))
  }
}

/** As Nix writes an element: `/nix/store/…`, `=/nix/store/….drv`, `!out!/nix/store/….drv`. */
export function printContextElement(element: ContextElement): string {
  return element.kind === 'opaque' ? element.path : element.kind === 'deep' ? `=${element.path}` : `!${element.output}!${element.path}`
}
