/**
 * Ring: eval. What an attempt to evaluate something leaves behind besides its value: what it waits for, and what it traced. The
 * session reads it; without one nothing is gathered.
 */
import type { Need } from '../../contract/evaluations.ts'
import { machine, serials } from './machine.ts'

export interface TraceMessage {
  readonly level: 'trace' | 'warn'
  readonly text: string
  /** Number of the innermost force that was going on, 0 for none. */
  readonly serial: number
}

/** Something that was tried beside others: when its need is met it can be tried again alone, for what it needs next. */
export interface Trial {
  readonly work: () => void
  readonly group: TrialGroup
}

/** Things that are all wanted. When the last that waited has come through, the work that wants them is tried, if it is a trial itself. */
export interface TrialGroup {
  pending: number
  parent: Trial | undefined
}

export interface AttemptRecord {
  readonly needs: Map<string, Need>
  /** By need: the least work that suspended for it beside others. */
  readonly trials: Map<string, Trial[]>
  /** Groups that no larger work is known of yet. */
  readonly groups: TrialGroup[]
  /** Forces that were going on when the attempt suspended: they will run again. */
  live: ReadonlySet<number> | undefined
  /** Forces that failed within a `tryEval`: they will run again where it does. */
  readonly aborted: Set<number>
  /** Traces of the attempt itself, in order. */
  readonly traces: TraceMessage[]
  /** Traces of what was looked at beside, not shown yet. */
  readonly asides: TraceMessage[]
}

let current: AttemptRecord | undefined

export function startRecord(): AttemptRecord {
  current = { needs: new Map(), trials: new Map(), groups: [], live: undefined, aborted: new Set(), traces: [], asides: [] }
  return current
}

export function endRecord(): void {
  current = undefined
}

/** Notes that something suspended. */
export function noteNeed(need: Need): void {
  if (current === undefined) return
  current.needs.set(need.key, need)
  if (machine.speculating === 0 && current.live === undefined) current.live = new Set(serials.slice(0, machine.forcing))
}

/** Groups made from now on are part of what begins now. */
export function markGroups(): number {
  return current === undefined ? 0 : current.groups.length
}

/** Notes that a trial suspended, which began at the mark. */
export function noteTrial(mark: number, trial: Trial, need: Need): void {
  if (current === undefined) return
  trial.group.pending++
  // the groups in it wait for their own needs, and then for each other
  const within = current.groups.splice(mark)
  for (const group of within) group.parent = trial
  if (within.length > 0) return
  const trials = current.trials.get(need.key)
  if (trials === undefined) current.trials.set(need.key, [trial])
  else trials.push(trial)
}

export function noteGroup(group: TrialGroup): void {
  current?.groups.push(group)
}

/** Notes that the forces above this height were given up; call before the machine is restored. */
export function noteAborted(height: number): void {
  if (current === undefined || (current.traces.length === 0 && current.asides.length === 0)) return
  for (let i = height; i < machine.forcing; i++) current.aborted.add(serials[i]!)
}

/** Takes a trace to be shown or not when the attempt ends; false where nothing is gathered. */
export function noteTrace(level: 'trace' | 'warn', text: string): 'shown' | 'held' | 'unrecorded' {
  if (current === undefined) return 'unrecorded'
  const message = { level, text, serial: machine.forcing === 0 ? 0 : serials[machine.forcing - 1]! }
  if (machine.speculating > 0) {
    current.asides.push(message)
    return 'held'
  }
  current.traces.push(message)
  return 'shown'
}
