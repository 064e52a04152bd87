/**
 * Ring: builder. Where a build's standard output and error go: one real pipe for both.
 *
 * Node gives a child sockets, one for each stream, which would lose the order between them and could not be opened
 * again as /dev/stderr. So both streams get one named pipe; the names are made by mkfifo and used again and again.
 * Upstream counterpart: the pseudoterminal of DerivationBuilderImpl::startBuild. A pipe is used here since nothing in
 * Node opens a terminal without native code; builds that ask see that their output isn't one.
 */
import { execFile } from 'node:child_process'
import { closeSync, constants, openSync } from 'node:fs'
import { Socket } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'

export interface LogPipe {
  /** Where the child opens it, for its standard output and error. */
  readonly path: string
  /** Keeps the reader from an early end. Close it once the child has opened the pipe. */
  readonly writer: number
  /** Ends when nobody has the other end open any more. */
  readonly reader: Socket
  /** Lets another build have the pipe. Only once the reader has ended. */
  release(): void
}

export class LogPipes {
  readonly #folder: string
  readonly #free: string[] = []
  #made = 0

  /** The folder must exist and be private: the pipes in it can be written by anybody who reaches them. */
  constructor(folder: string) {
    this.#folder = folder
  }

  async open(): Promise<LogPipe> {
    const path = this.#free.pop() ?? await this.#make()
    // the reader first and without waiting, or each end would wait for the other
    const reader = new Socket({ fd: openSync(path, constants.O_RDONLY | constants.O_NONBLOCK), readable: true, writable: false })
    const writer = openSync(path, constants.O_WRONLY)
    return { path, writer, reader, release: () => void this.#free.push(path) }
  }

  async #make(): Promise<string> {
    const path = join(this.#folder, `log-${this.#made++}`)
    // the build user opens it again through /dev/stderr
    await promisify(execFile)('mkfifo', ['-m', '666', path])
    return path
  }
}

export function closePipeWriter(pipe: LogPipe): void {
  closeSync(pipe.writer)
}
