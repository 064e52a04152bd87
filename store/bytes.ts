/** Ring: store. Small helpers for byte streams that several folders use. */
import { FirnError } from '../contract/errors.ts'

/** Parts as one array; one part is given as it is. */
export function concatBytes(parts: readonly Uint8Array[], length = parts.reduce((sum, part) => sum + part.length, 0)): Uint8Array {
  if (parts.length === 1 && parts[0]!.length === length) return parts[0]!
  const whole = new Uint8Array(length)
  let offset = 0
  for (const part of parts) {
    whole.set(part, offset)
    offset += part.length
  }
  return whole
}

/** A whole stream in memory; 'limit' above `limit` bytes. */
export async function collectBytes(content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, limit = Infinity): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let length = 0
  for await (const part of content) {
    length += part.length
    if (length > limit) throw new FirnError('limit', `more than ${limit} bytes`, { data: { limit } })
    parts.push(part)
  }
  return concatBytes(parts, length)
}

/** Bytes that are there, as a stream. */
export async function* streamOf(...parts: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) if (part.length > 0) yield part
}
