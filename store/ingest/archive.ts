/** Ring: store. Whatever archive it is, as entries: a zip, or a tarball in any compression. For `fetchTarball` and its like. */
import type { Entry } from './interface.ts'
import { peek } from './peek.ts'
import { type ArchiveOptions, entriesOfTarball } from './tarball.ts'
import { entriesOfZip } from './zip.ts'

/** Errors: 'invalid-input' for what is no archive or leaves its root, 'corrupt' for a broken compression. */
export async function* entriesOfArchive(source: AsyncIterable<Uint8Array>, options: ArchiveOptions): AsyncGenerator<Entry, void, undefined> {
  const { head, content } = await peek(source, 4)
  const isZip = head[0] === 0x50 && head[1] === 0x4b && (head[2] === 3 || head[2] === 5)
  yield* isZip ? entriesOfZip(content, options) : entriesOfTarball(content, options)
}
