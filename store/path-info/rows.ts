/** Ring: store. PathInfo as a row of the table `path_info`, and back. */
import { decodeNode, encodedNodeLength, encodeNode } from '../../castore/nodes.ts'
import { formatContentAddress, parseContentAddress } from '../../nix/content-address.ts'
import { parseBaseName, StorePath } from '../../nix/store-path.ts'
import { FirnError } from '../../contract/errors.ts'
import type { PathInfo } from './interface.ts'

/** As JSON, so that any number of rows goes to Postgres as one value; bytes as hex. */
export interface PathInfoRecord {
  readonly hash: string
  readonly name: string
  readonly root: string
  readonly nar_hash: string
  readonly nar_size: number
  readonly references_to: readonly string[]
  readonly deriver: string | null
  readonly content_address: string | null
  readonly signatures: readonly string[]
  readonly ultimate: boolean
  readonly registered_at: string
}

/** Throws 'invalid-input' for what could never be served: a NAR hash that isn't SHA-256, an empty NAR. */
export function recordOf(info: PathInfo): PathInfoRecord {
  if (info.narHash.algorithm !== 'sha256') throw new FirnError('invalid-input', `the NAR hash of ${info.storePath.baseName} is not SHA-256`)
  if (!Number.isSafeInteger(info.narSize) || info.narSize <= 0) throw new FirnError('invalid-input', `${info.storePath.baseName} has no NAR size`)
  const root = new Uint8Array(encodedNodeLength(info.root))
  encodeNode(info.root, root, 0)
  return {
    hash: info.storePath.hash,
    name: info.storePath.name,
    root: Buffer.from(root).toString('hex'),
    nar_hash: Buffer.from(info.narHash.bytes).toString('hex'),
    nar_size: info.narSize,
    references_to: [...new Set(info.references.map(({ baseName }) => baseName))].sort(),
    deriver: info.deriver?.baseName ?? null,
    content_address: info.contentAddress === undefined ? null : formatContentAddress(info.contentAddress),
    signatures: [...new Set(info.signatures)].sort(),
    ultimate: info.ultimate,
    registered_at: info.registeredAt.toISOString(),
  }
}

export interface PathInfoRow {
  readonly hash: string
  readonly name: string
  readonly root: Uint8Array
  readonly nar_hash: Uint8Array
  readonly nar_size: string | number
  readonly references_to: readonly string[]
  readonly deriver: string | null
  readonly content_address: string | null
  readonly signatures: readonly string[]
  readonly ultimate: boolean
  readonly registered_at: Date
}

export function infoOf(row: PathInfoRow): PathInfo {
  return {
    storePath: new StorePath(row.hash, row.name),
    root: decodeNode(row.root, 0).node,
    narHash: { algorithm: 'sha256', bytes: new Uint8Array(row.nar_hash) },
    narSize: Number(row.nar_size),
    references: row.references_to.map(parseBaseName),
    ...(row.deriver === null ? {} : { deriver: parseBaseName(row.deriver) }),
    ...(row.content_address === null ? {} : { contentAddress: parseContentAddress(row.content_address) }),
    signatures: row.signatures,
    registeredAt: row.registered_at,
    ultimate: row.ultimate,
  }
}

/** What `put` says where references aren't valid. */
export function missingReferences(missing: readonly string[]): FirnError {
  const shown = missing.slice(0, 5).join(', ')
  return new FirnError('conflict', `not registered: ${missing.length === 1 ? 'a reference is' : `${missing.length} references are`} not valid: ${shown}${missing.length > 5 ? ', …' : ''}`, { data: { missing: missing.slice(0, 100) } })
}
