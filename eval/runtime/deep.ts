/** Ring: eval. Evaluating everything in a value, however deep it is; each container once. Upstream: forceValueDeep in src/libexpr/eval.cc. */
import { Suspended } from '../io.ts'
import { Attributes, type Slot, type Value } from '../values/value.ts'
import { machine, restoreMachine } from './machine.ts'
import { noteAborted } from './needs.ts'
import { probe } from './speculate.ts'
import { force } from './thunk.ts'

/** If a part suspends, the rest is looked at before the whole does. */
export function forceDeep(root: Slot): Value {
  const seen = new Set<object>()
  const pending: Slot[] = [root]
  const { forcing, depth, speculating } = machine
  try {
    for (let slot = pending.pop(); slot !== undefined; slot = pending.pop()) push(force(slot), pending, seen)
  } catch (error) {
    if (error instanceof Suspended) {
      noteAborted(forcing)
      restoreMachine({ forcing, depth, speculating })
      for (let slot = pending.pop(); slot !== undefined; slot = pending.pop()) {
        const next = slot
        probe(() => push(force(next), pending, seen))
      }
    }
    throw error
  }
  return force(root)
}

function push(value: Value, pending: Slot[], seen: Set<object>): void {
  if (value instanceof Attributes) {
    if (seen.has(value)) return
    seen.add(value)
    for (let i = value.values.length - 1; i >= 0; i--) pending.push(value.values[i]!)
  } else if (Array.isArray(value)) {
    if (seen.has(value)) return
    seen.add(value)
    const list = value as readonly Slot[]
    for (let i = list.length - 1; i >= 0; i--) pending.push(list[i]!)
  }
}
