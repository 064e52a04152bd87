/**
 * Ring: state. Where the lines of a log begin: every thousandth, so that a part of ten million lines can be read by range. Extended while a
 * log is read or written; kept beside a finished log, which then need not be read to be opened.
 */

const EVERY = 1000
const NEWLINE = 10
/** Version of the encoding, then `every`, lines ended and bytes, then the offsets. */
const MAGIC = 0x314C4E46
const HEADER = 24

export class LineIndex {
  bytes = 0
  newlines = 0
  /** Whether the last byte ended a line. */
  atStart = true
  readonly every = EVERY
  /** Where line 0, `every`, 2·`every` … begin. */
  readonly offsets: number[] = [0]

  /** An unfinished last line counts. */
  get lines(): number {
    return this.newlines + (this.atStart ? 0 : 1)
  }

  extend(bytes: Uint8Array): void {
    for (let at = bytes.indexOf(NEWLINE); at !== -1; at = bytes.indexOf(NEWLINE, at + 1)) {
      this.newlines++
      if (this.newlines % EVERY === 0) this.offsets.push(this.bytes + at + 1)
    }
    this.bytes += bytes.length
    if (bytes.length > 0) this.atStart = bytes[bytes.length - 1] === NEWLINE
  }

  encode(): Uint8Array {
    const encoded = Buffer.alloc(HEADER + this.offsets.length * 8)
    encoded.writeUInt32LE(MAGIC, 0)
    encoded.writeUInt32LE(EVERY + (this.atStart ? 0x80000000 : 0), 4)
    encoded.writeDoubleLE(this.newlines, 8)
    encoded.writeDoubleLE(this.bytes, 16)
    for (const [index, offset] of this.offsets.entries()) encoded.writeDoubleLE(offset, HEADER + index * 8)
    return encoded
  }

  /** Undefined for what another version wrote: the log is read instead. */
  static decode(bytes: Uint8Array): LineIndex | undefined {
    const encoded = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    if (encoded.length < HEADER + 8 || (encoded.length - HEADER) % 8 !== 0 || encoded.readUInt32LE(0) !== MAGIC) return undefined
    const flags = encoded.readUInt32LE(4)
    if ((flags & 0x7FFFFFFF) !== EVERY) return undefined
    const index = new LineIndex()
    index.atStart = flags >= 0x80000000
    index.newlines = encoded.readDoubleLE(8)
    index.bytes = encoded.readDoubleLE(16)
    index.offsets.length = 0
    for (let at = HEADER; at < encoded.length; at += 8) index.offsets.push(encoded.readDoubleLE(at))
    return index
  }
}
