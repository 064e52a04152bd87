/** Ring: eval. Evaluating everything in a value, however deep it is; each container once. Upstream: forceValueDeep in src/libexpr/eval.cc. */
import { Suspended } from '../io.ts'
import { Attributes, type Slot, type Value } from '../values/value.ts'
import { stackOverflow } from './errors.ts'
import { machine, restoreMachine } from './machine.ts'
import { noteAborted } from './needs.ts'
import { probe, speculation } from './speculate.ts'
import { force } from './thunk.ts'

/** If a part suspends, the rest is looked at before the whole does. Nesting is limited as calls are. */
export function forceDeep(root: Slot): Value {
  const seen = new Set<object>()
  const pending: Slot[] = [root]
  const levels: number[] = [0]
  const { forcing, depth, speculating } = machine
  const limit = machine.maxCallDepth - depth
  const step = (): void => {
    const slot = pending.pop()!
    const level = levels.pop()!
    if (level > limit) throw stackOverflow(undefined)
    const value = force(slot)
    if (!(value instanceof Attributes || Array.isArray(value)) || seen.has(value)) return
    seen.add(value)
    const children: readonly Slot[] = value instanceof Attributes ? value.values : value
    for (let i = children.length - 1; i >= 0; i--) {
      pending.push(children[i]!)
      levels.push(level + 1)
    }
  }
  try {
    while (pending.length > 0) step()
  } catch (error) {
    if (error instanceof Suspended) {
      noteAborted(forcing)
      restoreMachine({ forcing, depth, speculating })
      while (pending.length > 0 && speculation.budget > 0) probe(step)
    }
    throw error
  }
  return force(root)
}
