/**
 * Ring: evaluator. Synchronous file access with EvalIO's errors. Answers are remembered: during one evaluation a file is what it was
 * when first looked at, and nixpkgs asks for the same folders thousands of times.
 */
import { Buffer } from 'node:buffer'
import { lstatSync, readdirSync, readFileSync, readlinkSync, type BigIntStats } from 'node:fs'
import { errorCode } from '../contract/errors.ts'
import { EvalIOError, type FileKind } from '../eval/io.ts'
import { nativePath, textOfBytes } from './paths.ts'

export interface LocalStatus {
  readonly kind: FileKind
  readonly executable: boolean
  readonly size: number
  /** Seconds since 1970. */
  readonly modified: number
  /** Changes whenever the content may have changed. */
  readonly stamp: string
}

const MISSING = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG'])

export class LocalFiles {
  private readonly statuses = new Map<string, LocalStatus | undefined>()
  private readonly folders = new Map<string, ReadonlyMap<string, FileKind>>()

  /** Without following a symlink at the end; undefined where nothing is. */
  status(path: string): LocalStatus | undefined {
    if (this.statuses.has(path)) return this.statuses.get(path)
    const status = this.lookUp(path)
    this.statuses.set(path, status)
    return status
  }

  private lookUp(path: string): LocalStatus | undefined {
    let found: BigIntStats | undefined
    try {
      found = lstatSync(nativePath(path), { bigint: true, throwIfNoEntry: false })
    } catch (error) {
      if (MISSING.has(errorCode(error) ?? '')) return undefined
      throw asEvalIOError(error, path)
    }
    if (found === undefined) return undefined
    const kind = found.isFile() ? 'regular' : found.isDirectory() ? 'directory' : found.isSymbolicLink() ? 'symlink' : 'unknown'
    return {
      kind,
      executable: kind === 'regular' && (found.mode & 0o100n) !== 0n,
      size: Number(found.size),
      modified: Number(found.mtimeNs / 1_000_000_000n),
      stamp: `${kind} ${found.mode} ${found.size} ${found.mtimeNs} ${found.ctimeNs} ${found.dev}:${found.ino}`,
    }
  }

  /** Follows symlinks. */
  readFile(path: string): Uint8Array {
    try {
      return readFileSync(nativePath(path))
    } catch (error) {
      throw asEvalIOError(error, path)
    }
  }

  readDirectory(path: string): ReadonlyMap<string, FileKind> {
    const known = this.folders.get(path)
    if (known !== undefined) return known
    try {
      const entries = new Map<string, FileKind>()
      for (const entry of readdirSync(nativePath(path), { withFileTypes: true, encoding: 'buffer' })) {
        const kind = entry.isFile() ? 'regular' : entry.isDirectory() ? 'directory' : entry.isSymbolicLink() ? 'symlink' : 'unknown'
        entries.set(Buffer.from(entry.name).toString('latin1'), kind)
      }
      this.folders.set(path, entries)
      return entries
    } catch (error) {
      throw asEvalIOError(error, path)
    }
  }

  readLink(path: string): string {
    try {
      return readlinkSync(nativePath(path), 'buffer').toString('latin1')
    } catch (error) {
      throw asEvalIOError(error, path)
    }
  }
}

/** What Nix says of these: `opening file '…': Permission denied`. */
export function asEvalIOError(error: unknown, path: string): EvalIOError {
  const code = errorCode(error) ?? ''
  const shown = textOfBytes(path)
  if (code === 'EISDIR') return new EvalIOError('is-a-directory', path, `'${shown}' is a directory`, error)
  if (code === 'ENOTDIR') return new EvalIOError('not-a-directory', path, `'${shown}' is not a directory`, error)
  if (MISSING.has(code)) return new EvalIOError('missing', path, `path '${shown}' does not exist`, error)
  if (code === 'EACCES' || code === 'EPERM') return new EvalIOError('failed', path, `opening file '${shown}': Permission denied`, error)
  return new EvalIOError('failed', path, `reading '${shown}': ${error instanceof Error ? error.message : String(error)}`, error)
}
