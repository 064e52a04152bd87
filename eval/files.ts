/**
 * Ring: eval. The evaluator's view of files: EvalIO with Nix's messages, its access rules and its treatment of symlinks.
 * Upstream counterpart: SourceAccessor and SourcePath in src/libutil, AllowListSourceAccessor in src/libfetchers.
 */
import { EvalIOError, NeedFailed, Suspended, type EvalIO, type FileKind, type FileStatus } from './io.ts'
import { EvaluationError } from './runtime/errors.ts'
import { Memo } from './runtime/memo.ts'
import { noteNeed } from './runtime/needs.ts'
import { canonicalPath } from './syntax/paths.ts'
import type { EvaluationSettings } from '../contract/evaluations.ts'

const MAX_SYMLINKS = 1024
const STORE = '/nix/store'

export class Files {
  private readonly io: EvalIO
  private readonly settings: EvaluationSettings
  /** Folders whose path has no symlink. */
  private readonly real = new Memo<string>()
  private readonly allowed: string[]

  constructor(io: EvalIO, settings: EvaluationSettings) {
    this.io = io
    this.settings = settings
    this.allowed = [...settings.allowedPaths]
  }

  /** Lets restricted evaluation read below a path. */
  allow(path: string): void {
    if (this.settings.mode !== 'impure') this.allowed.push(path)
  }

  /** Throws where the mode forbids reading a path. */
  check(path: string): void {
    if (this.mayPass(path)) return
    const mode = this.settings.mode === 'pure' ? 'in pure evaluation mode (use \'--impure\' to override)' : 'in restricted mode'
    throw new EvaluationError('restricted', `access to absolute path '${path}' is forbidden ${mode}`)
  }

  /** Folders above what is allowed may be looked at, or nothing below could be found. */
  private mayPass(path: string): boolean {
    return this.isAllowed(path) || this.allowed.some((allowed) => within(allowed, path))
  }

  private isAllowed(path: string): boolean {
    return this.settings.mode === 'impure' || within(path, STORE) || this.allowed.some((allowed) => within(path, allowed))
  }

  readFile(path: string): Uint8Array {
    this.check(path)
    return guarded(path, () => this.io.readFile(path))
  }

  /** For its syntax: see EvalIO. */
  readSource(path: string, name: string, meansTheSame: (content: Uint8Array) => boolean): Uint8Array {
    this.check(path)
    return guarded(path, () => this.io.readSource?.(path, name, meansTheSame) ?? this.io.readFile(path))
  }

  readDirectory(path: string): ReadonlyMap<string, FileKind> {
    this.check(path)
    const entries = guarded(path, () => this.io.readDirectory(path))
    // of a folder above what is allowed only that shows
    return this.isAllowed(path) ? entries : new Map([...entries].filter(([name]) => this.mayPass(path === '/' ? `/${name}` : `${path}/${name}`)))
  }

  /** Without following a symlink at the end. */
  status(path: string): FileStatus | undefined {
    this.check(path)
    return guarded(path, () => this.io.status(path))
  }

  /** The status; throws where nothing is. */
  existing(path: string): FileStatus {
    const status = this.status(path)
    if (status === undefined) throw missing(path)
    return status
  }

  /** The path without symlinks; `ancestors` leaves the last part as it is. */
  resolve(path: string, which: 'full' | 'ancestors' = 'full'): string {
    if (path === '/' || path === STORE) return path
    const slash = path.lastIndexOf('/')
    const folder = slash === 0 ? '/' : this.resolve(path.slice(0, slash))
    const name = path.slice(slash + 1)
    const joined = folder === '/' ? `/${name}` : `${folder}/${name}`
    if (which === 'ancestors') return joined
    return this.real.get(joined, () => this.follow(joined))
  }

  private follow(path: string): string {
    let at = path
    for (let count = 0; count < MAX_SYMLINKS; count++) {
      const status = this.status(at)
      if (status?.kind !== 'symlink') return at
      const target = guarded(at, () => this.io.readLink(at))
      const folder = at.slice(0, at.lastIndexOf('/'))
      at = this.resolve(canonicalPath(target.startsWith('/') ? target : `${folder}/${target}`), 'ancestors')
    }
    throw new EvaluationError('eval', `infinite symlink recursion in path '${path}'`)
  }

  /** The file that an expression is read from: symlinks followed, so that what it refers to is found beside it; folders have default.nix. */
  resolveExpression(path: string): string {
    let at = path
    for (let count = 0; ; count++) {
      if (count >= MAX_SYMLINKS) throw new EvaluationError('eval', `too many symbolic links encountered while traversing the path '${path}'`)
      if (at === '/') break
      const resolved = this.resolve(at, 'ancestors')
      if (this.existing(resolved).kind !== 'symlink') break
      const target = guarded(resolved, () => this.io.readLink(resolved))
      at = canonicalPath(target.startsWith('/') ? target : `${at.slice(0, at.lastIndexOf('/'))}/${target}`)
    }
    const real = this.resolve(at)
    return this.existing(real).kind === 'directory' ? (at === '/' ? '/default.nix' : `${at}/default.nix`) : at
  }
}

function within(path: string, folder: string): boolean {
  return path === folder || folder === '/' || path.startsWith(`${folder}/`)
}

function missing(path: string): EvaluationError {
  return new EvaluationError('eval', `path '${path}' does not exist`)
}

/** Does what EvalIO does; errors are in Nix's words. */
export function guarded<T>(path: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw inNixWords(path, error)
  }
}

/** What EvalIO threw, as an evaluation throws it. A suspension is noted, and stays what it is. */
export function inNixWords(path: string, error: unknown): unknown {
  if (error instanceof Suspended) noteNeed(error.need)
  if (error instanceof NeedFailed) return new EvaluationError('need-failed', error.message, { needs: [error.key], cause: error })
  if (!(error instanceof EvalIOError)) return error
  switch (error.kind) {
    case 'missing': return missing(path)
    case 'not-a-directory': return new EvaluationError('eval', `'${path}' is not a directory`, { cause: error })
    case 'is-a-directory': return new EvaluationError('eval', 'reading from file: Is a directory', { cause: error })
    case 'forbidden': return new EvaluationError('restricted', error.message, { cause: error })
    default: return new EvaluationError('eval', error.message, { cause: error })
  }
}
