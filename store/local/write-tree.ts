/**
 * Ring: store. Writes a castore tree as real files: canonical modes and times, contents fetched in as few requests as can be.
 * Upstream counterpart: libutil/fs-sink.cc (RestoreSink) with posix-fs-canonicalise.cc.
 */
import { closeSync, fchmodSync, futimesSync, ftruncateSync, lutimesSync, mkdirSync, openSync, symlinkSync, utimesSync, chmodSync, writeSync } from 'node:fs'

import type { Digest } from '../../castore/digest.ts'
import type { FileNode, Node } from '../../castore/nodes.ts'
import type { BlobPart, BlobStore } from '../blobs/interface.ts'
import { readDirectories } from '../tree.ts'

/** Every path in the store has this modification time, in seconds. */
const STORE_TIME = 1

interface PlacedFile {
  readonly path: string
  readonly node: FileNode
}

interface OpenFile {
  readonly descriptor: number
  readonly executable: boolean
}

/** The files that one blob goes to, and how many of its bytes they have. */
interface OpenBlob {
  readonly files: OpenFile[]
  written: number
}

/** Paths are byte strings, since a store path may hold names that are no UTF-8. */
const bytesOf = (path: string): Buffer => Buffer.from(path, 'latin1')

/**
 * Writes `root` at `target` (absolute, a byte string; nothing must be there). Errors: those of the blob store, and the system's
 * (ENOSPC, …), which leave an unfinished tree to the caller.
 */
export async function writeTree(root: Node, target: string, blobs: BlobStore, signal?: AbortSignal): Promise<void> {
  const files = new Map<Digest, PlacedFile[]>()
  const directories = await makeSkeleton(root, target, blobs, files)
  const open = new Map<Digest, OpenBlob>()
  try {
    for await (const part of blobs.gather([...files.keys()])) {
      signal?.throwIfAborted()
      writePart(part, files.get(part.digest)!, open)
    }
  } finally {
    for (const blob of open.values()) for (const { descriptor } of blob.files) closeSync(descriptor)
  }
  // Children before parents: writing into a folder changes its time.
  for (const directory of directories.reverse()) {
    chmodSync(bytesOf(directory), 0o555)
    utimesSync(bytesOf(directory), STORE_TIME, STORE_TIME)
  }
}

/** Makes folders, links and empty files; gives the folders, parents first, and the files that want content. */
async function makeSkeleton(root: Node, target: string, blobs: BlobStore, files: Map<Digest, PlacedFile[]>): Promise<string[]> {
  const contents = await readDirectories([root], blobs)
  const directories: string[] = []
  const queue: { readonly path: string; readonly node: Node }[] = [{ path: target, node: root }]
  for (const { path, node } of queue) {
    if (node.kind === 'directory') {
      mkdirSync(bytesOf(path), 0o755)
      directories.push(path)
      for (const entry of contents.get(node.digest)!.entries) queue.push({ path: `${path}/${entry.name}`, node: entry.node })
    } else if (node.kind === 'symlink') {
      symlinkSync(bytesOf(node.target), bytesOf(path))
      lutimesSync(bytesOf(path), STORE_TIME, STORE_TIME)
    } else if (node.size === 0) {
      finish({ descriptor: openSync(bytesOf(path), 'wx'), executable: node.executable })
    } else {
      const places = files.get(node.digest)
      if (places) places.push({ path, node })
      else files.set(node.digest, [{ path, node }])
    }
  }
  return directories
}

/** Small files come in one part and are never held open; a large one stays open until its last part, which may come in any order. */
function writePart(part: BlobPart, places: readonly PlacedFile[], open: Map<Digest, OpenBlob>): void {
  let blob = open.get(part.digest)
  if (!blob) {
    blob = { files: [], written: 0 }
    open.set(part.digest, blob)
    for (const { path, node } of places) {
      const descriptor = openSync(bytesOf(path), 'wx')
      blob.files.push({ descriptor, executable: node.executable })
      if (part.bytes.length < part.size) ftruncateSync(descriptor, part.size)
    }
  }
  for (const { descriptor } of blob.files) writeAll(descriptor, part.bytes, part.offset)
  blob.written += part.bytes.length
  if (blob.written < part.size) return
  open.delete(part.digest)
  for (const file of blob.files) finish(file)
}

function writeAll(descriptor: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length;) done += writeSync(descriptor, bytes, done, bytes.length - done, position + done)
}

function finish({ descriptor, executable }: OpenFile): void {
  fchmodSync(descriptor, executable ? 0o555 : 0o444)
  futimesSync(descriptor, STORE_TIME, STORE_TIME)
  closeSync(descriptor)
}
