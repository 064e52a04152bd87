/**
 * Ring: api. What the binary cache keeps in memory, because many clients ask for the same things at the same time: what is
 * known of paths, the directories of trees, and small NARs whole. Everything but the first is named by its content and
 * can't be outdated; what is known of a path is believed for a short while, since it may gain signatures or be collected.
 */
import { LRUCache } from 'lru-cache'
import type { Directory } from '../../castore/directory.ts'
import type { Digest } from '../../castore/digest.ts'
import type { Node } from '../../castore/nodes.ts'
import { formatHash } from '../../nix/hash.ts'
import type { BlobStore } from '../../store/blobs/interface.ts'
import type { PathInfo } from '../../store/path-info/interface.ts'
import { readDirectories } from '../../store/tree.ts'
import { batched } from '../batch.ts'
import type { ApiStore } from '../dependencies.ts'

const PATHS = 20_000
const PATH_MILLISECONDS = 30_000
/** Nodes of trees: about 200 bytes each. */
const TREE_NODES = 250_000
const NAR_BYTES = 64 * 1024 * 1024
/** A larger NAR is cheap to render for its size. */
const SMALL_NAR = 512 * 1024

export interface KnownPath {
  readonly info: PathInfo
  readonly signatures: readonly string[]
  /** Hash of the NAR in base 32, as addresses have it. */
  readonly narHash: string
}

export type Tree = ReadonlyMap<Digest, Directory>

export class KeptInMemory {
  readonly #store: ApiStore
  readonly #lookUp: (hashPart: string) => Promise<PathInfo | undefined>
  readonly #paths = new LRUCache<string, KnownPath>({ max: PATHS, ttl: PATH_MILLISECONDS })
  readonly #trees = new LRUCache<Digest, Tree>({ maxSize: TREE_NODES })
  readonly #nars = new LRUCache<string, Uint8Array>({ maxSize: NAR_BYTES, sizeCalculation: (bytes) => bytes.length + 100 })

  constructor(store: ApiStore) {
    this.#store = store
    this.#lookUp = batched((hashParts) => store.pathInfos.get(hashParts))
  }

  /** A valid path by its hash part. That one isn't valid is not kept: it may be built the next moment. */
  async path(hashPart: string): Promise<KnownPath | undefined> {
    const kept = this.#paths.get(hashPart)
    if (kept) return kept
    const info = await this.#lookUp(hashPart)
    if (!info) return undefined
    const known = { info, signatures: await this.#store.signaturesOf(info), narHash: formatHash(info.narHash, 'nix32') }
    this.#paths.set(hashPart, known)
    return known
  }

  /** All directories below a root. */
  async tree(root: Node, blobs: BlobStore): Promise<Tree> {
    if (root.kind !== 'directory') return new Map()
    const kept = this.#trees.get(root.digest)
    if (kept) return kept
    const tree = await readDirectories([root], blobs)
    this.#trees.set(root.digest, tree, { size: root.size + 1 })
    return tree
  }

  /** The whole NAR, if it is small: kept, or rendered and kept. Undefined where it is not small. */
  async smallNar(known: KnownPath, render: () => AsyncIterable<Uint8Array>): Promise<Uint8Array | undefined> {
    if (known.info.narSize > SMALL_NAR) return undefined
    const kept = this.#nars.get(known.narHash)
    if (kept) return kept
    const parts: Uint8Array[] = []
    for await (const part of render()) parts.push(part)
    const bytes = Buffer.concat(parts)
    this.#nars.set(known.narHash, bytes)
    return bytes
  }
}
