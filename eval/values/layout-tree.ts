/**
 * Ring: eval. Layouts of sets that builtins make, found again by their names and places: outputs of a derivation, what `listToAttrs` got.
 * Sets alike then share a layout, and what is remembered by layout (merges, selections) serves all of them. In a package set
 * nine of ten merges were between layouts that others equal to them had met before.
 */
import type { Layout } from './layout.ts'
import type { Location } from './location.ts'

export interface KnownLayout {
  readonly layout: Layout
  /** For each name of the layout, where it was given. */
  readonly order: readonly number[]
}

interface Step {
  readonly name: string
  readonly location: Location | undefined
  readonly node: Node
}

class Node {
  known: KnownLayout | undefined = undefined
  private last: Step | undefined = undefined
  private readonly steps = new Map<string, Step[]>()

  next(name: string, location: Location | undefined): Node {
    const { last } = this
    if (last !== undefined && last.name === name && last.location === location) return last.node
    let steps = this.steps.get(name)
    if (steps === undefined) this.steps.set(name, (steps = []))
    let step = steps.find((other) => other.location === location)
    if (step === undefined) {
      // a name with many places is one that is made over and over: the last few will do
      if (steps.length >= PLACES) steps.length = 0
      steps.push((step = { name, location, node: new Node() }))
      nodes++
    }
    this.last = step
    return step.node
  }
}

/** Larger sets are rare, and seldom alike. */
const LARGEST = 16
const PLACES = 16
/** The tree is forgotten when it has grown to this. */
const NODES = 50_000

let root = new Node()
let nodes = 0

/** The layout of names in the order given, made by `make` if it hasn't been met. Names are distinct. */
export function knownLayout(names: readonly string[], locations: readonly (Location | undefined)[] | undefined, make: () => KnownLayout): KnownLayout {
  if (names.length > LARGEST) return make()
  if (nodes > NODES) {
    root = new Node()
    nodes = 0
  }
  let node = root
  for (let i = 0; i < names.length; i++) node = node.next(names[i]!, locations?.[i])
  return (node.known ??= make())
}
