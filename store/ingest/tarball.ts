/** Ring: store. A tarball, compressed or not, as entries. Upstream counterpart: libutil/tarfile.cc. */
import { extract, type Header } from 'tar-stream'
import { Readable } from 'node:stream'

import { FirnError } from '../../contract/errors.ts'
import { ArchivePaths } from './archive-paths.ts'
import { decompress, detectCompression } from './decompress.ts'
import { peek } from './peek.ts'
import type { Entry } from './interface.ts'

export interface ArchiveOptions {
  /** The archive has one folder (or file) at its top, whose content is wanted; another number of them is 'invalid-input'. */
  readonly stripTop: boolean
  /** Told the time of each entry, in seconds since 1970. */
  readonly onModified?: (seconds: number) => void
}

/** An option that the types of tar-stream don't know. */
const NAMES_AS_BYTES: object = { filenameEncoding: 'latin1' }

/** The compression is told from the first bytes. Errors: 'invalid-input' for what isn't a tarball or leaves its root, 'corrupt'. */
export async function* entriesOfTarball(tarball: AsyncIterable<Uint8Array>, options: ArchiveOptions): AsyncGenerator<Entry, void, undefined> {
  const { head, content } = await peek(tarball, 6)
  const paths = new ArchivePaths(options.stripTop)
  const unpacker = extract(NAMES_AS_BYTES)
  const source = Readable.from(decompress(content, detectCompression(head)), { objectMode: false })
  source.on('error', (error) => unpacker.destroy(error))
  source.pipe(unpacker)
  let any = false
  if (!options.stripTop) yield paths.directory('')
  try {
    for await (const entry of unpacker) {
      any = true
      if (entry.header.mtime !== undefined) options.onModified?.(Math.floor(entry.header.mtime.getTime() / 1000))
      yield* entryOf(entry.header, entry as AsyncIterable<Uint8Array>, paths)
      // What nobody read has to be out of the way before the next header.
      entry.resume()
    }
  } catch (error) {
    if (error instanceof FirnError) throw error
    throw new FirnError('invalid-input', `not a tarball, or a broken one: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  } finally {
    unpacker.destroy()
    source.destroy()
  }
  if (!any) throw new FirnError('invalid-input', 'the archive is empty')
}

function* entryOf(header: Header, content: AsyncIterable<Uint8Array>, paths: ArchivePaths): Generator<Entry, void, undefined> {
  const path = paths.place(byteString(header, 'path', header.name))
  if (path === undefined) return
  if (header.type === 'directory') {
    yield* paths.parents(path)
    if (!paths.knows(path)) yield paths.directory(path)
    return
  }
  yield* paths.parents(path)
  const target = byteString(header, 'linkpath', header.linkname ?? '')
  switch (header.type ?? 'file') {
    case 'file': case 'contiguous-file':
      yield { kind: 'file', path, executable: ((header.mode ?? 0) & 0o100) !== 0, size: header.size ?? 0, content }
      break
    case 'symlink': yield { kind: 'symlink', path, target }; break
    case 'link': yield { kind: 'link', path, target: paths.place(target) ?? '' }; break
    default: throw new FirnError('invalid-input', `'${path}' in the archive is a ${header.type}, which the store can't hold`)
  }
}

/** Extended headers are UTF-8 and were decoded as such; plain ones were read as bytes. */
function byteString(header: Header, key: 'path' | 'linkpath', value: string): string {
  if ((header.pax as Record<string, string> | null | undefined)?.[key] === undefined) return value
  // What the decoder replaced can't be had back, and a wrong name would be worse than none.
  if (value.includes('\ufffd')) throw new FirnError('invalid-input', `the archive holds '${value}', whose name in an extended header isn't UTF-8`)
  return Buffer.from(value, 'utf8').toString('latin1')
}
