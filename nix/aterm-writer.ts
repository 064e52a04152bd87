/**
 * Ring: nix. Writes the ATerm subset of derivations as bytes into a buffer that is used again and again: an evaluation prints tens of
 * thousands of derivations only to hash them, and neither strings nor buffers are made for that. The reader's counterpart (aterm.ts).
 */

const QUOTE = 34
const BACKSLASH = 92
/** By character: 0 where it can't be in a byte string or needs an escape, else 1. */
const IS_PLAIN = new Uint8Array(256).fill(1)
for (const character of '"\\\n\r\t') IS_PLAIN[character.charCodeAt(0)] = 0

export class AtermWriter {
  bytes = new Uint8Array(64 * 1024)
  /** Where the next byte goes. */
  position = 0

  /** Text that has no character to escape. */
  plain(text: string): void {
    this.reserve(text.length)
    this.position = this.put(text, this.position)
  }

  quoted(text: string): void {
    const { length } = text
    this.reserve(2 * length + 2)
    const { bytes } = this
    let at = this.position
    bytes[at++] = QUOTE
    for (let i = 0; i < length; i++) {
      const code = text.charCodeAt(i)
      if (IS_PLAIN[code] === 1) bytes[at++] = code
      else {
        bytes[at++] = BACKSLASH
        bytes[at++] = escaped(code)
      }
    }
    bytes[at++] = QUOTE
    this.position = at
  }

  /** Plain text over what is there; gives where it ends. */
  put(text: string, start: number): number {
    const { bytes } = this
    let at = start
    for (let i = 0; i < text.length; i++) bytes[at++] = text.charCodeAt(i)
    return at
  }

  /** Plain text between what is there. */
  insert(text: string, at: number): void {
    this.reserve(text.length)
    this.bytes.copyWithin(at + text.length, at, this.position)
    this.put(text, at)
    this.position += text.length
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
