/**
 * Ring: nix. Nix's own base 32: an alphabet without e, o, t and u, and the digits of the number read from its last
 * bits, so the text is not RFC 4648's. Upstream: libutil/base-nix-32.cc.
 */
import { FormatError } from './errors.ts'

export const BASE32_ALPHABET = '0123456789abcdfghijklmnpqrsvwxyz'

const VALUE = new Int8Array(256).fill(-1)
for (let value = 0; value < 32; value++) VALUE[BASE32_ALPHABET.charCodeAt(value)] = value

/** Characters that `size` bytes take. */
export function base32Length(size: number): number {
  return Math.ceil((size * 8) / 5)
}

export function encodeBase32(bytes: Uint8Array): string {
  let text = ''
  for (let digit = base32Length(bytes.length) - 1; digit >= 0; digit--) {
    const bit = digit * 5
    const index = bit >> 3
    const shift = bit & 7
    const value = (bytes[index]! >> shift) | ((bytes[index + 1] ?? 0) << (8 - shift))
    text += BASE32_ALPHABET[value & 31]!
  }
  return text
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
