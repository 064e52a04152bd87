/** Ring: eval. Evaluating everything in a value, however deep it is; each container once. Upstream: forceValueDeep in src/libexpr/eval.cc. */
import { Suspended } from '../io.ts'
import { printAttributeName } from '../text/printing.ts'
import { Attributes, type List, type Slot, type Value } from '../values/value.ts'
import { EvaluationError, stackOverflow } from './errors.ts'
import { machine, restoreMachine } from './machine.ts'
import { noteAborted } from './needs.ts'
import { probe, speculation } from './speculate.ts'
import { force } from './thunk.ts'

/** If a part suspends, the rest is looked at before the whole does. Nesting is limited as calls are. */
export function forceDeep(root: Slot): Value {
  const seen = new Set<object>()
  const pending: Slot[] = [root]
  /** Where each is: in which container, at which index. */
  const containers: (Container | undefined)[] = [undefined]
  const indices: number[] = [0]
  const { forcing, depth, speculating } = machine
  const limit = machine.maxCallDepth - depth
  let [container, index] = [undefined as Container | undefined, 0]
  const step = (): void => {
    const slot = pending.pop()!
    container = containers.pop()
    index = indices.pop()!
    const level = container === undefined ? 0 : container.level + 1
    if (level > limit) throw stackOverflow(undefined)
    const value = force(slot)
    if (!(value instanceof Attributes || Array.isArray(value)) || seen.has(value)) return
    seen.add(value)
    const children: readonly Slot[] = value instanceof Attributes ? value.values : value
    const inner: Container = { value: value as Container['value'], level, parent: container, index }
    for (let i = children.length - 1; i >= 0; i--) {
      pending.push(children[i]!)
      containers.push(inner)
      indices.push(i)
    }
  }
  try {
    while (pending.length > 0) step()
  } catch (error) {
    if (error instanceof EvaluationError && error.kind !== 'stack-overflow') addPlaces(error, container, index, depth)
    if (error instanceof Suspended) {
      noteAborted(forcing)
      restoreMachine({ forcing, depth, speculating })
      while (pending.length > 0 && speculation.budget > 0) probe(step)
    }
    throw error
  }
  return force(root)
}

interface Container {
  readonly value: Attributes | List
  readonly level: number
  readonly parent: Container | undefined
  /** In its parent. */
  readonly index: number
}

/** Lines that lead to what failed, from the innermost. */
function addPlaces(error: EvaluationError, container: Container | undefined, index: number, depth: number): void {
  for (let [at, i] = [container, index]; at !== undefined; i = at.index, at = at.parent) {
    if (!(at.value instanceof Attributes)) error.addTrace(`while evaluating list element at index ${i}`, undefined, depth)
    else {
      const name = at.value.layout.names[i]!
      error.addTrace(`while evaluating the attribute '${printAttributeName(name)}'`, at.value.locationOf(name), depth)
    }
  }
}
