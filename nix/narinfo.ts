/**
 * Ring: nix. `.narinfo`: what a binary cache says about a store path. Upstream: libstore/nar-info.cc, path-info.cc.
 */
import { formatContentAddress, parseContentAddress, type ContentAddress } from './content-address.ts'
import { FormatError } from './errors.ts'
import { formatHash, parseHash, type Hash } from './hash.ts'
import { parseSignature } from './signature.ts'
import { parseBaseName, parseStorePath, type StorePath } from './store-path.ts'

/** What a signature of a path is taken over. */
export interface SignedInfo {
  readonly storePath: StorePath
  /** SHA-256. */
  readonly narHash: Hash
  /** Bytes, never 0. */
  readonly narSize: number
  /** In any order; printed sorted. */
  readonly references: readonly StorePath[]
}

export interface NarInfo extends SignedInfo {
  /** Of the archive, relative to the cache. */
  readonly url: string
  /** `none`, `xz`, `zstd`, `bzip2`, `gzip`, …; `bzip2` where the text says nothing. */
  readonly compression: string
  /** Of the compressed archive. */
  readonly fileHash?: Hash
  readonly fileSize?: number
  readonly deriver?: StorePath
  /** `name:base64` */
  readonly signatures: readonly string[]
  readonly contentAddress?: ContentAddress
}

/** A text that is larger is not a narinfo; one with 60,000 references has 4 MB. */
const SIZE_LIMIT = 64 * 1024 * 1024

/** Reads a narinfo. Unknown fields are ignored, as Nix does; missing and malformed ones are FormatErrors with their line. */
export function parseNarInfo(text: string): NarInfo {
  if (text.length > SIZE_LIMIT) throw new FormatError('the narinfo is too long')
  const fields: { -readonly [Key in keyof NarInfo]?: NarInfo[Key] } = {}
  const signatures: string[] = []
  let line = 0
  let start = 0
  while (start < text.length) {
    line++
    const end = text.indexOf('\n', start)
    const colon = text.indexOf(':', start)
    if (end === -1) throw corrupt('expecting a line\'s end', line)
    if (colon === -1 || colon > end || (text[colon + 1] !== ' ' && colon + 1 !== end)) throw corrupt('expecting \': \'', line)
    const value = text.slice(colon + 2, end)
    try {
      readField(fields, signatures, text.slice(start, colon), value)
    } catch (error) {
      if (error instanceof FormatError) throw corrupt(error.message, line, error)
      throw error
    }
    start = end + 1
  }
  const { storePath, narHash, narSize, url, compression = 'bzip2', references = [], ...others } = fields
  if (storePath === undefined) throw corrupt('StorePath missing')
  if (narHash === undefined) throw corrupt('NarHash missing')
  if (url === undefined || url === '') throw corrupt('URL missing')
  if (narSize === undefined || narSize === 0) throw corrupt('NarSize missing or zero')
  return { storePath, url, compression, narHash, narSize, references, ...others, signatures }
}

function corrupt(reason: string, line?: number, cause?: unknown): FormatError {
  return new FormatError(`NAR info is corrupt: ${reason}${line === undefined ? '' : ` at line ${line}`}`, { cause })
}

function readField(fields: { -readonly [Key in keyof NarInfo]?: NarInfo[Key] }, signatures: string[], name: string, value: string): void {
  switch (name) {
    case 'StorePath': fields.storePath = parseStorePath(value); break
    case 'URL': fields.url = value; break
    case 'Compression': fields.compression = value === '' ? 'bzip2' : value; break
    case 'FileHash': fields.fileHash = parseHash(value); break
    case 'FileSize': fields.fileSize = parseSize(value); break
    case 'NarHash': fields.narHash = sha256Only(parseHash(value)); break
    case 'NarSize': fields.narSize = parseSize(value); break
    case 'References':
      if (fields.references !== undefined) throw new FormatError('extra References')
      fields.references = value.split(' ').filter((reference) => reference !== '').map(parseBaseName)
      break
    case 'Deriver': if (value !== 'unknown-deriver') fields.deriver = parseBaseName(value); break
    case 'Sig': signatures.push(parseSignature(value).text); break
    case 'CA':
      if (fields.contentAddress !== undefined) throw new FormatError('extra CA')
      if (value !== '') fields.contentAddress = parseContentAddress(value)
      break
    default: break
  }
}

function sha256Only(hash: Hash): Hash {
  if (hash.algorithm !== 'sha256') throw new FormatError('a NAR hash must be SHA-256')
  return hash
}

function parseSize(text: string): number {
  const size = /^[0-9]{1,16}$/.test(text) ? Number(text) : Number.NaN
  if (!Number.isSafeInteger(size)) throw new FormatError(`not a size: '${text}'`)
  return size
}

/** The text of a narinfo, fields in Nix's order. */
export function formatNarInfo(info: NarInfo): string {
  const lines = [
    `StorePath: ${info.storePath.toString()}`,
    `URL: ${info.url}`,
    `Compression: ${info.compression}`,
  ]
  if (info.fileHash !== undefined) lines.push(`FileHash: ${formatHash(info.fileHash, 'nix32', true)}`)
  if (info.fileSize !== undefined && info.fileSize > 0) lines.push(`FileSize: ${info.fileSize}`)
  lines.push(
    `NarHash: ${formatHash(info.narHash, 'nix32', true)}`,
    `NarSize: ${info.narSize}`,
    `References: ${sortedUnique(info.references.map(({ baseName }) => baseName)).join(' ')}`,
  )
  if (info.deriver !== undefined) lines.push(`Deriver: ${info.deriver.baseName}`)
  for (const signature of sortedUnique(info.signatures)) lines.push(`Sig: ${signature}`)
  if (info.contentAddress !== undefined) lines.push(`CA: ${formatContentAddress(info.contentAddress)}`)
  return `${lines.join('\n')}\n`
}

/** The text that signatures of a path are taken over. */
export function fingerprint(info: SignedInfo): string {
  if (info.narSize === 0) throw new FormatError(`cannot calculate fingerprint of path '${info.storePath.toString()}' because its size is not known`)
  const references = sortedUnique(info.references.map(String)).join(',')
  return `1;${info.storePath.toString()};${formatHash(sha256Only(info.narHash), 'nix32', true)};${info.narSize};${references}`
}

function sortedUnique(texts: readonly string[]): string[] {
  return [...new Set(texts)].sort()
}
