/**
 * Ring: eval. Matches by walking an automaton in the order in which libstdc++'s depth-first executor does, so that groups and
 * lengths come out equal: repetition is greedy and stops at the first success, of alternatives both are tried and the longer
 * match wins. Unlike there, what was explored is remembered, so time is bounded by states × length, and the stack is our own.
 * Upstream counterpart: bits/regex_executor.tcc.
 */
import type { ByteSet, ParsedRegex, RegexNode } from './syntax.ts'

const SET = 0
const CHOICE = 1
const REPEAT = 2
const GROUP_BEGIN = 3
const GROUP_END = 4
const BEGIN = 5
const END = 6
const ACCEPT = 7

/** Kinds of frames: what is to be done when the exploration started after it is over. */
const AFTER_LEFT = 0
const AFTER_RIGHT = 1
const AFTER_MORE = 2
const AFTER_EXIT = 3
const RESTORE_START = 4
const RESTORE_GROUP = 5

export interface RawMatch {
  /** Begin and end of each group, -1 where it took no part; group 0 is the whole. */
  readonly bounds: Int32Array
}

export interface SearchOptions {
  /** Only a match that begins at the start. */
  readonly continuous: boolean
  /** An empty match at the start does not count. */
  readonly notEmpty: boolean
  /** The match ends at the text's end. */
  readonly whole: boolean
}

export class Automaton {
  readonly groups: number
  private readonly kinds: number[] = []
  private readonly next: number[] = []
  /** For a choice its left side, for a repetition its body, for groups their number. */
  private readonly other: number[] = []
  private readonly sets: (ByteSet | undefined)[] = []
  /** Number among the states whose exploration is remembered; else -1. */
  private readonly memoIndex: number[] = []
  private memoCount = 0
  private readonly start: number
  /** Bytes that a match can begin with; undefined if it can be empty or begin anywhere. */
  private readonly first: ByteSet | undefined

  constructor(parsed: ParsedRegex) {
    this.groups = parsed.groups
    const accept = this.add(ACCEPT, -1, -1)
    this.start = this.build(parsed.root, accept)
    this.first = this.firstBytes()
  }

  /** A search session over one text; remembers what was explored between calls. */
  session(text: string): AutomatonSession {
    return new AutomatonSession(this, text)
  }

  private add(kind: number, next: number, other: number, set?: ByteSet): number {
    const index = this.kinds.length
    this.kinds.push(kind)
    this.next.push(next)
    this.other.push(other)
    this.sets.push(set)
    this.memoIndex.push(kind === CHOICE || kind === REPEAT ? this.memoCount++ : -1)
    return index
  }

  /** Builds backwards: gives the state where `node` begins if `next` comes after it. */
  private build(node: RegexNode, next: number): number {
    switch (node.kind) {
      case 'empty': return next
      case 'set': return this.add(SET, next, -1, node.set)
      case 'begin': return this.add(BEGIN, next, -1)
      case 'end': return this.add(END, next, -1)
      case 'group': {
        const end = this.add(GROUP_END, next, node.index)
        return this.add(GROUP_BEGIN, this.build(node.body, end), node.index)
      }
      case 'sequence': return node.items.reduceRight((after, item) => this.build(item, after), next)
      case 'alternative': {
        const left = this.build(node.left, next)
        return this.add(CHOICE, this.build(node.right, next), left)
      }
      case 'repeat': return this.buildRepeat(node.body, node.minimum, node.maximum, next)
    }
  }

  private buildRepeat(body: RegexNode, minimum: number, maximum: number, next: number): number {
    let at: number
    let copies = minimum
    if (maximum === Infinity) {
      at = this.add(REPEAT, next, -1)
      const again = this.build(body, at)
      this.other[at] = again
      // `x+` is one copy that comes back to the repetition
      if (minimum === 1) return again
    } else {
      at = next
      for (let count = minimum; count < maximum; count++) at = this.add(REPEAT, next, this.build(body, at))
    }
    while (copies-- > 0) at = this.build(body, at)
    return at
  }

  private firstBytes(): ByteSet | undefined {
    const first = new Uint8Array(256)
    const seen = new Set<number>()
    const work = [this.start]
    for (let state = work.pop(); state !== undefined; state = work.pop()) {
      if (seen.has(state)) continue
      seen.add(state)
      switch (this.kinds[state]) {
        case SET: {
          const set = this.sets[state]!
          for (let byte = 0; byte < 256; byte++) if (set[byte] === 1) first[byte] = 1
          break
        }
        case CHOICE:
        case REPEAT:
          work.push(this.other[state]!, this.next[state]!)
          break
        case GROUP_BEGIN:
        case GROUP_END:
          work.push(this.next[state]!)
          break
        default: return undefined
      }
    }
    return first
  }

  /** Explores from `start`, which must be tried at `begin` alone; see AutomatonSession.search. */
  explore(text: string, begin: number, options: SearchOptions, atTextBegin: boolean, memo: Memo): RawMatch | undefined {
    const { kinds, next, other, sets, memoIndex } = this
    const stack: number[] = []
    const starts = new Int32Array(this.groups + 1).fill(-1)
    const current = new Int32Array(2 * (this.groups + 1)).fill(-1)
    const repeatAt = new Map<number, number>()
    let best: Int32Array | undefined
    let bestEnd = -1
    let state = this.start
    let at = begin
    let found = false
    for (;;) {
      // walk down until something fails or is accepted
      walk: for (;;) {
        switch (kinds[state]) {
          case SET:
            if (at >= text.length || sets[state]![text.charCodeAt(at)] !== 1) {
              found = false
              break walk
            }
            at++
            state = next[state]!
            continue
          case BEGIN:
            if (at !== begin || !atTextBegin) {
              found = false
              break walk
            }
            state = next[state]!
            continue
          case END:
            if (at !== text.length) {
              found = false
              break walk
            }
            state = next[state]!
            continue
          case GROUP_BEGIN: {
            const group = other[state]!
            stack.push(starts[group]!, group, RESTORE_START)
            starts[group] = at
            state = next[state]!
            continue
          }
          case GROUP_END: {
            const group = other[state]!
            stack.push(current[2 * group]!, current[2 * group + 1]!, group, RESTORE_GROUP)
            current[2 * group] = starts[group]!
            current[2 * group + 1] = at
            state = next[state]!
            continue
          }
          case CHOICE: {
            const known = memo.get(memoIndex[state]!, at)
            if (known !== 0) {
              found = known === 2
              break walk
            }
            stack.push(at, state, AFTER_LEFT)
            state = other[state]!
            continue
          }
          case REPEAT: {
            const known = memo.get(memoIndex[state]!, at)
            if (known !== 0) {
              found = known === 2
              break walk
            }
            // an empty round is allowed twice at one place, as there
            const before = repeatAt.get(state) ?? -1
            const place = before >> 2
            const rounds = before < 0 || place !== at ? 0 : before & 3
            if (rounds >= 2) {
              stack.push(at, state, AFTER_EXIT)
              state = next[state]!
              continue
            }
            repeatAt.set(state, (at << 2) | (rounds + 1))
            stack.push(before, at, state, AFTER_MORE)
            state = other[state]!
            continue
          }
          default: {
            found = (!options.whole || at === text.length) && !(options.notEmpty && at === begin)
            if (found && at > bestEnd) {
              bestEnd = at
              best = current.slice()
              best[0] = begin
              best[1] = at
              if (options.whole || at === text.length) return { bounds: best }
            }
            break walk
          }
        }
      }
      // go back up with the outcome in `found`
      climb: for (;;) {
        const kind = stack.pop()
        if (kind === undefined) return best === undefined ? undefined : { bounds: best }
        switch (kind) {
          case RESTORE_START: {
            const group = stack.pop()!
            starts[group] = stack.pop()!
            continue
          }
          case RESTORE_GROUP: {
            const group = stack.pop()!
            current[2 * group + 1] = stack.pop()!
            current[2 * group] = stack.pop()!
            continue
          }
          case AFTER_LEFT:
            state = stack.pop()!
            at = stack.pop()!
            stack.push(found ? 1 : 0, at, state, AFTER_RIGHT)
            state = next[state]!
            break climb
          case AFTER_RIGHT: {
            const choice = stack.pop()!
            const place = stack.pop()!
            if (stack.pop() === 1) found = true
            memo.set(memoIndex[choice]!, place, found)
            continue
          }
          case AFTER_MORE: {
            const repeat = stack.pop()!
            const place = stack.pop()!
            const before = stack.pop()!
            if (before < 0) repeatAt.delete(repeat)
            else repeatAt.set(repeat, before)
            if (found) {
              memo.set(memoIndex[repeat]!, place, true)
              continue
            }
            stack.push(place, repeat, AFTER_EXIT)
            state = next[repeat]!
            at = place
            break climb
          }
          default: {
            const repeat = stack.pop()!
            const place = stack.pop()!
            memo.set(memoIndex[repeat]!, place, found)
          }
        }
      }
    }
  }

  /** First offset from `from` on where a match can begin, or the text's length if there is none. */
  candidate(text: string, from: number): number {
    const { first } = this
    if (first === undefined) return from
    let at = from
    while (at < text.length && first[text.charCodeAt(at)] !== 1) at++
    return at
  }

  newMemo(length: number): Memo {
    return new Memo(this.memoCount, length)
  }
}

/** What exploring a state at a place gave: 0 unknown, 1 nothing, 2 a match. Cleared by counting up. */
export class Memo {
  private readonly count: number
  private table: Int32Array | undefined
  private readonly sparse = new Map<number, number>()
  private stamp = 0
  private used = 0
  private readonly size: number

  constructor(count: number, length: number) {
    this.count = count
    this.size = count * (length + 1)
  }

  get(state: number, place: number): number {
    const key = place * this.count + state
    const entry = this.table === undefined ? this.sparse.get(key) : this.table[key]
    return entry === undefined || entry >> 2 !== this.stamp ? 0 : entry & 3
  }

  set(state: number, place: number, found: boolean): void {
    const key = place * this.count + state
    const entry = (this.stamp << 2) | (found ? 2 : 1)
    if (this.table !== undefined) {
      this.table[key] = entry
      return
    }
    this.sparse.set(key, entry)
    // few entries are the rule; a table pays once a good part of it is filled
    if (++this.used > 512 && this.used > this.size >> 6 && this.size < 1 << 26) {
      this.table = new Int32Array(this.size).fill(-1)
      for (const [known, value] of this.sparse) this.table[known] = value
      this.sparse.clear()
    }
  }

  forget(): void {
    this.stamp++
    if (this.table === undefined) this.sparse.clear()
    this.used = 0
  }
}

export class AutomatonSession {
  private readonly automaton: Automaton
  private readonly text: string
  private readonly memo: Memo

  constructor(automaton: Automaton, text: string) {
    this.automaton = automaton
    this.text = text
    this.memo = automaton.newMemo(text.length)
  }

  /** The match that begins first at or after `from`. `precededByText`: `^` does not match at `from`. */
  search(from: number, options: SearchOptions, precededByText: boolean): RawMatch | undefined {
    this.memo.forget()
    const { text, automaton } = this
    const first = automaton.explore(text, from, options, !precededByText, this.memo)
    if (first !== undefined || options.continuous) return first
    // what failed from one start fails from a later one, but for `^` and for what had to be non-empty
    if (options.notEmpty || !precededByText) this.memo.forget()
    for (let begin = automaton.candidate(text, from + 1); begin <= text.length; begin = automaton.candidate(text, begin + 1)) {
      const match = automaton.explore(text, begin, options, false, this.memo)
      if (match !== undefined) return match
    }
    return undefined
  }
}
