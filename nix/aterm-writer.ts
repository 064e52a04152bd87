/**
 * Ring: nix. Writes the ATerm subset of derivations as bytes into a buffer that is used again and again: an evaluation prints tens of
 * thousands of derivations only to hash them, and neither strings nor buffers are made for that. The reader's counterpart (aterm.ts).
 */

const QUOTE = 34
const BACKSLASH = 92
/** By character: 1 where it stands for itself; 0 where it needs an escape or, from 256 on, is no byte. */
const IS_PLAIN = new Uint8Array(256).fill(1)
for (const character of '"\\\n\r\t') IS_PLAIN[character.charCodeAt(0)] = 0

/** Taken once: engines have many kinds of strings, and would look the method up for each character. */
const { charCodeAt } = String.prototype

export class AtermWriter {
  bytes = new Uint8Array(64 * 1024)
  /** Where the next byte goes. */
  position = 0

  byte(code: number): void {
    this.reserve(1)
    this.bytes[this.position++] = code
  }

  /** Text that has no character to escape. */
  plain(text: string): void {
    this.reserve(text.length)
    this.put(text, this.position)
    this.position += text.length
  }

  /** A string that has no character to escape. */
  quotedPlain(text: string): void {
    this.byte(QUOTE)
    this.plain(text)
    this.byte(QUOTE)
  }

  /** Any string. */
  quoted(text: string): void {
    const { length } = text
    this.reserve(2 * length + 2)
    const { bytes } = this
    let at = this.position
    bytes[at++] = QUOTE
    for (let i = 0; i < length; i++) {
      const code = charCodeAt.call(text, i)
      if (IS_PLAIN[code] === 1) bytes[at++] = code
      else {
        bytes[at++] = BACKSLASH
        bytes[at++] = escaped(code)
      }
    }
    bytes[at++] = QUOTE
    this.position = at
  }

  /** Plain text between what is there. */
  insert(text: string, at: number): void {
    this.makeRoom(text.length, at)
    this.put(text, at)
  }

  /** Moves what is there from `at` on. */
  makeRoom(size: number, at: number): void {
    this.reserve(size)
    this.bytes.copyWithin(at + size, at, this.position)
    this.position += size
  }

  private put(text: string, at: number): void {
    const { bytes } = this
    const { length } = text
    for (let i = 0; i < length; i++) bytes[at + i] = charCodeAt.call(text, i)
  }

  private reserve(count: number): void {
    const needed = this.position + count
    if (needed <= this.bytes.length) return
    const larger = new Uint8Array(2 * needed)
    larger.set(this.bytes)
    this.bytes = larger
  }
}

function escaped(code: number): number {
  switch (code) {
    case 10: return 110
    case 13: return 114
    case 9: return 116
    case QUOTE: case BACKSLASH: return code
    default: throw new RangeError(`not a byte string: character ${code}`)
  }
}
