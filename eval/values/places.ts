/**
 * Ring: eval. Where the attributes of a set were defined. Places travel with attributes through `//` and its like, but hardly anybody asks for them,
 * so sets that came of others say only where to look.
 */
import type { Location } from './location.ts'

/** Parallel to the names of a layout; undefined where none has a place in a source. */
export type Places = readonly (Location | undefined)[] | Combined

/** For each attribute its index among those of the right set, or `~index` in the left. */
export type Sources = Int32Array

/** Sets that were made of others so often in turn are looked through once. */
const DEEPEST = 32

class Combined {
  readonly sources: Sources
  readonly left: Places | undefined
  readonly right: Places | undefined
  readonly depth: number
  constructor(sources: Sources, left: Places | undefined, right: Places | undefined, depth: number) {
    this.sources = sources
    this.left = left
    this.right = right
    this.depth = depth
  }
}

/** Places of a set that was made of one or two others. */
export function combinedPlaces(sources: Sources, left: Places | undefined, right: Places | undefined): Places | undefined {
  if (left === undefined && right === undefined) return undefined
  const depth = Math.max(depthOf(left), depthOf(right)) + 1
  if (depth <= DEEPEST) return new Combined(sources, left, right, depth)
  return Array.from(sources, (source) => (source >= 0 ? placeAt(right, source) : placeAt(left, ~source)))
}

function depthOf(places: Places | undefined): number {
  return places instanceof Combined ? places.depth : 0
}

/** Where the attribute of this index was defined. */
export function placeAt(places: Places | undefined, index: number): Location | undefined {
  let at = places
  let i = index
  while (at instanceof Combined) {
    const source = at.sources[i]!
    if (source >= 0) {
      at = at.right
      i = source
    } else {
      at = at.left
      i = ~source
    }
  }
  return at?.[i]
}
