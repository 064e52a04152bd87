/**
 * Ring: eval. What imports that had to wait were given, so that trying again doesn't compute it again. A thunk keeps its value, but an
 * attempt that suspends leaves behind what a function made within it: `name: import (generate name)` makes its argument anew in each
 * attempt. The new argument is recognised as the same computation (the same code over variables that are the same), and takes the
 * value that the old one has: what is the same computation has the same value. Where it isn't recognised it is computed, as ever.
 */
import { Attributes, Lambda, type Frame, type Slot } from '../values/value.ts'
import type { LambdaCode } from './lambda.ts'
import { NONE } from './dependencies.ts'
import { Thunk, type Code } from './thunk.ts'

/** How far a computation is looked into. Beyond, what it uses must be the very same object. */
const DEPTH = 4
const NODES = 100
/** Arguments that one is compared with: they are met again in the order in which they were met or answered, so the first is nearly always the one. */
const CANDIDATES = 16

/** What something was when it was looked at: thunks get values, and frames variables. */
type Picture =
  | { readonly kind: 'same'; readonly of: unknown }
  | ThunkPicture
  | FunctionPicture
  | { readonly kind: 'set'; readonly of: Attributes; readonly parts: Picture[] }
  | { readonly kind: 'slots'; readonly of: readonly unknown[]; readonly parts: Picture[] }

interface ThunkPicture { readonly kind: 'thunk'; readonly of: Thunk; readonly code: Code; payload: Picture }
interface FunctionPicture { readonly kind: 'function'; readonly of: Lambda; readonly code: LambdaCode; frame: Picture }

/** An argument before it had a value. */
export interface Argument {
  readonly thunk: Thunk
  readonly picture: ThunkPicture
}

export class Recall {
  private readonly byNeed = new Map<string, Argument>()
  /** By code, apart from each other those whose needs have been answered and those who wait: the former are wanted sooner. */
  private readonly answered = new Map<Code, Set<Argument>>()
  private readonly waiting = new Map<Code, Set<Argument>>()
  /** Of the scope around the last argument, which most of the next are made in too: what it showed then, it shows now, or nothing is recognised. */
  private scope: Picture | undefined

  /** Whether something is tried again. What is tried for the first time has met none of what waits: comparing would find nothing. */
  again = false

  /** Call before the argument of an import is forced. It may have a value then. Gives what to note if the import waits. */
  meet(slot: Slot): Argument | undefined {
    if (!(slot instanceof Thunk) || slot.value !== undefined) return undefined
    const known = find(this.answered.get(slot.code!), slot) ?? (this.again ? find(this.waiting.get(slot.code!), slot) : undefined)
    if (known === undefined) return { thunk: slot, picture: this.pictureOf(slot) }
    adopt(slot, known.thunk)
    this.answered.get(known.picture.code)?.delete(known)
    return known
  }

  private pictureOf(thunk: Thunk): ThunkPicture {
    const pictures = new Pictures()
    if (this.scope !== undefined) pictures.put(this.scope)
    const made = picture(thunk, DEPTH, pictures) as ThunkPicture
    if (made.payload.kind === 'slots') this.scope = made.payload.parts[0]
    return made
  }

  note(need: string, argument: Argument): void {
    const before = this.byNeed.get(need)
    if (before !== undefined) this.waiting.get(before.picture.code)?.delete(before)
    this.byNeed.set(need, argument)
    add(this.waiting, argument)
  }

  answer(need: string): void {
    const argument = this.byNeed.get(need)
    if (argument === undefined) return
    this.byNeed.delete(need)
    this.waiting.get(argument.picture.code)?.delete(argument)
    add(this.answered, argument)
  }

  /** Another evaluation begins. */
  clear(): void {
    this.byNeed.clear()
    this.answered.clear()
    this.waiting.clear()
    this.scope = undefined
  }
}

function add(byCode: Map<Code, Set<Argument>>, argument: Argument): void {
  const { code } = argument.picture
  const others = byCode.get(code)
  if (others === undefined) byCode.set(code, new Set([argument]))
  else others.add(argument)
}

function find(candidates: ReadonlySet<Argument> | undefined, thunk: Thunk): Argument | undefined {
  if (candidates === undefined) return undefined
  let left = CANDIDATES
  for (const candidate of candidates) {
    if (left-- === 0) return undefined
    if (candidate.thunk.value !== undefined && isSame(candidate.picture, thunk, [])) return candidate
  }
  return undefined
}

function adopt(thunk: Thunk, from: Thunk): void {
  thunk.value = from.value
  if (typeof from.state !== 'number' && from.state !== NONE) {
    // it may have to be computed again some day, so it keeps its own code
    thunk.state = from.state
    return
  }
  thunk.state = 0
  thunk.code = null
  thunk.payload = null
}

/** Few, so that they are looked through sooner than hashed. */
class Pictures {
  private readonly made: Picture[] = []
  left = NODES

  of(object: object): Picture | undefined {
    for (const one of this.made) if (one.of === object) return one
    return undefined
  }

  put<P extends Picture>(made: P): P {
    this.made.push(made)
    return made
  }
}

function picture(object: unknown, depth: number, pictures: Pictures): Picture {
  const same: Picture = { kind: 'same', of: object }
  if (typeof object !== 'object' || object === null || pictures.left <= 0) return same
  const before = pictures.of(object)
  if (before !== undefined) return before
  if (depth === 0) return same
  pictures.left--
  if (object instanceof Thunk) {
    if (object.value !== undefined || object.code === null) return same
    const made = pictures.put<ThunkPicture>({ kind: 'thunk', of: object, code: object.code, payload: same })
    made.payload = picture(object.payload, depth - 1, pictures)
    return made
  }
  if (object instanceof Lambda) {
    const made = pictures.put<FunctionPicture>({ kind: 'function', of: object, code: object.code, frame: same })
    made.frame = picture(object.frame, depth - 1, pictures)
    return made
  }
  if (object instanceof Attributes || Array.isArray(object)) {
    const slots = object instanceof Attributes ? object.values : object as Frame
    // as a whole package set
    if (slots.length > pictures.left) return same
    const parts: Picture[] = []
    const made = pictures.put<Picture>(object instanceof Attributes ? { kind: 'set', of: object, parts } : { kind: 'slots', of: object as Frame, parts })
    for (const slot of slots) parts.push(picture(slot, depth - 1, pictures))
    return made
  }
  return same
}

/**
 * Whether something is what the picture shows, or made alike. What is being compared (pictures, each before what it was compared with) is taken to be the same,
 * since cycles come back to it.
 */
function isSame(shown: Picture, live: unknown, compared: unknown[]): boolean {
  if (shown.of === live || hasSameValue(shown.of, live)) return true
  if (shown.kind === 'same') return false
  for (let i = 0; i < compared.length; i += 2) if (compared[i] === shown) return compared[i + 1] === live
  compared.push(shown, live)
  switch (shown.kind) {
    case 'thunk': return live instanceof Thunk && live.value === undefined && live.code === shown.code && isSame(shown.payload, live.payload, compared)
    case 'function': return live instanceof Lambda && live.code === shown.code && isSame(shown.frame, live.frame, compared)
    case 'set': return live instanceof Attributes && live.layout === shown.of.layout && areSame(shown.parts, live.values, compared)
    case 'slots': return Array.isArray(live) && areSame(shown.parts, live as Frame, compared)
  }
}

function areSame(shown: readonly Picture[], live: readonly unknown[], compared: unknown[]): boolean {
  if (shown.length !== live.length) return false
  for (let i = 0; i < shown.length; i++) if (!isSame(shown[i]!, live[i], compared)) return false
  return true
}

/** Whether a thunk has a value by now, which is what stands here; a variable that is handed on is its value as soon as there is one. */
function hasSameValue(shown: unknown, live: unknown): boolean {
  return shown instanceof Thunk && shown.value !== undefined && shown.value === (live instanceof Thunk ? live.value : live)
}
