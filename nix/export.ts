/**
 * Ring: nix. The stream of `nix-store --export`: store paths, each with its NAR first and what is known of it behind,
 * references before what refers to them. Upstream: libstore/export-import.cc.
 */
import { FormatError } from './errors.ts'
import { readNarFrom, type NarEvent } from './nar.ts'
import { parseStorePath, type StorePath } from './store-path.ts'
import { WireReader, WireWriter } from './wire.ts'

const EXPORT_MAGIC = 0x4558494e

/** What the stream says of a path. Its NAR hash isn't there: it is computed from the NAR. */
export interface ExportInfo {
  readonly storePath: StorePath
  readonly references: readonly StorePath[]
  readonly deriver?: StorePath
}

export interface ImportedPath {
  /** To be read to its end before `info` is asked for; what isn't read is skipped. */
  readonly nar: AsyncIterable<NarEvent>
  /** What stands behind the NAR. */
  readonly info: () => Promise<ExportInfo>
}

/** Reads an export. Take from each path what is wanted before asking for the next. FormatError on malformed input. */
export async function* readExport(source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): AsyncGenerator<ImportedPath, void, undefined> {
  const reader = new WireReader(source)
  try {
    for (;;) {
      const marker = await reader.number()
      if (marker === 0) break
      if (marker !== 1) throw new FormatError('input doesn\'t look like something created by \'nix-store --export\'', { position: reader.source.position })
      const nar = readNarFrom(reader.source)
      let info: Promise<ExportInfo> | undefined
      const finish = (): Promise<ExportInfo> => info ??= readBehind(reader, nar)
      yield { nar: unclosed(nar), info: finish }
      await finish()
    }
    if (!(await reader.source.atEnd())) throw reader.source.error('something follows the end of the export')
  } finally {
    await reader.source.close()
  }
}

/** A loop that is left early must not end the NAR, since the rest of it has to be skipped. */
function unclosed(nar: AsyncGenerator<NarEvent, void, undefined>): AsyncIterable<NarEvent> {
  return { [Symbol.asyncIterator]: () => ({ next: () => nar.next() }) }
}

async function readBehind(reader: WireReader, nar: AsyncGenerator<NarEvent, void, undefined>): Promise<ExportInfo> {
  while ((await nar.next()).done !== true) { /* skip */ }
  if (await reader.number() !== EXPORT_MAGIC) throw reader.source.error('Nix archive cannot be imported; wrong format')
  const storePath = parseStorePath(await reader.string())
  const references = (await reader.strings()).map((path) => parseStorePath(path))
  const deriver = await reader.string()
  // a signature of old; it proves nothing that narinfo's signatures don't
  if (await reader.flag()) await reader.string()
  return { storePath, references, ...(deriver !== '' && { deriver: parseStorePath(deriver) }) }
}

export interface ExportedStorePath extends ExportInfo {
  /** The NAR's bytes. */
  readonly nar: AsyncIterable<Uint8Array> | Iterable<Uint8Array>
}

/** Writes an export. Paths must come in an order in which references come first. */
export async function* writeExport(paths: AsyncIterable<ExportedStorePath> | Iterable<ExportedStorePath>): AsyncGenerator<Uint8Array, void, undefined> {
  const writer = new WireWriter()
  for await (const { nar, storePath, references, deriver } of paths) {
    yield writer.number(1).take()
    yield* nar
    yield writer.number(EXPORT_MAGIC).string(storePath.toString()).stringSet(references.map(String)).string(deriver?.toString() ?? '').number(0).take()
  }
  yield writer.number(0).take()
}
