/** Ring: eval. Attribute sets. */
import { callSite, delayedCall2 } from '../runtime/call.ts'
import { forceAttributes, forceFunction, forceList, forcePlainString, requireAttribute } from '../runtime/expect.ts'
import { NO_SITE } from '../runtime/site.ts'
import { speculate } from '../runtime/speculate.ts'
import { force } from '../runtime/thunk.ts'
import type { Location } from '../values/location.ts'
import { attributesOf, attributesWithLocations, pickAttributes } from '../values/make.ts'
import { Attributes, type Slot, type Value } from '../values/value.ts'
import { builtin, type BuiltinFamily } from './definition.ts'

function attrNames(set: Slot): Value {
  return [...forceAttributes(set, 'while evaluating the argument passed to builtins.attrNames', callSite()).layout.names]
}

function attrValues(set: Slot): Value {
  return forceAttributes(set, 'while evaluating the argument passed to builtins.attrValues', callSite()).values.slice()
}

function getAttr(name: Slot, set: Slot): Value {
  const site = callSite()
  const text = forcePlainString(name, 'while evaluating the first argument passed to builtins.getAttr', site)
  const attributes = forceAttributes(set, 'while evaluating the second argument passed to builtins.getAttr', site)
  return force(requireAttribute(attributes, text, 'in the attribute set under consideration'))
}

function hasAttr(name: Slot, set: Slot): Value {
  const site = callSite()
  const text = forcePlainString(name, 'while evaluating the first argument passed to builtins.hasAttr', site)
  return forceAttributes(set, 'while evaluating the second argument passed to builtins.hasAttr', site).has(text)
}

function removeAttrs(set: Slot, names: Slot): Value {
  const site = callSite()
  const attributes = forceAttributes(set, 'while evaluating the first argument passed to builtins.removeAttrs', site)
  const list = forceList(names, 'while evaluating the second argument passed to builtins.removeAttrs', site)
  const texts = new Array<string>(list.length)
  for (let i = 0; i < list.length; i++) texts[i] = forcePlainString(list[i]!, 'while evaluating the values of the second argument passed to builtins.removeAttrs', site)
  const plan = attributes.layout.without(texts)
  if (plan.layout === attributes.layout) return attributes
  return pickAttributes(attributes, plan.layout, plan.kept)
}

/** Up to this length, names are compared with those before instead of being hashed. */
const SHORT = 8

function listToAttrs(list: Slot): Value {
  const site = callSite()
  const elements = forceList(list, 'while evaluating the argument passed to builtins.listToAttrs', site)
  const names = new Array<string>(elements.length)
  const values = new Array<Slot>(elements.length)
  const locations = new Array<Location | undefined>(elements.length)
  let count = 0
  const found = elements.length > SHORT ? new Set<string>() : undefined
  speculate(elements.length, (i) => {
    const pair = forceAttributes(elements[i]!, 'while evaluating an element of the list passed to builtins.listToAttrs', site)
    const name = forcePlainString(requireAttribute(pair, 'name', 'in a {name=...; value=...;} pair'), 'while evaluating the `name` attribute of an element of the list passed to builtins.listToAttrs', pair.locationOf('name') ?? NO_SITE)
    if (found === undefined ? names.includes(name) : found.has(name)) return
    const value = requireAttribute(pair, 'value', 'in a {name=...; value=...;} pair')
    found?.add(name)
    names[count] = name
    values[count] = value
    locations[count++] = pair.locationOf('value')
  })
  // where names came twice
  names.length = values.length = locations.length = count
  return attributesWithLocations(names, values, locations)
}

function intersectAttrs(first: Slot, second: Slot): Value {
  const site = callSite()
  const left = forceAttributes(first, 'while evaluating the first argument passed to builtins.intersectAttrs', site)
  const right = forceAttributes(second, 'while evaluating the second argument passed to builtins.intersectAttrs', site)
  const kept: number[] = []
  if (left.size < right.size) {
    for (const name of left.layout.names) {
      const index = right.layout.find(name)
      if (index >= 0) kept.push(index)
    }
  } else {
    const { names } = right.layout
    for (let i = 0; i < names.length; i++) if (left.layout.find(names[i]!) >= 0) kept.push(i)
  }
  return kept.length === right.size ? right : pickAttributes(right, right.layout.pick(kept), new Int32Array(kept))
}

function catAttrs(name: Slot, list: Slot): Value {
  const site = callSite()
  const text = forcePlainString(name, 'while evaluating the first argument passed to builtins.catAttrs', site)
  const elements = forceList(list, 'while evaluating the second argument passed to builtins.catAttrs', site)
  const result: Slot[] = []
  speculate(elements.length, (i) => {
    const found = forceAttributes(elements[i]!, 'while evaluating an element in the list passed as second argument to builtins.catAttrs', site).get(text)
    if (found !== undefined) result.push(found)
  })
  return result
}

function mapAttrs(fn: Slot, set: Slot): Value {
  const attributes = forceAttributes(set, 'while evaluating the second argument passed to builtins.mapAttrs', callSite())
  const { layout } = attributes
  const values = new Array<Slot>(layout.names.length)
  for (let i = 0; i < values.length; i++) values[i] = delayedCall2(fn, layout.names[i]!, attributes.values[i]!)
  // The places of the original attributes are not those of the results.
  return new Attributes(layout, values)
}

function zipAttrsWith(fn: Slot, list: Slot): Value {
  const site = callSite()
  const callee = forceFunction(fn, 'while evaluating the first argument passed to builtins.zipAttrsWith', site)
  const elements = forceList(list, 'while evaluating the second argument passed to builtins.zipAttrsWith', site)
  const gathered = new Map<string, Slot[]>()
  speculate(elements.length, (i) => {
    const attributes = forceAttributes(elements[i]!, 'while evaluating a value of the list passed as second argument to builtins.zipAttrsWith', NO_SITE)
    const { names } = attributes.layout
    for (let j = 0; j < names.length; j++) {
      const values = gathered.get(names[j]!)
      if (values === undefined) gathered.set(names[j]!, [attributes.values[j]!])
      else values.push(attributes.values[j]!)
    }
  })
  return attributesOf([...gathered].map(([name, values]) => [name, delayedCall2(callee, name, values)] as const))
}

export const attributes: BuiltinFamily = (evaluator) => [
  builtin('__attrNames', 1, attrNames),
  builtin('__attrValues', 1, attrValues),
  builtin('__getAttr', 2, getAttr),
  builtin('__hasAttr', 2, hasAttr),
  builtin('removeAttrs', 2, removeAttrs),
  builtin('__listToAttrs', 1, listToAttrs),
  builtin('__intersectAttrs', 2, intersectAttrs),
  builtin('__catAttrs', 2, catAttrs),
  builtin('__mapAttrs', 2, mapAttrs),
  builtin('__zipAttrsWith', 2, zipAttrsWith),
  builtin('__unsafeGetAttrPos', 2, (name, set) => {
    const site = callSite()
    const text = forcePlainString(name, 'while evaluating the first argument passed to builtins.unsafeGetAttrPos', site)
    return evaluator.positionValue(forceAttributes(set, 'while evaluating the second argument passed to builtins.unsafeGetAttrPos', site).locationOf(text))
  }),
]

