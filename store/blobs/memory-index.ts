/** Ring: store. The index of blobs in memory: for tests and one-off commands. */
import type { Digest } from '../../castore/digest.ts'
import type { BlobIndex, Manifest, Pack, PieceLocation } from './index-interface.ts'

export class MemoryBlobIndex implements BlobIndex {
  readonly #pieces = new Map<Digest, PieceLocation>()
  readonly #manifests = new Map<Digest, Manifest>()

  known(digests: readonly Digest[]): Promise<Set<Digest>> {
    return Promise.resolve(new Set(digests.filter((digest) => this.#pieces.has(digest) || this.#manifests.has(digest))))
  }

  manifests(digests: readonly Digest[]): Promise<Map<Digest, Manifest>> {
    return Promise.resolve(select(this.#manifests, digests))
  }

  locate(pieces: readonly Digest[]): Promise<Map<Digest, PieceLocation>> {
    return Promise.resolve(select(this.#pieces, pieces))
  }

  addPack(pack: Pack): Promise<void> {
    let position = 0
    for (const { digest, length } of pack.pieces) {
      const location: PieceLocation = 'key' in pack.place
        ? { kind: 'object', key: pack.place.key, position, length }
        : { kind: 'inline', bytes: pack.place.content.slice(position, position + length) }
      if (!this.#pieces.has(digest)) this.#pieces.set(digest, location)
      position += length
    }
    return Promise.resolve()
  }

  async addUnknown(pack: Pack): Promise<boolean> {
    const digests = pack.pieces.map(({ digest }) => digest)
    if ((await this.known(digests)).size === digests.length) return false
    await this.addPack(pack)
    return true
  }

  addManifests(manifests: readonly Manifest[]): Promise<void> {
    for (const manifest of manifests) this.#manifests.set(manifest.digest, manifest)
    return Promise.resolve()
  }
}

function select<V>(map: ReadonlyMap<Digest, V>, digests: readonly Digest[]): Map<Digest, V> {
  const found = new Map<Digest, V>()
  for (const digest of digests) {
    const value = map.get(digest)
    if (value !== undefined) found.set(digest, value)
  }
  return found
}
