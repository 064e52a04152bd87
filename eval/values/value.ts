/**
 * Ring: eval. What Nix values are in JavaScript. Upstream counterpart: src/libexpr/value.hh.
 *
 * | Nix | here |
 * |---|---|
 * | null, bool | null, boolean |
 * | int | number where it is a safe integer, else bigint (never both for one value, so `===` compares) |
 * | float | Float |
 * | string | a JavaScript string of bytes (codes 0-255) without context, else ContextString |
 * | path | PathValue |
 * | list | array of slots |
 * | set | Attributes |
 * | function | Lambda, PrimOp, PartialPrimOp |
 *
 * A *slot* holds a value or a thunk: elements of lists, attributes, variables. Values are always evaluated to weak head normal form.
 */
import type { Layout } from './layout.ts'
import { Layout as LayoutClass } from './layout.ts'
import type { Location } from './location.ts'
import { placeAt, type Places } from './places.ts'
import type { StringContext } from './context.ts'
import type { Thunk } from '../runtime/thunk.ts'
import type { LambdaCode } from '../runtime/lambda.ts'

export type Value = null | boolean | number | bigint | string | Float | ContextString | PathValue | List | Attributes | Lambda | PrimOp | PartialPrimOp
export type Slot = Value | Thunk
export type List = readonly Slot[]
/** Variables of one activation: `[enclosing frame, variable, …]`. */
export type Frame = unknown[]

export class Float {
  readonly value: number
  constructor(value: number) {
    this.value = value
  }
}

/** A string with a context. */
export class ContextString {
  readonly text: string
  readonly context: StringContext
  constructor(text: string, context: StringContext) {
    this.text = text
    this.context = context
  }
}

export class PathValue {
  /** Absolute; canonical but for literals that end in a slash before an interpolation. */
  readonly path: string
  constructor(path: string) {
    this.path = path
  }
}

export class Attributes {
  readonly layout: Layout
  readonly values: readonly Slot[]
  /** Where they were defined; undefined where none has a place in a source. */
  readonly places: Places | undefined
  constructor(layout: Layout, values: readonly Slot[], places?: Places) {
    this.layout = layout
    this.values = values
    this.places = places
  }

  get size(): number {
    return this.values.length
  }

  /** The slot of a name; undefined where there is none. */
  get(name: string): Slot | undefined {
    const index = this.layout.find(name)
    return index < 0 ? undefined : this.values[index]
  }

  has(name: string): boolean {
    return this.layout.find(name) >= 0
  }

  locationOf(name: string): Location | undefined {
    const index = this.layout.find(name)
    return index < 0 ? undefined : placeAt(this.places, index)
  }
}

export class Lambda {
  readonly code: LambdaCode
  /** The frame it was made in; of a function of several arguments that already has some, a frame that holds them. */
  readonly frame: Frame
  constructor(code: LambdaCode, frame: Frame) {
    this.code = code
    this.frame = frame
  }
}

/** Gets as many arguments as its arity. `location` is that of the call, where it is known. */
export type PrimOpFunction = (a: Slot, b: Slot, c: Slot) => Value

export class PrimOp {
  readonly kind = 'builtin'
  /** Without leading underscores. */
  readonly name: string
  /** 1 to 3. */
  readonly arity: number
  readonly run: PrimOpFunction
  constructor(name: string, arity: number, run: PrimOpFunction) {
    this.name = name
    this.arity = arity
    this.run = run
  }
}

export class PartialPrimOp {
  readonly primOp: PrimOp
  /** Fewer than its arity. */
  readonly args: readonly Slot[]
  constructor(primOp: PrimOp, args: readonly Slot[]) {
    this.primOp = primOp
    this.args = args
  }
}

export const EMPTY_LIST: List = []
export const EMPTY_ATTRIBUTES = new Attributes(new LayoutClass([]), [])

/** A string value, with or without context. */
export function stringValue(text: string, context: StringContext | undefined): string | ContextString {
  return context === undefined ? text : new ContextString(text, context)
}

/** An integer of 64 bits, in its one representation. */
export function intValue(value: bigint): number | bigint {
  return value >= MIN_SAFE && value <= MAX_SAFE ? Number(value) : value
}
const MAX_SAFE = BigInt(Number.MAX_SAFE_INTEGER)
const MIN_SAFE = -MAX_SAFE
