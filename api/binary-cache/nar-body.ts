/**
 * Ring: api. The bytes of a NAR or of a range of it, from castore. Files are read ahead across the whole archive; small
 * pieces are gathered into pages, large ones are passed on as they came.
 */
import type { Digest } from '../../castore/digest.ts'
import type { Node } from '../../castore/nodes.ts'
import { FirnError } from '../../contract/errors.ts'
import type { BlobStore } from '../../store/blobs/interface.ts'
import type { Tree } from './kept.ts'
import { type NarSegment, narSegments } from './nar-layout.ts'

const PAGE_BYTES = 64 * 1024
/** Pieces below this are copied into a page. */
const COPY_LIMIT = 32 * 1024
/** Files that are asked for at once: bounds what is held of the archive's structure. */
const BATCH_FILES = 4096

/** A segment, or the part `[start, end)` of it that the range covers. */
interface Piece { readonly segment: NarSegment; readonly start: number; readonly end: number }

/** Bytes `[start, end)` of the NAR of a tree, all of whose directories are given; all of it without a range. */
export async function* narBytes(root: Node, directories: Tree, blobs: BlobStore, range?: { readonly start: number; readonly end: number }): AsyncGenerator<Uint8Array, void, undefined> {
  yield* gathered(piecesOf(root, directories, blobs, range))
}

async function* piecesOf(root: Node, directories: Tree, blobs: BlobStore, range: { readonly start: number; readonly end: number } | undefined): AsyncGenerator<Uint8Array, void, undefined> {
  let batch: Piece[] = []
  let files = 0
  let offset = 0
  for (const segment of narSegments(root, directories)) {
    const size = segment.kind === 'bytes' ? segment.bytes.length : segment.size
    const start = Math.max(0, (range?.start ?? 0) - offset)
    const end = Math.min(size, (range?.end ?? Infinity) - offset)
    offset += size
    if (start < end) {
      batch.push({ segment, start, end })
      if (segment.kind === 'content' && ++files === BATCH_FILES) {
        yield* readPieces(batch, blobs)
        batch = []
        files = 0
      }
    }
    if (range && offset >= range.end) break
  }
  yield* readPieces(batch, blobs)
}

async function* readPieces(pieces: readonly Piece[], blobs: BlobStore): AsyncGenerator<Uint8Array, void, undefined> {
  // only the first and the last file of a range can be read in part, and are read by ranges of their own
  const isWhole = ({ segment, start, end }: Piece): boolean => segment.kind === 'content' && start === 0 && end === segment.size
  const reader = blobs.openMany(pieces.filter(isWhole).map(({ segment }) => (segment as { digest: Digest }).digest))[Symbol.asyncIterator]()
  try {
    for (const piece of pieces) {
      const { segment, start, end } = piece
      if (segment.kind === 'bytes') {
        yield segment.bytes.subarray(start, end)
      } else if (!isWhole(piece)) {
        yield* blobs.open(segment.digest, { start, end })
      } else {
        for (let left = segment.size; left > 0;) {
          const next = await reader.next()
          if (next.done === true || next.value.digest !== segment.digest || next.value.bytes.length > left) throw new FirnError('corrupt', `blob ${segment.digest} does not have the size that its directory says`)
          left -= next.value.bytes.length
          yield next.value.bytes
        }
      }
    }
  } finally {
    await reader.return?.()
  }
}

async function* gathered(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  let page = Buffer.allocUnsafeSlow(PAGE_BYTES)
  let used = 0
  for await (const bytes of source) {
    if (bytes.length < COPY_LIMIT && used + bytes.length <= PAGE_BYTES) {
      page.set(bytes, used)
      used += bytes.length
      continue
    }
    if (used > 0) {
      yield page.subarray(0, used)
      page = Buffer.allocUnsafeSlow(PAGE_BYTES)
      used = 0
    }
    if (bytes.length < COPY_LIMIT) {
      page.set(bytes, 0)
      used = bytes.length
    } else {
      yield bytes
    }
  }
  if (used > 0) yield page.subarray(0, used)
}
