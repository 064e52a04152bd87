/** UTF-8 in byte strings. */

/** Bytes of a code point, as a byte string. */
export function encodeCodePoint(code: number): string {
  if (code < 0x80) return String.fromCharCode(code)
  if (code < 0x800) return String.fromCharCode(0xc0 | (code >> 6), 0x80 | (code & 63))
  if (code < 0x10000) return String.fromCharCode(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63))
  return String.fromCharCode(0xf0 | (code >> 18), 0x80 | ((code >> 12) & 63), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63))
}

/** Length of the well-formed sequence at `at`, 0 where there is none, -1 where the text ends within one. */
export function sequenceLength(text: string, at: number): number {
  const lead = text.charCodeAt(at)
  if (lead < 0x80) return 1
  const length = lead >= 0xc2 && lead <= 0xdf ? 2 : lead >= 0xe0 && lead <= 0xef ? 3 : lead >= 0xf0 && lead <= 0xf4 ? 4 : 0
  if (length === 0) return 0
  for (let index = 1; index < length; index++) {
    if (at + index >= text.length) return -1
    const byte = text.charCodeAt(at + index)
    let low = 0x80
    let high = 0xbf
    if (index === 1) {
      if (lead === 0xe0) low = 0xa0
      else if (lead === 0xed) high = 0x9f
      else if (lead === 0xf0) low = 0x90
      else if (lead === 0xf4) high = 0x8f
    }
    if (byte < low || byte > high) return 0
  }
  return length
}
