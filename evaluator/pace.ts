/**
 * Ring: evaluator. How soon answers are looked at. Work that waits for many needs is tried again from its start, so one try for each
 * of a hundred answers that come one by one costs more than the evaluation itself; and one that waits for the last of them would
 * keep builds behind it from starting. So a try may follow at once where nothing else is outstanding, and else after a pause that
 * keeps tries to a small share of the time. Short ones have a pause too: what woke up for one answer runs with cold caches, which
 * doubles what it costs, and no build waits long for a fortieth of a second.
 */

/** Pause after a sweep, as a multiple of what the sweep took: a twentieth of the time goes into trying again. */
const PAUSE = 19
const SHORTEST_PAUSE = 25
const LONGEST_PAUSE = 2000

export class Pace {
  #earliest = 0

  /** A sweep has ended at `now`; both in milliseconds of one clock. */
  swept(now: number, took: number): void {
    this.#earliest = now + Math.min(Math.max(took * PAUSE, SHORTEST_PAUSE), LONGEST_PAUSE)
  }

  /** Milliseconds to wait before answers are looked at. `outstanding`: needs without an answer, apart from these. */
  pause(now: number, outstanding: number): number {
    return outstanding === 0 ? 0 : Math.max(0, this.#earliest - now)
  }
}
