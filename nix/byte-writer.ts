/**
 * Ring: nix. Gathers bytes in memory that is used again and again, for what is written only to be hashed: an evaluation does that some ten
 * thousand times, and neither strings nor buffers are made for it.
 */
import { writeByteString } from './bytes.ts'

export class ByteWriter {
  bytes = new Uint8Array(64 * 1024)
  /** Where the next byte goes. */
  position = 0

  byte(code: number): void {
    this.reserve(1)
    this.bytes[this.position++] = code
  }

  /** A byte string, as it is. */
  plain(text: string): void {
    this.reserve(text.length)
    writeByteString(this.bytes, text, this.position)
    this.position += text.length
  }

  /** The same between what is there. */
  insert(text: string, at: number): void {
    this.makeRoom(text.length, at)
    writeByteString(this.bytes, text, at)
  }

  /** Moves what is there from `at` on. */
  makeRoom(size: number, at: number): void {
    this.reserve(size)
    this.bytes.copyWithin(at + size, at, this.position)
    this.position += size
  }

  /** All that was written since `position` was 0: good until something else is written. */
  written(): Uint8Array {
    return this.bytes.subarray(0, this.position)
  }

  protected reserve(count: number): void {
    const needed = this.position + count
    if (needed <= this.bytes.length) return
    const larger = new Uint8Array(2 * needed)
    larger.set(this.bytes)
    this.bytes = larger
  }
}
