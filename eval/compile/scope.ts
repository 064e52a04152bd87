/**
 * Ring: eval. Which variable a name is, resolved before anything runs. A *frame* is the array of variables of one activation (a
 * function's body, or a delayed expression that has variables of its own); `let`, `rec` and `with` that run as a part of an
 * activation put their variables into its frame instead of making another.
 */
import type { SourceFile } from '../syntax/ast.ts'
import type { Expression } from '../syntax/ast.ts'
import type { Host } from '../runtime/host.ts'
import type { Frame, Slot, Value } from '../values/value.ts'

/** Runs an expression to a value. */
export type Strict = (frame: Frame) => Value
/** Gives a value if that costs nothing, else a thunk. */
export type Delayed = (frame: Frame) => Slot

export class FrameShape {
  readonly parent: FrameShape | undefined
  /** Slots in use; the first is the enclosing frame. */
  size = 1
  constructor(parent: FrameShape | undefined) {
    this.parent = parent
  }

  allocate(): number {
    return this.size++
  }

  /** An empty frame to copy. */
  template(): Frame {
    const frame: Frame = []
    for (let i = 0; i < this.size; i++) frame.push(undefined)
    return frame
  }
}

export class Scope {
  readonly parent: Scope | undefined
  readonly frame: FrameShape
  /** Names and their slots; undefined for a `with`. */
  readonly slots: ReadonlyMap<string, number> | undefined
  /** Slot of the set of a `with`. */
  readonly withSlot: number
  constructor(parent: Scope | undefined, frame: FrameShape, slots: ReadonlyMap<string, number> | undefined, withSlot = -1) {
    this.parent = parent
    this.frame = frame
    this.slots = slots
    this.withSlot = withSlot
  }
}

export interface Compiler {
  strict(expression: Expression, context: Context): Strict
  delayed(expression: Expression, context: Context): Delayed
}

export interface Context {
  readonly compiler: Compiler
  readonly host: Host
  readonly source: SourceFile
  /** Values of names that every file sees. */
  readonly globals: ReadonlyMap<string, Slot>
  readonly scope: Scope | undefined
  readonly frame: FrameShape
  /** Whether what is compiled runs once per frame, so that variables may be put into it. */
  readonly extensible: boolean
}

export interface Place {
  /** Frames to go up. */
  readonly hops: number
  readonly slot: number
}

export type Resolution =
  | { readonly kind: 'global'; readonly value: Slot }
  | { readonly kind: 'local'; readonly place: Place }
  /** Looked up in the sets of the enclosing `with`s, from the innermost. */
  | { readonly kind: 'with'; readonly places: readonly Place[] }
  | { readonly kind: 'undefined' }

export function resolve(name: string, context: Pick<Context, 'scope' | 'frame' | 'globals'>): Resolution {
  const places: Place[] = []
  for (let scope = context.scope; scope !== undefined; scope = scope.parent) {
    if (scope.slots === undefined) {
      places.push({ hops: hopsTo(scope.frame, context.frame), slot: scope.withSlot })
      continue
    }
    const slot = scope.slots.get(name)
    if (slot !== undefined) return { kind: 'local', place: { hops: hopsTo(scope.frame, context.frame), slot } }
  }
  const global = context.globals.get(name)
  if (global !== undefined) return { kind: 'global', value: global }
  return places.length > 0 ? { kind: 'with', places } : { kind: 'undefined' }
}

function hopsTo(target: FrameShape, from: FrameShape): number {
  let hops = 0
  for (let frame = from; frame !== target; frame = frame.parent!) hops++
  return hops
}

/** The place of a variable of this file; undefined for any other expression. */
export function localPlace(expression: Expression, context: Context): Place | undefined {
  if (expression.kind !== 'variable') return undefined
  const resolution = resolve(expression.name, context)
  return resolution.kind === 'local' ? resolution.place : undefined
}

/** The frame that is some frames up. */
export function up(frame: Frame, hops: number): Frame {
  let at = frame
  for (let i = 0; i < hops; i++) at = at[0] as Frame
  return at
}

/** Reads a variable's slot, whatever is in it. */
export function reader(place: Place): (frame: Frame) => unknown {
  const { hops, slot } = place
  switch (hops) {
    case 0: return (frame) => frame[slot]
    case 1: return (frame) => (frame[0] as Frame)[slot]
    case 2: return (frame) => ((frame[0] as Frame)[0] as Frame)[slot]
    case 3: return (frame) => (((frame[0] as Frame)[0] as Frame)[0] as Frame)[slot]
    default: return (frame) => up(frame, hops)[slot]
  }
}

/**
 * Where variables of a `let` and its like go: into the running frame, or a new one around what is compiled. `wrap` makes the
 * code that gets the frame right.
 */
export function openFrame(context: Context): { readonly context: Context; wrap(run: Strict): Strict } {
  if (context.extensible) return { context, wrap: (run) => run }
  const shape = new FrameShape(context.frame)
  return {
    context: { ...context, frame: shape, extensible: true },
    wrap: (run) => {
      const template = shape.template()
      return template.length === 2 ? inFrameOf2(run) : template.length === 3 ? inFrameOf3(run) : inFrame(template, run)
    },
  }
}

function inFrameOf2(run: Strict): Strict {
  return (frame) => run([frame, undefined])
}

function inFrameOf3(run: Strict): Strict {
  return (frame) => run([frame, undefined, undefined])
}

function inFrame(template: Frame, run: Strict): Strict {
  return (frame) => {
    const inner = template.slice()
    inner[0] = frame
    return run(inner)
  }
}

/** For something that runs later in the same frame. */
export function delayedContext(context: Context): Context {
  return context.extensible ? { ...context, extensible: false } : context
}
