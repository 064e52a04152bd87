/** A store in memory for tests, and paths put into it. */
import { makeSourcePath, type StorePath } from '../../nix/store-path.ts'
import { MemoryBlobIndex } from '../blobs/memory-index.ts'
import type { BlobStore } from '../blobs/interface.ts'
import { PackedBlobStore } from '../blobs/packed.ts'
import { ingest } from '../ingest/ingest.ts'
import type { Entry } from '../ingest/interface.ts'
import { MemoryObjectStore } from '../objects/memory.ts'
import type { PathInfo, PathInfoStore } from '../path-info/interface.ts'
import { MemoryPathInfoStore } from '../path-info/memory.ts'

export interface MemoryStore {
  readonly objects: MemoryObjectStore
  readonly blobs: BlobStore
  readonly pathInfos: PathInfoStore
}

export function memoryStore(): MemoryStore {
  const objects = new MemoryObjectStore()
  return { objects, blobs: new PackedBlobStore(objects, new MemoryBlobIndex()), pathInfos: new MemoryPathInfoStore() }
}

/** Makes a tree valid under its source path. */
export async function addTree({ blobs, pathInfos }: Pick<MemoryStore, 'blobs' | 'pathInfos'>, name: string, entries: AsyncIterable<Entry>, references: readonly StorePath[] = []): Promise<PathInfo> {
  const { root, narHash, narSize } = await ingest(entries, blobs)
  const info: PathInfo = { storePath: makeSourcePath(name, narHash), root, narHash, narSize, references, signatures: [], registeredAt: new Date(), ultimate: true }
  await pathInfos.put([info])
  return info
}

/** One file with this text. */
export async function* textEntry(text: string): AsyncGenerator<Entry> {
  yield { kind: 'file', path: '', executable: false, content: new TextEncoder().encode(text) }
}
