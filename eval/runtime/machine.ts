/**
 * Ring: eval. The evaluator's own stacks, beside JavaScript's: thunks being forced (to notice infinite recursion) and calls
 * being made (for Nix's limit on their depth, and traces). Nothing of them is undone on the way of an exception, which would
 * cost a handler in every frame: who catches one restores the heights it saw before (`mark`, `restore`).
 *
 * One machine serves the JavaScript thread: evaluations take turns and each leaves it as it found it.
 */
import { held, take, tracker } from './dependencies.ts'
import type { Location } from '../values/location.ts'
import type { Site } from './site.ts'

/** What a frame of the call stack shows: a function's code or a builtin. */
export interface Callee {
  readonly kind: 'lambda' | 'builtin'
  readonly name: string | undefined
  /** For builtins that tell how far they are: lines for an error that is made now, from the outermost. They are made when somebody reads them. */
  readonly progress?: () => () => readonly CalleeLine[]
}

/** A line of a trace, in Nix's words. */
export interface CalleeLine {
  readonly text: string
  readonly location: Location | undefined
}

/** Nix's default of max-call-depth. */
export const MAX_CALL_DEPTH = 10_000

export const machine = {
  /** Number of thunks being forced. */
  forcing: 0,
  /** Number of the next force; one that is forced keeps it, so that a thunk left behind by an exception is told from one that waits for itself. */
  nextSerial: 1,
  /** Calls being made. */
  depth: 0,
  /** Calls that may be nested. */
  maxCallDepth: MAX_CALL_DEPTH,
  /** Whether a thunk's failure is discarded: siblings of something suspended are being looked at. */
  speculating: 0,
}

/** Serial numbers of the thunks being forced, ascending. */
export const serials: number[] = []
/** Sites of the calls being made. */
export const sites: Site[] = []
export const callees: Callee[] = []

/**
 * A builtin puts this in its own place on the call stack, to tell how far it is. Where it caught errors to add lines, all that suspends would be
 * thrown again at each.
 */
export function tellProgress(callee: Callee): void {
  if (machine.depth > 0) callees[machine.depth - 1] = callee
}

export interface MachineMark {
  readonly forcing: number
  readonly depth: number
  readonly speculating: number
}

export function markMachine(): MachineMark {
  return { forcing: machine.forcing, depth: machine.depth, speculating: machine.speculating }
}

export function restoreMachine(mark: MachineMark): void {
  // what was given up had its reasons, and whoever goes on differently has them too
  if (tracker.on) for (let i = mark.forcing; i < machine.forcing; i++) take(held[i]!)
  machine.forcing = mark.forcing
  machine.depth = mark.depth
  machine.speculating = mark.speculating
}

/** Whether the force with this number is still going on. */
export function isBeingForced(serial: number): boolean {
  let low = 0
  let high = machine.forcing - 1
  while (low <= high) {
    const middle = (low + high) >> 1
    const found = serials[middle]!
    if (found === serial) return true
    if (found < serial) low = middle + 1
    else high = middle - 1
  }
  return false
}
