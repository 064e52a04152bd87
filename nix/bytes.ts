/**
 * Ring: nix. Conversions between bytes and the two kinds of strings this ring knows: *byte strings* (every character
 * is one byte, 0-255; what derivations and the evaluator hold, since Nix strings are bytes) and ordinary text.
 */
import { FormatError } from './errors.ts'

const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const BASE64_VALUE = new Int8Array(256).fill(-1)
for (let value = 0; value < 64; value++) BASE64_VALUE[BASE64.charCodeAt(value)] = value

const utf8Encoder = new TextEncoder()

/** A byte string as bytes. Throws RangeError on a character above 255: that is a bug of the caller, not bad input. */
export function bytesOfByteString(text: string): Uint8Array {
  // Nearly all are ASCII, the same in UTF-8; only then is the length the same.
  const encoded = utf8Encoder.encode(text)
  if (encoded.length === text.length) return encoded
  const bytes = new Uint8Array(text.length)
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code > 255) throw new RangeError(`not a byte string: character ${code} at ${index}`)
    bytes[index] = code
  }
  return bytes
}

/** Writes a byte string to where there is room for it. Of characters above 255 only the lower bits are written. */
export function writeByteString(bytes: Uint8Array, text: string, at: number): void {
  if (native === undefined) portable.write(bytes, text, at)
  else native.latin1Write.call(bytes, text, at, text.length)
}

/** Bytes, or the first of them, as a byte string. */
export function byteStringOfBytes(bytes: Uint8Array, length: number = bytes.length): string {
  return native === undefined ? portable.read(bytes.subarray(0, length)) : native.latin1Slice.call(bytes, 0, length)
}

/** What Node has for byte strings, where this runs in Node: several times as fast as what is portable. */
interface NativeMethods {
  latin1Write(this: Uint8Array, text: string, at: number, length: number): number
  latin1Slice(this: Uint8Array, start: number, end: number): string
  hexSlice(this: Uint8Array, start: number, end: number): string
}
const native = (globalThis as { readonly Buffer?: { readonly prototype: NativeMethods } }).Buffer?.prototype

/** Decodes bytes one by one, but those from 0x80 to 0x9f into characters above 255. */
const windowsDecoder = new TextDecoder('windows-1252', { ignoreBOM: true })

const BASE16 = Uint8Array.from('0123456789abcdef', (digit) => digit.charCodeAt(0))

/** The same in any engine; exported for its test. */
export const portable = {
  write(bytes: Uint8Array, text: string, at: number): void {
    for (let index = 0; index < text.length; index++) bytes[at + index] = text.charCodeAt(index)
  },

  read(bytes: Uint8Array): string {
    // Nearly everything has no such byte, and engines decode in bulk.
    if (bytes.length > 64) {
      const decoded = windowsDecoder.decode(bytes)
      if (decoded.length === bytes.length && !/[^\u0000-\u00ff]/.test(decoded)) return decoded
    }
    const CHUNK = 8192 // below the argument limit of every engine
    if (bytes.length <= CHUNK) return String.fromCharCode.apply(null, bytes as unknown as number[])
    let text = ''
    for (let start = 0; start < bytes.length; start += CHUNK) text += String.fromCharCode.apply(null, bytes.subarray(start, start + CHUNK) as unknown as number[])
    return text
  },

  encodeBase16(bytes: Uint8Array): string {
    const digits = new Uint8Array(bytes.length * 2)
    for (let index = 0; index < bytes.length; index++) {
      const byte = bytes[index]!
      digits[index * 2] = BASE16[byte >> 4]!
      digits[index * 2 + 1] = BASE16[byte & 15]!
    }
    return portable.read(digits)
  },
}

/** Ordinary text as a byte string of its UTF-8. */
export function byteStringOfText(text: string): string {
  // Nearly all text is ASCII, which is the same in both.
  return isAscii(text) ? text : byteStringOfBytes(utf8Encoder.encode(text))
}

/** A byte string decoded as UTF-8; what is not UTF-8 becomes U+FFFD. */
export function textOfByteString(byteString: string): string {
  return isAscii(byteString) ? byteString : new TextDecoder().decode(bytesOfByteString(byteString))
}

/** Engines search for a range of characters many at a time. */
const NOT_ASCII = /[\u0080-\uffff]/

/** Whether the text is the same in ASCII, UTF-8 and as a byte string. */
export function isAscii(text: string): boolean {
  return !NOT_ASCII.test(text)
}

/** Lower-case base 16. */
export function encodeBase16(bytes: Uint8Array): string {
  return native === undefined ? portable.encodeBase16(bytes) : native.hexSlice.call(bytes, 0, bytes.length)
}

/** Base 16 in either case. */
export function decodeBase16(text: string): Uint8Array {
  if (text.length % 2 !== 0 || /[^0-9a-fA-F]/.test(text)) throw new FormatError(`not base 16: '${text}'`)
  const bytes = new Uint8Array(text.length / 2)
  for (let index = 0; index < bytes.length; index++) bytes[index] = byteOfBase16(text, index)
  return bytes
}

/** One of the bytes that digits of base 16 are, which may be in either case. */
export function byteOfBase16(digits: string, index: number): number {
  return (digitValue(digits.charCodeAt(index * 2)) << 4) | digitValue(digits.charCodeAt(index * 2 + 1))
}

/** Of a digit of base 16: the last four bits of its character; letters, which have the seventh bit set, begin at 1 there. */
function digitValue(code: number): number {
  return (code & 15) + (code >> 6) * 9
}

/** Base 64 with padding. */
export function encodeBase64(bytes: Uint8Array): string {
  let text = ''
  for (let index = 0; index < bytes.length; index += 3) {
    const left = bytes.length - index
    const word = (bytes[index]! << 16) | ((bytes[index + 1] ?? 0) << 8) | (bytes[index + 2] ?? 0)
    text += BASE64[word >> 18]! + BASE64[(word >> 12) & 63]!
    text += left > 1 ? BASE64[(word >> 6) & 63]! : '='
    text += left > 2 ? BASE64[word & 63]! : '='
  }
  return text
}

/**
 * Base 64, padding optional. Strict about characters and the place of padding, since a hash or a signature that
 * decodes in two ways compares in two ways; unused bits at the end are ignored as Nix does.
 */
export function decodeBase64(text: string): Uint8Array {
  const body = text.replace(/={1,2}$/, '')
  const padded = body.length !== text.length
  if (body.length % 4 === 1 || (padded && text.length % 4 !== 0)) throw new FormatError(`not base 64: '${text}'`)
  const bytes = new Uint8Array(Math.floor((body.length * 3) / 4))
  let word = 0
  let bits = 0
  let written = 0
  for (let index = 0; index < body.length; index++) {
    const code = body.charCodeAt(index)
    const value = code < 256 ? BASE64_VALUE[code]! : -1
    if (value < 0) throw new FormatError(`not base 64: '${text}'`, { position: index })
    word = ((word << 6) | value) & 0xffffff
    bits += 6
    if (bits >= 8) {
      bits -= 8
      bytes[written++] = (word >> bits) & 255
    }
  }
  return bytes
}

/** Whether two byte arrays hold the same. */
export function bytesEqual(left: Uint8Array, right: Uint8Array): boolean {
  if (left.length !== right.length) return false
  for (let index = 0; index < left.length; index++) if (left[index] !== right[index]) return false
  return true
}
