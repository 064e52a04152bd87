/** Ring: store. The first bytes of a stream, without taking them from it. */
import { concatBytes } from '../bytes.ts'

/** `head` has `count` bytes, or fewer where the stream has; `content` is the whole stream, to be read once. */
export async function peek(source: AsyncIterable<Uint8Array>, count: number): Promise<{ readonly head: Uint8Array; readonly content: AsyncIterable<Uint8Array> }> {
  const parts = source[Symbol.asyncIterator]()
  const taken: Uint8Array[] = []
  let length = 0
  while (length < count) {
    const next = await parts.next()
    if (next.done === true) break
    taken.push(next.value)
    length += next.value.length
  }
  const head = concatBytes(taken, length)
  return {
    head,
    content: (async function* () {
      try {
        if (head.length > 0) yield head
        for (let next = await parts.next(); next.done !== true; next = await parts.next()) yield next.value
      } finally {
        await parts.return?.()
      }
    })(),
  }
}
