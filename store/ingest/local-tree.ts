/**
 * Ring: store. A tree of this machine as entries, in the order of a NAR. Small files are read synchronously, which costs a tenth of
 * four trips through the thread pool each, with a pause for everybody else every few milliseconds.
 */
import { closeSync, constants, fstatSync, lstatSync, openSync, readdirSync, readlinkSync, readSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { resolve } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'

import { asFirnError, errorCode, FirnError } from '../../contract/errors.ts'
import type { Entry } from './interface.ts'

export interface LocalTreeOptions {
  /** What to take, by path relative to the root (byte string) and kind; a directory that isn't taken isn't entered. The root is always taken. */
  readonly filter?: (path: string, kind: 'directory' | 'regular' | 'symlink') => boolean
  /** Take these relative paths only (byte strings); parents must be listed as well. */
  readonly entries?: Iterable<string>
}

/** Files up to this are read at once. */
const SMALL_FILE = 256 * 1024
const PART_SIZE = 1024 * 1024
/** Milliseconds of synchronous work after which others get their turn. */
const SLICE = 5

/** Errors: 'not-found', 'invalid-input' for sockets, pipes and devices, 'forbidden'. The tree must not change meanwhile. */
export async function* entriesOfLocalTree(path: string, options: LocalTreeOptions = {}): AsyncGenerator<Entry, void, undefined> {
  const listed = options.entries === undefined ? undefined : new Set(options.entries)
  const root = Buffer.from(resolve(path)).toString('latin1')
  let sliceEnd = performance.now() + SLICE
  const pending = ['']
  for (let relative = pending.pop(); relative !== undefined; relative = pending.pop()) {
    if (performance.now() > sliceEnd) {
      await nextTurn()
      sliceEnd = performance.now() + SLICE
    }
    const localPath = Buffer.from(relative === '' ? root : `${root}/${relative}`, 'latin1')
    let names: string[] = []
    try {
      const status = lstatSync(localPath)
      const kind = status.isDirectory() ? 'directory' : status.isFile() ? 'regular' : status.isSymbolicLink() ? 'symlink' : undefined
      if (kind === undefined) {
        if (relative !== '' && listed?.has(relative) === false) continue
        throw new FirnError('invalid-input', `file '${shown(localPath)}' is neither a file, a directory nor a symlink`)
      }
      if (relative !== '' && (listed?.has(relative) === false || options.filter?.(relative, kind) === false)) continue
      if (kind === 'symlink') yield { kind, path: relative, target: readlinkSync(localPath, 'buffer').toString('latin1') }
      else if (kind === 'regular') yield fileEntry(localPath, relative, status.size, (status.mode & constants.S_IXUSR) !== 0)
      else {
        yield { kind, path: relative }
        names = readdirSync(localPath, 'buffer').map((name) => name.toString('latin1')).sort()
      }
    } catch (error) {
      throw treeError(error, localPath)
    }
    for (const name of names.reverse()) pending.push(relative === '' ? name : `${relative}/${name}`)
  }
}

function fileEntry(localPath: Buffer, path: string, size: number, executable: boolean): Entry {
  if (size > SMALL_FILE) return { kind: 'file', path, executable, size, content: largeFile(localPath) }
  const descriptor = openSync(localPath, constants.O_RDONLY | constants.O_NOFOLLOW)
  try {
    const content = new Uint8Array(fstatSync(descriptor).size)
    let length = 0
    while (length < content.length) {
      const count = readSync(descriptor, content, length, content.length - length, length)
      if (count === 0) break
      length += count
    }
    return { kind: 'file', path, executable, size: length, content: content.subarray(0, length) }
  } finally {
    closeSync(descriptor)
  }
}

/** Parts of a large file, the next being read while one is worked on. */
async function* largeFile(localPath: Buffer): AsyncGenerator<Uint8Array> {
  const file = await open(localPath, constants.O_RDONLY | constants.O_NOFOLLOW).catch((error: unknown) => { throw treeError(error, localPath) })
  const readPart = async (position: number): Promise<Uint8Array> => {
    const buffer = new Uint8Array(PART_SIZE)
    const { bytesRead } = await file.read(buffer, 0, PART_SIZE, position)
    return buffer.subarray(0, bytesRead)
  }
  let next: Promise<Uint8Array> | undefined
  try {
    next = readPart(0)
    for (let position = 0; ;) {
      const part = await next
      if (part.length === 0) return
      position += part.length
      next = readPart(position)
      // Should the consumer stop here, its failure is nobody's.
      next.catch(() => undefined)
      yield part
    }
  } catch (error) {
    throw treeError(error, localPath)
  } finally {
    await next?.catch(() => undefined)
    await file.close()
  }
}

function treeError(error: unknown, localPath: Buffer): unknown {
  const code = errorCode(error)
  if (code === 'ENOENT') return new FirnError('not-found', `'${shown(localPath)}' does not exist`, { cause: error })
  if (code === 'EACCES' || code === 'EPERM') return new FirnError('forbidden', `'${shown(localPath)}' can't be read`, { cause: error })
  return code === undefined ? error : asFirnError(error)
}

function shown(localPath: Buffer): string {
  return localPath.toString('utf8')
}
