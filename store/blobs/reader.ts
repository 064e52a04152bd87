/**
 * Ring: store. Reads pieces in few requests: neighbours in a pack become one ranged read, and several reads run ahead of whoever
 * consumes. Each piece is verified against its digest before anybody sees it.
 */
import { type Digest, digestOf } from '../../castore/digest.ts'
import { FirnError } from '../../contract/errors.ts'
import type { ObjectStore } from '../objects/interface.ts'
import type { BlobIndex, PieceLocation } from './index-interface.ts'
import type { BlobPart } from './interface.ts'

/** A piece that somebody wants, as a part of a blob. */
export interface WantedPiece {
  readonly blob: Digest
  readonly piece: Digest
  /** Where the piece begins in the blob. */
  readonly offset: number
  /** Of the blob, in bytes; absent where the piece is the whole blob. */
  readonly size?: number
}

type Located = WantedPiece & { readonly location: PieceLocation; readonly size: number }

/** One request and what is cut out of it. */
interface Segment {
  readonly key: string | undefined
  start: number
  end: number
  readonly pieces: Located[]
}

/** BLAKE3 of nothing: always stored, and nowhere. */
export const EMPTY_BLOB = 'af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262' as Digest
const NOWHERE: PieceLocation = { kind: 'inline', bytes: new Uint8Array(0) }

/** Most bytes of one request. */
const SEGMENT_SIZE = 8 * 1024 * 1024
/** Bytes between two wanted pieces that are cheaper to read than to ask again for what follows. */
const GAP_LIMIT = 128 * 1024
/** Bytes and requests that run ahead. */
const AHEAD_BYTES = 32 * 1024 * 1024
const AHEAD_REQUESTS = 16
const LOCATE_BATCH = 2000

export interface ReaderOptions {
  /** By place instead of by the order given: fewest requests. */
  readonly byPlace?: boolean
}

/** Gives the pieces, verified. Throws 'not-found' for a piece that the index doesn't know, 'corrupt' where bytes don't match. */
export async function* readPieces(objects: ObjectStore, index: BlobIndex, wanted: AsyncIterable<WantedPiece[]>, options: ReaderOptions = {}): AsyncGenerator<BlobPart, void, undefined> {
  const queue: { readonly segment: Segment; readonly bytes: Promise<Uint8Array> }[] = []
  let ahead = 0
  const segments = segmentsOf(index, wanted, options)
  let ended = false
  try {
    for (;;) {
      while (!ended && queue.length < AHEAD_REQUESTS && ahead < AHEAD_BYTES) {
        const next = await segments.next()
        if (next.done === true) {
          ended = true
          break
        }
        const segment = next.value
        const bytes = readSegment(objects, segment)
        // Its failure is met when its turn comes.
        bytes.catch(() => undefined)
        ahead += segment.end - segment.start
        queue.push({ segment, bytes })
      }
      const first = queue.shift()
      if (first === undefined) return
      const bytes = await first.bytes
      ahead -= first.segment.end - first.segment.start
      for (const piece of first.segment.pieces) yield cut(piece, first.segment, bytes)
    }
  } finally {
    await segments.return()
  }
}

async function readSegment(objects: ObjectStore, segment: Segment): Promise<Uint8Array> {
  if (segment.key === undefined) return new Uint8Array(0)
  return await objects.read(segment.key, { start: segment.start, end: segment.end })
}

function cut(wanted: Located, segment: Segment, bytes: Uint8Array): BlobPart {
  const { location, piece } = wanted
  const found = location.kind === 'inline' ? location.bytes : bytes.subarray(location.position - segment.start, location.position - segment.start + location.length)
  if (digestOf(found) !== piece) {
    const place = location.kind === 'inline' ? 'the index' : `pack '${location.key}' at ${location.position}`
    throw new FirnError('corrupt', `blob ${wanted.blob} does not match its digest: ${found.length} bytes in ${place}`, { data: { digest: wanted.blob, place } })
  }
  return { digest: wanted.blob, offset: wanted.offset, size: wanted.size, bytes: found }
}

async function* segmentsOf(index: BlobIndex, wanted: AsyncIterable<WantedPiece[]>, options: ReaderOptions): AsyncGenerator<Segment, void, undefined> {
  for await (const group of wanted) {
    for (let start = 0; start < group.length; start += LOCATE_BATCH) {
      const located = await locate(index, group.slice(start, start + LOCATE_BATCH))
      if (options.byPlace === true) located.sort(byPlace)
      let segment: Segment | undefined
      for (const piece of located) {
        if (segment !== undefined && extend(segment, piece)) continue
        if (segment !== undefined) yield segment
        segment = segmentOf(piece)
      }
      if (segment !== undefined) yield segment
    }
  }
}

async function locate(index: BlobIndex, pieces: readonly WantedPiece[]): Promise<Located[]> {
  const locations = await index.locate(pieces.map(({ piece }) => piece))
  return pieces.map((piece) => {
    const location = piece.piece === EMPTY_BLOB ? NOWHERE : locations.get(piece.piece)
    if (location === undefined) throw new FirnError('not-found', `blob ${piece.blob} is not stored${piece.blob === piece.piece ? '' : ` (its piece ${piece.piece} is missing)`}`, { data: { digest: piece.blob } })
    return { ...piece, location, size: piece.size ?? (location.kind === 'inline' ? location.bytes.length : location.length) }
  })
}

function byPlace(left: Located, right: Located): number {
  if (left.location.kind === 'inline' || right.location.kind === 'inline') return (left.location.kind === 'inline' ? 0 : 1) - (right.location.kind === 'inline' ? 0 : 1)
  if (left.location.key !== right.location.key) return left.location.key < right.location.key ? -1 : 1
  return left.location.position - right.location.position
}

function segmentOf(piece: Located): Segment {
  const { location } = piece
  if (location.kind === 'inline') return { key: undefined, start: 0, end: location.bytes.length, pieces: [piece] }
  return { key: location.key, start: location.position, end: location.position + location.length, pieces: [piece] }
}

/** Whether the segment now covers this piece too. */
function extend(segment: Segment, piece: Located): boolean {
  const { location } = piece
  if (location.kind === 'inline') {
    // It costs no request wherever it stands.
    segment.pieces.push(piece)
    return true
  }
  if (segment.key !== location.key || location.position < segment.start) return false
  const end = Math.max(segment.end, location.position + location.length)
  if (location.position - segment.end > GAP_LIMIT || end - segment.start > SEGMENT_SIZE) return false
  segment.end = end
  segment.pieces.push(piece)
  return true
}
