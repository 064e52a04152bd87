/**
 * Ring: eval. What remembered values depend on, so that a resident evaluator can use them again. An *observation* is an answer that the
 * world gave (a file's content, a folder's entries, whether a path exists, a variable, the time), known by a number. A thunk that has a
 * value holds the set of observations that were made for it; whoever uses the value takes the set over into the computation going on.
 * docs/design/resident-evaluation.md says why that is enough.
 *
 * Sets are interned, so that the same union is one object, and are compared with what changed once an evaluation.
 */
const WORD = 32

export class Dependencies {
  /** A bit for each observation; the last word isn't zero. */
  readonly words: Int32Array
  /** Evaluation in which it was last compared with what changed. */
  private checked = 0
  private valid = true
  private lastOther: Dependencies | undefined = undefined
  private lastUnion: Dependencies | undefined = undefined
  private unions: Map<Dependencies, Dependencies> | undefined = undefined

  constructor(words: Int32Array) {
    this.words = words
  }

  /** Whether everything in it is as it was. */
  isCurrent(): boolean {
    if (this.checked !== tracker.evaluation) {
      this.checked = tracker.evaluation
      if (this.valid && intersects(this.words, tracker.changed)) this.valid = false
      if (this.valid && tracker.onFirstUse !== undefined && intersects(this.words, tracker.announced)) tracker.onFirstUse(this)
    }
    return this.valid
  }

  with(other: Dependencies): Dependencies {
    if (other === this || other === NONE) return this
    if (this === NONE) return other
    if (this.lastOther === other) return this.lastUnion!
    let union = this.unions?.get(other)
    if (union === undefined) {
      union = unite(this, other)
      if (this.unions === undefined) this.unions = new Map()
      this.unions.set(other, union)
    }
    this.lastOther = other
    this.lastUnion = union
    return union
  }

  has(observation: number): boolean {
    const word = this.words[observation >>> 5]
    return word !== undefined && (word & (1 << (observation & 31))) !== 0
  }
}

export const NONE = new Dependencies(new Int32Array(0))

export const tracker = {
  /** Whether the evaluation going on is one that is remembered. */
  on: false,
  /** Number of the evaluation going on. */
  evaluation: 0,
  /** Observations that aren't true any more. */
  changed: new Int32Array(0),
  /** Observations that are traces: they are shown again where what printed them is used again. */
  announced: new Int32Array(0),
  onFirstUse: undefined as ((dependencies: Dependencies) => void) | undefined,
  /** Of the innermost computation, so far. */
  current: NONE,
}

/** Of the computations further out, by their height on the machine's stack. */
export const held: Dependencies[] = []

/** What a value depends on now also holds for the computation going on. */
export function take(dependencies: Dependencies): void {
  if (dependencies !== tracker.current) tracker.current = tracker.current.with(dependencies)
}

/** The computation going on depends on an observation. */
export function depend(observation: number): void {
  if (tracker.on) take(single(observation))
}

const singles: Dependencies[] = []

function single(observation: number): Dependencies {
  let known = singles[observation]
  if (known === undefined) {
    const words = new Int32Array((observation >>> 5) + 1)
    words[observation >>> 5] = 1 << (observation & 31)
    singles[observation] = known = intern(words)
  }
  return known
}

/** One count for the process: sets of dependencies are shared by all its evaluators. */
let nextObservation = 0

export function newObservation(): number {
  return nextObservation++
}

/** An observation isn't true any more. */
export function markChanged(observation: number): void {
  tracker.changed = withBit(tracker.changed, observation)
}

/** Grows a bit set where it must. */
export function withBit(words: Int32Array<ArrayBuffer>, bit: number): Int32Array<ArrayBuffer> {
  let grown = words
  if (bit >>> 5 >= words.length) {
    grown = new Int32Array(Math.max((bit >>> 5) + 1, words.length * 2))
    grown.set(words)
  }
  grown[bit >>> 5]! |= 1 << (bit & (WORD - 1))
  return grown
}

function intersects(left: Int32Array, right: Int32Array): boolean {
  const length = Math.min(left.length, right.length)
  for (let i = 0; i < length; i++) if ((left[i]! & right[i]!) !== 0) return true
  return false
}

function unite(left: Dependencies, right: Dependencies): Dependencies {
  const [long, short] = left.words.length >= right.words.length ? [left, right] : [right, left]
  let more = false
  let less = long.words.length !== short.words.length
  for (let i = 0; i < short.words.length; i++) {
    const a = long.words[i]!
    const b = short.words[i]!
    if ((b & ~a) !== 0) more = true
    if ((a & ~b) !== 0) less = true
  }
  if (!more) return long
  if (!less) return short
  const words = Int32Array.from(long.words)
  for (let i = 0; i < short.words.length; i++) words[i]! |= short.words[i]!
  return intern(words)
}

const interned = new Map<number, Dependencies[]>()

function intern(words: Int32Array): Dependencies {
  let hash = words.length
  for (let i = 0; i < words.length; i++) hash = Math.imul(hash ^ words[i]!, 0x9E3779B1) ^ (hash >>> 15)
  const bucket = interned.get(hash)
  if (bucket !== undefined) {
    for (const known of bucket) if (sameWords(known.words, words)) return known
  }
  const made = new Dependencies(words)
  if (bucket === undefined) interned.set(hash, [made])
  else bucket.push(made)
  return made
}

function sameWords(left: Int32Array, right: Int32Array): boolean {
  if (left.length !== right.length) return false
  for (let i = 0; i < left.length; i++) if (left[i] !== right[i]) return false
  return true
}
