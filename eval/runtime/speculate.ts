/**
 * Ring: eval. Finding needs side by side: when one of several things that are all wanted suspends, the others are tried
 * too, so that what they need is asked for at the same time. What they throw is discarded: they are tried again, in order, when
 * the evaluation goes on, so an earlier one that fails still wins.
 */
import { Suspended } from '../io.ts'
import { asEvaluationError } from './errors.ts'
import { machine, markMachine, restoreMachine, type MachineMark } from './machine.ts'
import { noteAborted } from './needs.ts'

/** Trials that one attempt of an attribute may make; the session sets it. */
export const speculation = { budget: 0 }

/** Does `work` for 0 … count-1; if one suspends, tries those after it, then suspends. */
export function speculate(count: number, work: (index: number) => void): void {
  const { forcing, depth, speculating } = machine
  let index = 0
  try {
    for (; index < count; index++) work(index)
  } catch (error) {
    if (!(error instanceof Suspended)) throw error
    speculateRest({ forcing, depth, speculating }, index + 1, count, work)
    throw error
  }
}

/** Tries what comes after something that suspended. `mark` is the machine before it all. */
export function speculateRest(mark: MachineMark, from: number, count: number, work: (index: number) => void): void {
  noteAborted(mark.forcing)
  restoreMachine(mark)
  for (let index = from; index < count; index++) probe(() => work(index))
}

/** Tries something for its needs only. */
export function probe(work: () => void): void {
  if (speculation.budget <= 0) return
  speculation.budget--
  const mark = markMachine()
  machine.speculating++
  try {
    work()
  } catch (error) {
    if (!(error instanceof Suspended) && asEvaluationError(error) === undefined) throw error
  } finally {
    noteAborted(mark.forcing)
    restoreMachine(mark)
  }
}
