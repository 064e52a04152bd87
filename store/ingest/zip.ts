/**
 * Ring: store. A zip archive as entries. Its table of contents is at its end, so a stream is put into a temporary file first.
 */
import { createWriteStream } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { type Entry as ZipEntry, openPromise, type ZipFile } from 'yauzl'

import { FirnError } from '../../contract/errors.ts'
import { collectBytes } from '../bytes.ts'
import { ArchivePaths } from './archive-paths.ts'
import type { Entry } from './interface.ts'
import type { ArchiveOptions } from './tarball.ts'

const KIND = 0o170000
const SYMLINK = 0o120000
const TARGET_LIMIT = 4096

/** Errors as `entriesOfTarball`. */
export async function* entriesOfZip(content: AsyncIterable<Uint8Array>, options: ArchiveOptions): AsyncGenerator<Entry, void, undefined> {
  const folder = await mkdtemp(join(tmpdir(), 'firn-zip-'))
  try {
    const file = join(folder, 'archive.zip')
    await pipeline(content, createWriteStream(file))
    yield* entriesOfZipFile(file, options)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** The same for a file that is there already. */
export async function* entriesOfZipFile(file: string, options: ArchiveOptions): AsyncGenerator<Entry, void, undefined> {
  const paths = new ArchivePaths(options.stripTop)
  if (!options.stripTop) yield paths.directory('')
  try {
    // Names are bytes here, as everywhere in the store.
    const zip = await openPromise(file, { autoClose: false, decodeStrings: false })
    try {
      let any = false
      for await (const entry of zip.eachEntry()) {
        any = true
        options.onModified?.(Math.floor(entry.getLastModDate().getTime() / 1000))
        yield* entryOf(zip, entry, paths)
      }
      if (!any) throw new FirnError('invalid-input', 'the archive is empty')
    } finally {
      zip.close()
    }
  } catch (error) {
    if (error instanceof FirnError) throw error
    throw new FirnError('invalid-input', `not a zip archive, or a broken one: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  }
}

async function* entryOf(zip: ZipFile, entry: ZipEntry, paths: ArchivePaths): AsyncGenerator<Entry, void, undefined> {
  const name = (entry.fileName as unknown as Buffer).toString('latin1')
  const path = paths.place(name)
  if (path === undefined) return
  yield* paths.parents(path)
  if (name.endsWith('/')) {
    if (!paths.knows(path)) yield paths.directory(path)
    return
  }
  const mode = entry.externalFileAttributes >>> 16
  const stream = await zip.openReadStreamPromise(entry)
  const size = entry.uncompressedSize
  if ((mode & KIND) === SYMLINK) yield { kind: 'symlink', path, target: Buffer.from(await collectBytes(stream, TARGET_LIMIT)).toString('latin1') }
  else yield { kind: 'file', path, executable: (mode & 0o100) !== 0, size, content: stream }
  stream.destroy()
}
