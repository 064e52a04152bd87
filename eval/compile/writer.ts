/**
 * Ring: eval. Code that runs often is written as JavaScript. A closure for each node of an expression is quick to make, but costs a call
 * that the engine can't look through; of the few hundred thunks and functions that do most of a package set's work, the engine makes
 * better code from one function each. Each closure may know how to write itself (`write`); what doesn't is called from the text.
 * docs/design/evaluator.md says what decides.
 */
import type { Site } from '../runtime/site.ts'
import type { Frame, Slot, Value } from '../values/value.ts'

/** Writes code as a JavaScript expression. */
export type Write = (out: Writer) => string

/** Runs an expression to a value. */
export interface Strict {
  (frame: Frame): Value
  write?: Write
  /** Whether the value is always true or false. */
  boolean?: true
  /** Whether the value is the same each time. */
  constant?: true
}

/** Gives a value if that costs nothing, else a thunk. */
export interface Delayed {
  (frame: Frame): Slot
  write?: Write
}

/** Something done to a frame. */
export interface Step {
  (frame: Frame): void
  write?: Write
}

/** Code that knows how to write itself. */
export function writable<C extends (frame: Frame) => unknown>(code: C, write: Write): C & { write?: Write } {
  return Object.assign(code, { write })
}

/** The same for code that gives true or false. */
export function writableTest(code: Strict, write: Write): Strict {
  code.boolean = true
  return writable(code, write)
}

/** What else to look at when something suspends. */
export interface Rest {
  /** Looks at it. The machine is as it was before. */
  readonly probe: (frame: Frame) => void
  /** Number of the rest around it, 0 for none. */
  readonly outer: number
  /** Which frame it runs in. */
  readonly frame: number
}

/** Texts longer than this are not worth more: what is left is called. */
const LONGEST = 30_000

/** Gathers what the text of one function needs beside itself. */
export class Writer {
  /** Values that the text names, `c0` the first. */
  readonly constants: unknown[] = []
  /** Numbered from 1. */
  readonly rests: Rest[] = []
  /** Names of frames; the first is the parameter. */
  readonly frames: string[] = ['f']
  /** Statements that run once, before the function is made. */
  readonly preparation: string[] = []
  private readonly known = new Map<unknown, string>()
  private temporaries = 0
  private caches = 0
  private frame = 0
  private rest = 0
  private written = 0

  /** The variable that holds the frame. */
  get frameName(): string {
    return this.frames[this.frame]!
  }

  get temporaryNames(): readonly string[] {
    return [...Array.from({ length: this.temporaries }, (_, i) => `t${i}`), ...this.frames.slice(1)]
  }

  constant(value: unknown): string {
    if (value === null || typeof value === 'boolean' || (typeof value === 'number' && Number.isSafeInteger(value))) return String(value)
    let name = this.known.get(value)
    if (name === undefined) {
      name = `c${this.constants.length}`
      this.constants.push(value)
      this.known.set(value, name)
    }
    return name
  }

  temporary(): string {
    return `t${this.temporaries++}`
  }

  /** The text of a node. */
  code(code: Strict | Delayed | Step): string {
    if (code.write === undefined || this.written > LONGEST) return `${this.constant(code)}(${this.frameName})`
    const text = code.write(this)
    this.written += text.length
    return text
  }

  /** A variable, some frames up. */
  variable(hops: number, slot: number): string {
    return `${this.frameName}${'[0]'.repeat(hops)}[${slot}]`
  }

  /** Code in a frame of its own. */
  inFrame(size: number, code: Strict): string {
    const outer = this.frame
    const outerName = this.frameName
    this.frame = this.frames.length
    const name = `f${this.frame}`
    this.frames.push(name)
    const text = `(${name} = ${emptyFrame(outerName, size)}, ${this.code(code)})`
    this.frame = outer
    return text
  }

  /** The index of an attribute in the set that a variable holds, or -1: the last two layouts are remembered. */
  index(set: string, name: string): string {
    const n = this.caches++
    this.preparation.push(`let l${n}, k${n}, i${n} = -1, j${n} = -1`, `const m${n} = (layout) => { k${n} = l${n}; j${n} = i${n}; l${n} = layout; return i${n} = layout.find(${this.constant(name)}) }`)
    return `(${set}.layout === l${n} ? i${n} : ${set}.layout === k${n} ? j${n} : m${n}(${set}.layout))`
  }

  /** Something after which other things are wanted too: they are looked at when it suspends. */
  guarded(text: () => string, probe: (frame: Frame) => void): string {
    const outer = this.rest
    this.rests.push({ probe, outer, frame: this.frame })
    const number = this.rests.length
    this.rest = number
    const inner = text()
    this.rest = outer
    const value = this.temporary()
    return `(p = ${number}, ${value} = ${inner}, p = ${outer}, ${value})`
  }
}

/** Code whose value must be true or false. */
export function test(out: Writer, code: Strict, doing: string, site: Site): string {
  const text = out.code(code)
  return code.boolean ? text : `expectBoolean(${text}, ${out.constant(doing)}, ${out.constant(site)})`
}

/** A frame with nothing in it yet. */
export function emptyFrame(outer: string, size: number): string {
  return `[${outer}${', undefined'.repeat(size - 1)}]`
}
