/**
 * Ring: eval. The tokens found so far, and the stack of modes that says what the next bytes can be.
 */
import { CLASSES } from './characters.ts'
import * as T from './tokens.ts'

export interface Tokens {
  readonly count: number
  readonly kinds: Uint8Array
  /** Offsets of each token's first byte and of the byte after its last. */
  readonly starts: Int32Array
  readonly ends: Int32Array
  /** Why the last token is FAILURE. */
  readonly failure: string | undefined
}

export const NORMAL = 0
export const IN_STRING = 1
export const IN_INDENTED = 2
export const IN_PATH = 3
export const IN_PATH_AFTER_SLASH = 4
/** The bottom of the stack: a stray `}` does not pop it. */
export const BOTTOM = 5

export class TokenBuffer {
  protected readonly text: string
  protected readonly length: number
  private kinds: Uint8Array
  protected starts: Int32Array
  private ends: Int32Array
  protected count = 0
  private failure: string | undefined
  protected readonly modes: number[] = [BOTTOM]

  constructor(text: string) {
    this.text = text
    this.length = text.length
    const guess = (text.length >> 2) + 16
    this.kinds = new Uint8Array(guess)
    this.starts = new Int32Array(guess)
    this.ends = new Int32Array(guess)
  }

  protected tokens(): Tokens {
    return { count: this.count, kinds: this.kinds, starts: this.starts, ends: this.ends, failure: this.failure }
  }

  protected emit(kind: number, start: number, end: number): number {
    const at = this.count
    if (at === this.kinds.length) this.grow()
    this.kinds[at] = kind
    this.starts[at] = start
    this.ends[at] = end
    this.count = at + 1
    return end
  }

  private grow(): void {
    const size = this.kinds.length * 2
    const kinds = new Uint8Array(size)
    const starts = new Int32Array(size)
    const ends = new Int32Array(size)
    kinds.set(this.kinds)
    starts.set(this.starts)
    ends.set(this.ends)
    this.kinds = kinds
    this.starts = starts
    this.ends = ends
  }

  protected end(start = this.length): number {
    this.emit(T.END_OF_FILE, start, this.length)
    return -1
  }

  protected fail(message: string, start: number, end: number): number {
    this.emit(T.FAILURE, start, end)
    this.failure = message
    return -1
  }

  protected pop(): void {
    this.modes.pop()
  }

  protected classAt(offset: number): number {
    return offset < this.length ? CLASSES[this.text.charCodeAt(offset)]! : 0
  }
}
