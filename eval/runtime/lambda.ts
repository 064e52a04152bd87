/**
 * Ring: eval. What a function expression compiles to, and how its parameter is bound. `a: b: body` is one activation with two
 * parameters: its codes share a frame, which a call with both arguments makes once.
 */
import type { Layout } from '../values/layout.ts'
import type { Location } from '../values/location.ts'
import { Attributes, type Frame, type Slot, type Value } from '../values/value.ts'
import { EvaluationError } from './errors.ts'
import { showExcerpt } from '../printing/excerpt.ts'
import { printAttributeName } from '../text/printing.ts'
import { showType } from './types.ts'
import { force } from './thunk.ts'
import { machine, type Callee } from './machine.ts'
import type { Site } from './site.ts'
import { bestMatches } from './suggestions.ts'

export interface Formal {
  readonly name: string
  readonly location: Location
  /** Makes the slot of the default in the function's frame. */
  readonly fallback: ((frame: Frame) => Slot) | undefined
}

export type BoundParameter =
  | { readonly kind: 'name'; readonly name: string; readonly slot: number }
  | { readonly kind: 'pattern'; readonly formals: readonly Formal[]; /** slot of the first formal; the others follow */ readonly firstSlot: number; readonly ellipsis: boolean; /** of the whole argument, or -1 */ readonly wholeSlot: number; readonly wholeName: string | undefined }

/** An error about an argument: the call that it is for has not begun, though it is on the stack already. */
function beforeCall(...[kind, message, details]: ConstructorParameters<typeof EvaluationError>): EvaluationError {
  machine.depth--
  try {
    return new EvaluationError(kind, message, details)
  } finally {
    machine.depth++
  }
}

/** Layouts of arguments that a function remembers. */
const MATCHES = 256

export class LambdaCode implements Callee {
  readonly kind = 'lambda'
  readonly name: string | undefined
  readonly location: Location
  readonly parameter: BoundParameter
  /** Of a parameter that is a plain name, else -1. */
  readonly nameSlot: number
  /** The function that takes the next argument in the same frame. */
  readonly next: LambdaCode | undefined
  /** Whether the frame of its closure already holds earlier arguments, and is copied for a call. */
  readonly continues: boolean
  /** First slot of its parameter: those before hold the arguments of earlier codes of the chain. */
  readonly start: number
  /** Runs the body; only of the last code of a chain. */
  readonly body: (frame: Frame) => Value
  /** A frame of the right size with nothing in it, shared by the codes of a chain; made when the body is compiled. */
  readonly template: { frame: Frame | undefined; readonly prepare: () => Frame }
  /** Result of `functionArgs`, made once. */
  argumentsSet: Attributes | undefined = undefined
  private lastLayout: Layout | undefined = undefined
  private lastIndices: Int32Array | undefined = undefined
  /** By layout, of arguments before the last. */
  private matches: Map<Layout, Int32Array> | undefined = undefined

  constructor(options: {
    readonly name: string | undefined; readonly location: Location; readonly parameter: BoundParameter; readonly next: LambdaCode | undefined
    readonly continues: boolean; readonly start: number; readonly body: (frame: Frame) => Value; readonly template: { frame: Frame | undefined; readonly prepare: () => Frame }
  }) {
    this.name = options.name
    this.location = options.location
    this.parameter = options.parameter
    this.nameSlot = options.parameter.kind === 'name' ? options.parameter.slot : -1
    this.next = options.next
    this.continues = options.continues
    this.start = options.start
    this.body = options.body
    this.template = options.template
  }

  /** A frame for a call of a closure over `outer`. */
  open(outer: Frame): Frame {
    const template = this.template.frame ?? this.template.prepare()
    if (this.continues) {
      const frame = template.slice()
      for (let i = 0; i < outer.length; i++) frame[i] = outer[i]
      return frame
    }
    switch (template.length) {
      case 2: return [outer, undefined]
      case 3: return [outer, undefined, undefined]
      case 4: return [outer, undefined, undefined, undefined]
      case 5: return [outer, undefined, undefined, undefined, undefined]
      default: {
        const frame = template.slice()
        frame[0] = outer
        return frame
      }
    }
  }

  /** Puts an argument into its slots. */
  bind(frame: Frame, argument: Slot, site: Site): void {
    const slot = this.nameSlot
    if (slot >= 0) {
      frame[slot] = argument
      return
    }
    const parameter = this.parameter as BoundParameter & { readonly kind: 'pattern' }
    const value = force(argument)
    if (!(value instanceof Attributes)) {
      throw beforeCall('type', `expected a set but found ${showType(value)}: ${showExcerpt(value)}`, {
        location: this.location, traces: [{ text: 'while evaluating the value passed for the lambda argument', location: this.location }, { text: 'from call site', location: site }],
      })
    }
    if (parameter.wholeSlot >= 0) frame[parameter.wholeSlot] = value
    const indices = value.layout === this.lastLayout ? this.lastIndices! : this.indicesIn(value.layout, parameter, site)
    const { formals, firstSlot } = parameter
    const { values } = value
    for (let i = 0; i < indices.length; i++) {
      const index = indices[i]!
      frame[firstSlot + i] = index >= 0 ? values[index] : undefined
    }
    // Defaults may refer to any parameter, so they are made when all are there.
    for (let i = 0; i < indices.length; i++) if (indices[i]! < 0) frame[firstSlot + i] = formals[i]!.fallback!(frame)
  }

  private indicesIn(layout: Layout, parameter: BoundParameter & { readonly kind: 'pattern' }, site: Site): Int32Array {
    let indices = this.matches?.get(layout)
    if (indices === undefined) {
      indices = this.match(layout, parameter, site)
      if (this.lastLayout !== undefined) {
        if (this.matches === undefined || this.matches.size >= MATCHES) this.matches = new Map([[this.lastLayout, this.lastIndices!]])
        this.matches.set(layout, indices)
      }
    }
    this.lastLayout = layout
    this.lastIndices = indices
    return indices
  }

  /** Where the formals are in sets of this layout. Checks what is missing or unexpected. */
  private match(layout: Layout, parameter: BoundParameter & { readonly kind: 'pattern' }, site: Site): Int32Array {
    const { formals } = parameter
    const indices = new Int32Array(formals.length)
    let used = 0
    for (let i = 0; i < formals.length; i++) {
      const formal = formals[i]!
      const index = layout.find(formal.name)
      if (index >= 0) used++
      else if (formal.fallback === undefined) {
        throw beforeCall('type', `function '${this.name ?? 'anonymous lambda'}' called without required argument '${formal.name}'`, {
          location: this.location, traces: [{ text: 'from call site', location: site }],
        })
      }
      indices[i] = index
    }
    if (!parameter.ellipsis && used !== layout.names.length) {
      const expected = formals.map((formal) => formal.name)
      const unexpected = layout.names.find((name) => !expected.includes(name))!
      throw beforeCall('type', `function '${this.name ?? 'anonymous lambda'}' called with unexpected argument '${printAttributeName(unexpected)}'`, {
        location: this.location, traces: [{ text: 'from call site', location: site }], suggestions: bestMatches(expected, unexpected),
      })
    }
    return indices
  }
}
