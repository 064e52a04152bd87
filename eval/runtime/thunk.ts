/**
 * Ring: eval. Delayed computations. A thunk keeps its code and frame until it has a value: when the computation fails or is
 * suspended, it is as it was before, without anybody restoring it, and can be forced again.
 */
import { held, NONE, take, tracker, type Dependencies } from './dependencies.ts'
import { EvaluationError } from './errors.ts'
import { isBeingForced, machine, serials } from './machine.ts'
import type { Location } from '../values/location.ts'
import type { Slot, Value } from '../values/value.ts'

/** What a thunk computes: shared by all thunks made at one place. */
export interface Code {
  /** Whether running it computes nothing that could fail. */
  readonly isTrivial?: boolean
  run: (payload: never) => Value
  /** Where it stands, for messages. */
  readonly location: Location | undefined
}

export class Thunk {
  /** Once there is a value, null, unless what the value depends on may change: then it may have to be computed again. */
  code: Code | null
  /** What `code.run` gets: a frame, or what it needs. */
  payload: unknown
  /** Number of the last force, 0 before the first; then what the value depends on, where that is tracked. */
  state: number | Dependencies
  /** Undefined before there is one. */
  value: Value | undefined
  constructor(code: Code, payload: unknown) {
    this.code = code
    this.payload = payload
    this.state = 0
    this.value = undefined
  }
}

/** The value of a slot. */
export function force(slot: Slot): Value {
  if (slot instanceof Thunk) {
    const { value } = slot
    return value === undefined || tracker.on ? forceThunk(slot) : value
  }
  return slot
}

function forceThunk(thunk: Thunk): Value {
  const { value: known, state } = thunk
  if (known !== undefined) {
    if (typeof state === 'number') return known
    if (state.isCurrent()) {
      take(state)
      return known
    }
    forget(thunk)
  }
  const code = thunk.code!
  if (isWaiting(thunk)) throw new EvaluationError('infinite-recursion', 'infinite recursion encountered', { location: code.location })
  const height = machine.forcing
  const serial = machine.nextSerial++
  thunk.state = serial
  serials[height] = serial
  machine.forcing = height + 1
  if (!tracker.on) {
    const value = code.run(thunk.payload as never)
    machine.forcing = height
    thunk.value = value
    thunk.code = null
    thunk.payload = null
    return value
  }
  held[height] = tracker.current
  tracker.current = NONE
  const value = code.run(thunk.payload as never)
  machine.forcing = height
  const dependencies = tracker.current
  thunk.value = value
  if (dependencies === NONE) {
    thunk.state = 0
    thunk.code = null
    thunk.payload = null
    tracker.current = held[height]!
  } else {
    thunk.state = dependencies
    tracker.current = held[height].with(dependencies)
  }
  return value
}

function forget(thunk: Thunk): void {
  thunk.value = undefined
  thunk.state = 0
}

/** Whether a thunk waits for itself, if it is forced now. */
export function isWaiting(thunk: Thunk): boolean {
  const { state } = thunk
  return typeof state === 'number' && state !== 0 && isBeingForced(state)
}

/** Whether forcing the slot would compute something. */
export function isDelayed(slot: Slot): slot is Thunk {
  return slot instanceof Thunk && (slot.value === undefined || (tracker.on && typeof slot.state !== 'number' && !slot.state.isCurrent()))
}

/** The slot without a thunk around a value that is known. */
export function settled(slot: Slot): Slot {
  if (!(slot instanceof Thunk)) return slot
  const { value } = slot
  if (value === undefined) return slot
  return tracker.on ? settledNow(slot, value) : value
}

function settledNow(thunk: Thunk, value: Value): Slot {
  const { state } = thunk
  if (typeof state === 'number') return value
  if (!state.isCurrent()) return thunk
  take(state)
  return value
}
