/** Ring: nix. Writes the ATerm subset of derivations as bytes. The reader's counterpart (aterm.ts). */
import { ByteWriter } from './byte-writer.ts'
import { writeByteString } from './bytes.ts'

const [QUOTE, OPEN, CLOSE, COMMA, BACKSLASH] = [34, 40, 41, 44, 92]
/** What doesn't stand for itself. Engines search for such characters many at a time. */
const SPECIAL = /["\\\n\r\t\u0100-\uffff]/
const NO_BYTE = /[\u0100-\uffff]/
/** By byte: 1 where it needs an escape. */
const IS_ESCAPED = new Uint8Array(256)
for (const character of '"\\\n\r\t') IS_ESCAPED[character.charCodeAt(0)] = 1

export class AtermWriter extends ByteWriter {
  /** A string that has no character to escape. */
  quotedPlain(text: string): void {
    this.reserve(text.length + 2)
    this.bytes[this.position++] = QUOTE
    this.putPlain(text)
    this.bytes[this.position++] = QUOTE
  }

  /** Any string. */
  quoted(text: string): void {
    this.reserve(2 * text.length + 2)
    this.putQuoted(text)
  }

  /** A variable of the environment. */
  pair(name: string, value: string): void {
    this.reserve(2 * (name.length + value.length) + 7)
    this.bytes[this.position++] = OPEN
    this.putQuoted(name)
    this.bytes[this.position++] = COMMA
    this.putQuoted(value)
    this.bytes[this.position++] = CLOSE
  }

  private putQuoted(text: string): void {
    this.bytes[this.position++] = QUOTE
    // what is false or null is an empty variable
    if (text.length > 0) {
      if (SPECIAL.test(text)) this.putEscaped(text)
      else this.putPlain(text)
    }
    this.bytes[this.position++] = QUOTE
  }

  private putPlain(text: string): void {
    writeByteString(this.bytes, text, this.position)
    this.position += text.length
  }

  /** The text is put as it is where it would end if all of it were escaped, and goes from there to its place. */
  private putEscaped(text: string): void {
    if (NO_BYTE.test(text)) throw new RangeError(`not a byte string: character ${NO_BYTE.exec(text)![0].charCodeAt(0)}`)
    const { bytes } = this
    let at = this.position
    const end = at + 2 * text.length
    writeByteString(bytes, text, at + text.length)
    for (let from = at + text.length; from < end; from++) {
      const code = bytes[from]!
      if (IS_ESCAPED[code] === 1) {
        bytes[at++] = BACKSLASH
        bytes[at++] = escaped(code)
      } else bytes[at++] = code
    }
    this.position = at
  }
}

function escaped(code: number): number {
  switch (code) {
    case 10: return 110
    case 13: return 114
    case 9: return 116
    default: return code
  }
}
