/**
 * Ring: evaluator. Hashes of files by what the file system says of them, for evaluations that come back to the same files. A file that
 * was changed just before it was looked at may change again without a newer time, so such a hash is made again.
 */
import { hash } from 'node:crypto'
import { readFileSync, readlinkSync, statSync } from 'node:fs'
import type { LocalFiles } from './local-files.ts'
import { asEvalIOError } from './local-files.ts'
import { nativePath } from './paths.ts'

interface Known {
  readonly stamp: string
  readonly hash: string
}

/** Coarser than the clock of any file system that sources lie on. */
const SETTLED_MILLISECONDS = 100

export class ContentHashes {
  private readonly known = new Map<string, Known>()

  /** Of a file's content, links followed. */
  of(path: string, content?: Uint8Array): string {
    const native = nativePath(path)
    try {
      const { size, mtimeNs, ctimeNs, ctimeMs, ino, dev } = statSync(native, { bigint: true })
      const stamp = `${size} ${mtimeNs} ${ctimeNs} ${dev}:${ino}`
      const before = this.known.get(path)
      if (before?.stamp === stamp) return before.hash
      const made = hash('sha256', content ?? readFileSync(native), 'base64')
      if (Date.now() - Number(ctimeMs) > SETTLED_MILLISECONDS) this.known.set(path, { stamp, hash: made })
      else this.known.delete(path)
      return made
    } catch (error) {
      throw asEvalIOError(error, path)
    }
  }

  /** Of all that adding a path to the store reads: names, kinds, modes, contents, targets of links. */
  ofTree(files: LocalFiles, path: string): string {
    const parts: string[] = []
    const visit = (at: string): void => {
      const status = files.status(at)
      parts.push(at.slice(path.length), status === undefined ? 'nothing' : `${status.kind} ${status.executable}`)
      if (status?.kind === 'regular') parts.push(this.of(at))
      else if (status?.kind === 'symlink') parts.push(readlinkSync(nativePath(at), 'latin1'))
      else if (status?.kind === 'directory') for (const name of [...files.readDirectory(at).keys()].sort()) visit(`${at}/${name}`)
    }
    visit(path)
    return hash('sha256', parts.join('\0'), 'base64')
  }
}
