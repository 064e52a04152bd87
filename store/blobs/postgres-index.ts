/**
 * Ring: store. The index of blobs in Postgres. Digests go as arrays, so that any number of them is one query; rows are written
 * sorted by digest, so that two uploads with common pieces never wait for each other in a circle.
 */
import { sql } from 'kysely'

import type { Digest } from '../../castore/digest.ts'
import { query, type StoreDatabase } from '../database.ts'
import type { BlobIndex, Manifest, Pack, Piece, PieceLocation } from './index-interface.ts'

const PIECE_ENTRY = 36

export class PostgresBlobIndex implements BlobIndex {
  readonly #database: StoreDatabase

  constructor(database: StoreDatabase) {
    this.#database = database
  }

  async known(digests: readonly Digest[]): Promise<Set<Digest>> {
    if (digests.length === 0) return new Set()
    const { rows } = await query(() => sql<{ hex: Digest }>`
      select wanted.hex from unnest(${unique(digests)}::text[]) as wanted (hex)
      where exists (select from blob_piece where digest = decode(wanted.hex, 'hex'))
        or exists (select from blob_manifest where digest = decode(wanted.hex, 'hex'))
    `.execute(this.#database))
    return new Set(rows.map(({ hex }) => hex))
  }

  async manifests(digests: readonly Digest[]): Promise<Map<Digest, Manifest>> {
    if (digests.length === 0) return new Map()
    const { rows } = await query(() => sql<{ hex: Digest; size: string | number; pieces: Buffer }>`
      select wanted.hex, size, pieces from unnest(${unique(digests)}::text[]) as wanted (hex)
      join blob_manifest on digest = decode(wanted.hex, 'hex')
    `.execute(this.#database))
    return new Map(rows.map(({ hex, size, pieces }) => [hex, { digest: hex, size: Number(size), pieces: decodePieces(pieces) }]))
  }

  async locate(pieces: readonly Digest[]): Promise<Map<Digest, PieceLocation>> {
    if (pieces.length === 0) return new Map()
    const { rows } = await query(() => sql<{ hex: Digest; key: string | null; position: string | number; length: number; bytes: Buffer | null }>`
      select wanted.hex, pack.key, blob_piece.position, blob_piece.length,
        case when pack.key is null then substring(pack.content from blob_piece.position::integer + 1 for blob_piece.length) end as bytes
      from unnest(${unique(pieces)}::text[]) as wanted (hex)
      join blob_piece on blob_piece.digest = decode(wanted.hex, 'hex')
      join pack on pack.id = blob_piece.pack_id
    `.execute(this.#database))
    return new Map(rows.map(({ hex, key, position, length, bytes }): [Digest, PieceLocation] => [hex, key === null
      ? { kind: 'inline', bytes: bytes ?? new Uint8Array(0) }
      : { kind: 'object', key, position: Number(position), length }]))
  }

  async addPack(pack: Pack): Promise<void> {
    await this.#add(pack, false)
  }

  async addUnknown(pack: Pack): Promise<boolean> {
    return await this.#add(pack, true)
  }

  async #add(pack: Pack, onlyUnknown: boolean): Promise<boolean> {
    let position = 0
    const rows = pack.pieces.map(({ digest, length }) => {
      const row = { digest, position, length }
      position += length
      return row
    }).sort((left, right) => left.digest < right.digest ? -1 : 1)
    const key = 'key' in pack.place ? pack.place.key : null
    const content = 'key' in pack.place ? null : Buffer.from(pack.place.content)
    // One statement, so one transaction.
    const { rows: [answer] } = await query(() => sql<{ added: boolean }>`
      with piece as (
        select decode(hex, 'hex') as digest, position, length
        from unnest(${rows.map(({ digest }) => digest)}::text[], ${rows.map(({ position }) => position)}::bigint[], ${rows.map(({ length }) => length)}::integer[]) as given (hex, position, length)
      ), new_pack as (
        insert into pack (key, content, size) select ${key}, ${content}, ${pack.size}
        where not ${onlyUnknown} or exists (select from piece where not exists (select from blob_piece known where known.digest = piece.digest) and not exists (select from blob_manifest known where known.digest = piece.digest))
        returning id
      ), placed as (
        insert into blob_piece (digest, pack_id, position, length)
        select piece.digest, new_pack.id, piece.position, piece.length from new_pack, piece order by piece.digest
        on conflict (digest) do nothing
      )
      select exists(select from new_pack) as added
    `.execute(this.#database))
    return answer!.added
  }

  async addManifests(manifests: readonly Manifest[]): Promise<void> {
    if (manifests.length === 0) return
    const rows = [...manifests].sort((left, right) => left.digest < right.digest ? -1 : 1)
    await query(() => sql`
      insert into blob_manifest (digest, size, pieces)
      select decode(hex, 'hex'), size, decode(pieces, 'hex')
      from unnest(${rows.map(({ digest }) => digest)}::text[], ${rows.map(({ size }) => size)}::bigint[], ${rows.map(({ pieces }) => encodePieces(pieces).toString('hex'))}::text[]) as manifest (hex, size, pieces)
      on conflict (digest) do nothing
    `.execute(this.#database))
  }
}

function unique(digests: readonly Digest[]): Digest[] {
  return [...new Set(digests)]
}

function encodePieces(pieces: readonly Piece[]): Buffer {
  const bytes = Buffer.alloc(pieces.length * PIECE_ENTRY)
  for (const [index, { digest, length }] of pieces.entries()) {
    bytes.write(digest, index * PIECE_ENTRY, 'hex')
    bytes.writeUInt32BE(length, index * PIECE_ENTRY + 32)
  }
  return bytes
}

function decodePieces(bytes: Buffer): Piece[] {
  const pieces: Piece[] = []
  for (let offset = 0; offset + PIECE_ENTRY <= bytes.length; offset += PIECE_ENTRY) {
    pieces.push({ digest: bytes.toString('hex', offset, offset + 32) as Digest, length: bytes.readUInt32BE(offset + 32) })
  }
  return pieces
}
