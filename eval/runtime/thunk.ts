/**
 * Ring: eval. Delayed computations. A thunk keeps its code and frame until it has a value: when the computation fails or is
 * suspended, it is as it was before, without anybody restoring it, and can be forced again.
 */
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
  /** null once there is a value. */
  code: Code | null
  /** What `code.run` gets (a frame, or what it needs); then the value. */
  payload: unknown
  /** Number of the last force; 0 before the first. */
  serial: number
  constructor(code: Code, payload: unknown) {
    this.code = code
    this.payload = payload
    this.serial = 0
  }
}

/** The value of a slot. */
export function force(slot: Slot): Value {
  if (slot instanceof Thunk) return slot.code === null ? (slot.payload as Value) : forceThunk(slot)
  return slot
}

function forceThunk(thunk: Thunk): Value {
  const code = thunk.code!
  if (thunk.serial !== 0 && isBeingForced(thunk.serial)) {
    throw new EvaluationError('infinite-recursion', 'infinite recursion encountered', { location: code.location })
  }
  const height = machine.forcing
  const serial = machine.nextSerial++
  thunk.serial = serial
  serials[height] = serial
  machine.forcing = height + 1
  const value = code.run(thunk.payload as never)
  machine.forcing = height
  thunk.code = null
  thunk.payload = value
  return value
}

/** Whether forcing the slot would compute something. */
export function isDelayed(slot: Slot): slot is Thunk {
  return slot instanceof Thunk && slot.code !== null
}

/** The slot without a thunk around a value that is known. */
export function settled(slot: Slot): Slot {
  return slot instanceof Thunk && slot.code === null ? (slot.payload as Value) : slot
}
