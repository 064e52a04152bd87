/**
 * Ring: eval. String contexts: what a string refers to, so that a derivation that uses it gets it as an input.
 * Upstream counterpart: src/libexpr/value/context.cc. Elements are interned, so that merging compares numbers.
 */
import { byBytes, sortInPlace } from '../../nix/sorting.ts'

export interface ContextElement {
  /** `opaque`: a store path; `deep`: a derivation with all its outputs and closure (`=drv`); `built`: an output (`!out!drv`). */
  readonly kind: 'opaque' | 'deep' | 'built'
  /** The store path, or that of the derivation. */
  readonly path: string
  /** Of `built` only, else empty. */
  readonly output: string
  /** The list of it alone, empty where there is none. */
  readonly outputs: readonly string[]
  readonly id: number
  /** The builder that took it last. */
  takenBy: number
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

/** The contexts that refer to one path. */
export class PathContexts {
  private readonly path: string
  private opaqueContext: StringContext | undefined = undefined
  private deepContext: StringContext | undefined = undefined
  /** By output: there are few. */
  private readonly builtContexts: StringContext[] = []

  constructor(path: string) {
    this.path = path
  }

  get opaque(): StringContext {
    return (this.opaqueContext ??= contextOf('opaque', this.path, ''))
  }

  get deep(): StringContext {
    return (this.deepContext ??= contextOf('deep', this.path, ''))
  }

  built(output: string): StringContext {
    for (const known of this.builtContexts) if (known.elements[0]!.output === output) return known
    const context = contextOf('built', this.path, output)
    this.builtContexts.push(context)
    return context
  }
}

let nextId = 1
const NO_OUTPUTS: readonly string[] = []

function contextOf(kind: ContextElement['kind'], path: string, output: string): StringContext {
  return new StringContext([{ kind, path, output, outputs: output === '' ? NO_OUTPUTS : [output], id: nextId++, takenBy: 0 }])
}

const interned = new Map<string, PathContexts>()

/** The contexts of a path are interned, so that equal references are one object. */
export function contextsOf(path: string): PathContexts {
  let found = interned.get(path)
  if (found === undefined) interned.set(path, (found = new PathContexts(path)))
  return found
}

/** The context with one element. */
export function singleContext(kind: ContextElement['kind'], path: string, output = ''): StringContext {
  const contexts = contextsOf(path)
  return kind === 'built' ? contexts.built(output) : contexts[kind]
}

let nextBuilder = 1

/** Gathers elements one by one (long lists of derivations), without a set in between for each step. */
export class ContextBuilder {
  private readonly number = nextBuilder++
  private first: StringContext | undefined = undefined
  /** Once there is a second context: marked as taken, in any order. */
  private elements: ContextElement[] | undefined = undefined

  add(context: StringContext | undefined): void {
    if (context === undefined || context === this.first) return
    if (this.first === undefined) {
      this.first = context
      return
    }
    if (this.elements === undefined) {
      this.elements = []
      this.take(this.first)
    }
    this.take(context)
  }

  /** A mark can be lost to another builder that is at work in between: then an element comes twice, and `build` sees it. */
  private take(context: StringContext): void {
    for (const element of context.elements) {
      if (element.takenBy === this.number) continue
      element.takenBy = this.number
      this.elements!.push(element)
    }
  }

  build(): StringContext | undefined {
    if (this.elements === undefined) return this.first
    const sorted = sortInPlace(this.elements, (a, b) => a.id - b.id)
    return new StringContext(sorted.filter((element, i) => i === 0 || element !== sorted[i - 1]))
  }

  /** What was gathered, in any order; some of it may come twice. */
  gathered(): readonly ContextElement[] {
    return this.elements ?? this.first?.elements ?? []
  }
}

/** As Nix writes an element: `/nix/store/…`, `=/nix/store/….drv`, `!out!/nix/store/….drv`. */
export function printContextElement(element: ContextElement): string {
  return element.kind === 'opaque' ? element.path : element.kind === 'deep' ? `=${element.path}` : `!${element.output}!${element.path}`
}
