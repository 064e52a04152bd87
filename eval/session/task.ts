/** Ring: eval. What a session has to do: something that was asked for, or that was found below it. */
import type { JobPlace } from '../../contract/evaluations.ts'
import { parseAttributePath } from '../runtime/auto-call.ts'
import { EvaluationError } from '../runtime/errors.ts'
import type { Trial } from '../runtime/needs.ts'
import { isList } from '../runtime/types.ts'
import { Attributes, type Slot, type Value } from '../values/value.ts'
import { AttemptHistory } from './attempt.ts'

export interface Task {
  /** Byte strings. */
  readonly path: readonly string[]
  /** Undefined for the value as a whole, which is selected first. */
  readonly slot: Slot
  /** The slot's value, called if it is a function; remembered over attempts. */
  readonly called: Slot
  /** Number among what was asked for. */
  readonly root: number
  /** How deep below what was asked for: the value itself is walked into unasked. */
  readonly depth: number
  readonly history: AttemptHistory
  readonly waitsFor: Set<string>
  /** What to try when one of these needs is met. */
  readonly trials: Map<string, readonly Trial[]>
  /** Needs that the last attempt ended with, 0 before the first, and how many of all have been met since. */
  width: number
  met: number
}

/** Where other sessions of the request find it. */
export function placeOf({ root, path, depth }: Task): JobPlace {
  return { root, names: path.slice(path.length - depth) }
}

export function taskOf(path: readonly string[], slot: Slot, called: Slot, root: number, depth: number): Task {
  return { path, slot, root, called, depth, history: new AttemptHistory(), waitsFor: new Set(), trials: new Map(), width: 0, met: 0 }
}

/** What another session found in this value. */
export function memberOf(value: Value, name: string): Slot {
  const slot = value instanceof Attributes ? value.get(name) : isList(value) ? value[Number(name)] : undefined
  if (slot === undefined) throw new EvaluationError('missing-attribute', `attribute '${name}' missing`)
  return slot
}

/** The parts of what a user asked for; a path that does not parse fails when it is followed. */
export function pathOf(text: string): readonly string[] {
  try {
    return parseAttributePath(text)
  } catch {
    return [text]
  }
}
