/**
 * Ring: nix. Nix's own base 32: an alphabet without e, o, t and u, and the digits of the number read from its last
 * bits, so the text is not RFC 4648's. Upstream: libutil/base-nix-32.cc.
 */
import { byteStringOfBytes } from './bytes.ts'
import { FormatError } from './errors.ts'

export const BASE32_ALPHABET = '0123456789abcdfghijklmnpqrsvwxyz'

const VALUE = new Int8Array(256).fill(-1)
for (let value = 0; value < 32; value++) VALUE[BASE32_ALPHABET.charCodeAt(value)] = value

/** Characters that `size` bytes take. */
export function base32Length(size: number): number {
  return Math.ceil((size * 8) / 5)
}

/** For the digits of a hash. */
const scratch = new Uint8Array(128)

export function encodeBase32(bytes: Uint8Array): string {
  const size = base32Length(bytes.length)
  // Codes first, then one string: growing a string by a digit makes a string for each.
  const codes = size <= scratch.length ? scratch : new Uint8Array(size)
  for (let digit = 0; digit < size; digit++) {
    const bit = digit * 5
    const index = bit >> 3
    const shift = bit & 7
    const low = bytes[index]! >> shift
    const value = shift > 3 && index + 1 < bytes.length ? low | (bytes[index + 1]! << (8 - shift)) : low
    codes[size - 1 - digit] = BASE32_ALPHABET.charCodeAt(value & 31)
  }
  return byteStringOfBytes(codes, size)
}

/** Bytes of a base-32 text. Throws FormatError on other characters and on bits set beyond the last whole byte. */
export function decodeBase32(text: string): Uint8Array {
  const bytes = new Uint8Array(Math.floor((text.length * 5) / 8))
  for (let digit = 0; digit < text.length; digit++) {
    const position = text.length - digit - 1
    const code = text.charCodeAt(position)
    const value = code < 256 ? VALUE[code]! : -1
    if (value < 0) throw new FormatError(`invalid character in base-32 text '${text}'`, { position })
    const bit = digit * 5
    const index = bit >> 3
    const word = value << (bit & 7)
    if (index < bytes.length) bytes[index]! |= word & 255
    else if ((word & 255) !== 0) throw new FormatError(`base-32 text '${text}' holds more than ${bytes.length} bytes`, { position })
    if (index + 1 < bytes.length) bytes[index + 1]! |= word >> 8
    else if (word >> 8 !== 0) throw new FormatError(`base-32 text '${text}' holds more than ${bytes.length} bytes`, { position })
  }
  return bytes
}

/** Whether the text has only characters of the alphabet. */
export function isBase32(text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code > 255 || VALUE[code]! < 0) return false
  }
  return true
}
