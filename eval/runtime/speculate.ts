/**
 * Ring: eval. Finding needs side by side: when one of several things that are all wanted suspends, the others are tried
 * too, so that what they need is asked for at the same time. What they throw is discarded: they are tried again, in order, when
 * the evaluation goes on, so an earlier one that fails still wins.
 */
import { Suspended } from '../io.ts'
import { asEvaluationError } from './errors.ts'
import { machine, markMachine, restoreMachine, type MachineMark } from './machine.ts'
import { markGroups, noteAborted, noteGroup, noteTrial, type TrialGroup } from './needs.ts'

/** Trials that one attempt of an attribute may make; the session sets it. */
export const speculation = { budget: 0 }

/** Does `work` for 0 … count-1; if one suspends, tries those after it, then suspends. */
export function speculate(count: number, work: (index: number) => void): void {
  // there is nothing beside it, and what is around it is as good a trial
  if (count === 1) return work(0)
  const { forcing, depth, speculating } = machine
  const groups = markGroups()
  let index = 0
  try {
    for (; index < count; index++) work(index)
  } catch (error) {
    if (error instanceof Suspended) speculateAfter(error, groups, { forcing, depth, speculating }, index, count, work)
    throw error
  }
}

/** What `speculate` does when the work at `index` has suspended: for loops that are run too often to take a function. `groups` and `mark` are from before. */
export function speculateAfter(suspended: Suspended, groups: number, mark: MachineMark, index: number, count: number, work: (index: number) => void): void {
  const group: TrialGroup = { pending: 0, parent: undefined }
  noteTrial(groups, { work: () => work(index), group }, suspended.need)
  speculateRest(mark, index + 1, count, work, group)
  noteGroup(group)
}

/** Tries what comes after something that suspended. `mark` is the machine before it all. */
export function speculateRest(mark: MachineMark, from: number, count: number, work: (index: number) => void, group?: TrialGroup): void {
  noteAborted(mark.forcing)
  restoreMachine(mark)
  for (let index = from; index < count; index++) probe(() => work(index), group)
}

/** Tries something for its needs only. Of a group it is tried again when they are met; else what is around it must be. */
export function probe(work: () => void, group?: TrialGroup): void {
  if (speculation.budget <= 0) return
  speculation.budget--
  const mark = markMachine()
  const groups = markGroups()
  machine.speculating++
  try {
    work()
  } catch (error) {
    if (!(error instanceof Suspended)) {
      if (asEvaluationError(error) === undefined) throw error
    } else if (group !== undefined) noteTrial(groups, { work, group }, error.need)
  } finally {
    noteAborted(mark.forcing)
    restoreMachine(mark)
  }
}
