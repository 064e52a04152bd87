/**
 * Ring: api. Reads what `nix-store --export` writes: for each path its NAR, then its name, references and deriver.
 * Upstream counterpart: libstore/export-import.cc.
 */
import { ByteSource } from '../../nix/byte-source.ts'
import { FormatError } from '../../nix/errors.ts'
import { type NarEvent, readNarFrom } from '../../nix/nar.ts'
import { parseStorePath, type StorePath } from '../../nix/store-path.ts'

const EXPORT_MAGIC = 0x4558494e
const PATH_LIMIT = 4096
const REFERENCES_LIMIT = 100_000

/** What follows a NAR. */
export interface ExportTrailer {
  readonly storePath: StorePath
  readonly references: readonly StorePath[]
  readonly deriver?: StorePath
}

/**
 * Calls `take` with the events of each NAR, which it must read to the end, and then `finish` with what it gave and what the stream says
 * of the path. Throws FormatError where the stream isn't an export.
 */
export async function readExport<Content>(source: AsyncIterable<Uint8Array>, take: (nar: AsyncIterable<NarEvent>) => Promise<Content>, finish: (content: Content, trailer: ExportTrailer) => Promise<void>): Promise<void> {
  const input = new ByteSource(source)
  try {
    for (;;) {
      const more = await input.number()
      if (more === 0) break
      if (more !== 1) throw new FormatError('the body does not look like something that `nix-store --export` wrote')
      const content = await take(readNarFrom(input))
      await finish(content, await readTrailer(input))
    }
    if (!(await input.atEnd())) throw input.error('something follows the end of the export')
  } finally {
    await input.close()
  }
}

async function readTrailer(input: ByteSource): Promise<ExportTrailer> {
  if (await input.number() !== EXPORT_MAGIC) throw input.error('the export holds a NAR that nothing follows')
  const storePath = parseStorePath(await input.string(PATH_LIMIT))
  const count = await input.number()
  if (count > REFERENCES_LIMIT) throw input.error(`'${storePath.baseName}' has more than ${REFERENCES_LIMIT} references`)
  const references: StorePath[] = []
  for (let index = 0; index < count; index++) references.push(parseStorePath(await input.string(PATH_LIMIT)))
  const deriver = await input.string(PATH_LIMIT)
  // a signature of a kind that Nix no longer reads
  if (await input.number() === 1) await input.string(PATH_LIMIT)
  return { storePath, references, ...(deriver === '' ? {} : { deriver: parseStorePath(deriver) }) }
}
