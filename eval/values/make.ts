/** Ring: eval. Making attribute sets out of entries, and of others. */
import { layoutOf } from './layout.ts'
import type { Location } from './location.ts'
import { combinedPlaces, type Sources } from './places.ts'
import { Attributes, EMPTY_ATTRIBUTES, type Slot } from './value.ts'

/** A set of entries with distinct names, in any order. */
export function attributesOf(entries: Iterable<readonly [string, Slot]>): Attributes {
  const names: string[] = []
  const values: Slot[] = []
  for (const [name, value] of entries) {
    names.push(name)
    values.push(value)
  }
  return attributesWithLocations(names, values, undefined)
}

/** The same with the places where attributes were defined, parallel to names. */
export function attributesWithLocations(names: readonly string[], values: readonly Slot[], locations: readonly (Location | undefined)[] | undefined): Attributes {
  if (names.length === 0) return EMPTY_ATTRIBUTES
  const { layout, order } = layoutOf(names)
  return new Attributes(layout, order.map((i) => values[i]!), locations && order.map((i) => locations[i]))
}

/** `left // right`. */
export function mergeAttributes(left: Attributes, right: Attributes): Attributes {
  if (left.values.length === 0) return right
  if (right.values.length === 0) return left
  if (left.layout === right.layout) return right
  const { layout, sources } = left.layout.mergeWith(right.layout)
  // nothing of the left is left
  if (layout === right.layout) return right
  const l = left.values
  const r = right.values
  const values = new Array<Slot>(sources.length)
  for (let i = 0; i < sources.length; i++) {
    const source = sources[i]!
    values[i] = source >= 0 ? r[source]! : l[~source]!
  }
  return new Attributes(layout, values, combinedPlaces(sources, left.places, right.places))
}

/** Some attributes of a set, by their indices. */
export function pickAttributes(set: Attributes, layout: Attributes['layout'], kept: Sources): Attributes {
  if (kept.length === 0) return EMPTY_ATTRIBUTES
  const values = new Array<Slot>(kept.length)
  for (let i = 0; i < values.length; i++) values[i] = set.values[kept[i]!]!
  return new Attributes(layout, values, combinedPlaces(kept, undefined, set.places))
}
