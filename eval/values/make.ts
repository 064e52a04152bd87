/** Ring: eval. Making attribute sets out of entries. */
import { Layout, layoutOf } from './layout.ts'
import type { Location } from './location.ts'
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
  const { layout, order } = layoutOf(names, locations)
  return new Attributes(layout, order.map((i) => values[i]!))
}

/** `left // right`. */
export function mergeAttributes(left: Attributes, right: Attributes): Attributes {
  if (left.values.length === 0) return right
  if (right.values.length === 0) return left
  if (left.layout === right.layout) return right
  const plan = left.layout.mergeWith(right.layout)
  if (plan === undefined) return mergeOnce(left, right)
  const { sources } = plan
  const l = left.values
  const r = right.values
  const values = new Array<Slot>(sources.length)
  for (let i = 0; i < sources.length; i++) {
    const source = sources[i]!
    values[i] = source >= 0 ? r[source]! : l[~source]!
  }
  return new Attributes(plan.layout, values)
}

/** Merges names and values in one go, without a plan for the next time. */
function mergeOnce(left: Attributes, right: Attributes): Attributes {
  const l = left.layout.names
  const r = right.layout.names
  const lv = left.values
  const rv = right.values
  const ll = left.layout.locations
  const rl = right.layout.locations
  const most = l.length + r.length
  const names = new Array<string>(most)
  const values = new Array<Slot>(most)
  const locations = ll === undefined && rl === undefined ? undefined : new Array<Location | undefined>(most)
  let i = 0
  let j = 0
  let at = 0
  for (; i < l.length || j < r.length; at++) {
    const a = l[i]
    const b = r[j]
    if (j >= r.length || (i < l.length && a! < b!)) {
      names[at] = a!
      values[at] = lv[i]!
      if (locations !== undefined) locations[at] = ll?.[i]
      i++
      continue
    }
    if (a === b) i++
    names[at] = b!
    values[at] = rv[j]!
    if (locations !== undefined) locations[at] = rl?.[j]
    j++
  }
  values.length = at
  if (at === r.length) return new Attributes(right.layout, values)
  names.length = at
  if (locations !== undefined) locations.length = at
  return new Attributes(new Layout(at === l.length ? l : names, locations), values)
}
