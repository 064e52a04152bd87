/**
 * Ring: api. An upload of derivations made elsewhere, checked before any of it is believed: a path must follow from its content,
 * and a derivation's outputs from the derivation, computed again here. What can't be checked that way (the output of a
 * build) is refused; it comes in as a signed narinfo, or is built.
 */
import type { ContentAddress } from '../../nix/content-address.ts'
import { checkOutputPaths, derivationHash, type DerivationHash } from '../../nix/derivation-hash.ts'
import { type Derivation, derivationReferences, parseDerivation } from '../../nix/derivation.ts'
import { FormatError } from '../../nix/errors.ts'
import type { Hash } from '../../nix/hash.ts'
import { derivationName, makeFixedOutputPath, makeTextPath, parseStorePath, type StorePath } from '../../nix/store-path.ts'
import { FirnError } from '../../contract/errors.ts'
import type { BlobStore } from '../../store/blobs/interface.ts'
import type { PathInfo, PathInfoStore } from '../../store/path-info/interface.ts'
import { HttpError } from '../http/problem.ts'

/** Derivations are small; one that isn't is not read. */
export const DERIVATION_LIMIT = 64 * 1024 * 1024

/** What is known of an uploaded path's content. */
export interface UploadedContent {
  readonly narHash: Hash
  /** SHA-256 of the file, where it is a single file that isn't executable. */
  readonly flatHash?: Hash
}

/** How a path follows from its content; throws 422 where it doesn't. */
export function contentAddressOf(storePath: StorePath, references: readonly StorePath[], content: UploadedContent): ContentAddress {
  const self = references.some((reference) => reference.baseName === storePath.baseName)
  const others = references.filter((reference) => reference.baseName !== storePath.baseName).map(String)
  const candidates: (readonly [ContentAddress, () => StorePath])[] = [
    [{ method: 'nar', hash: content.narHash }, () => makeFixedOutputPath(storePath.name, { method: 'nar', hash: content.narHash, references: others, self })],
  ]
  const { flatHash } = content
  if (flatHash && !self) {
    candidates.unshift([{ method: 'text', hash: flatHash }, () => makeTextPath(storePath.name, flatHash, others)])
    if (others.length === 0) candidates.push([{ method: 'flat', hash: flatHash }, () => makeFixedOutputPath(storePath.name, { method: 'flat', hash: flatHash })])
  }
  for (const [address, path] of candidates) if (path().baseName === storePath.baseName) return address
  throw new HttpError(422, 'hash-mismatch', `'${storePath.baseName}' does not follow from its content: only derivations and sources can be uploaded this way, not what builds made`, { data: { path: storePath.toString() } })
}

/** Checks derivations one after the other, inputs first; what is in the store already was checked when it came. */
export class DerivationChecker {
  readonly #hashes = new Map<string, DerivationHash>()
  readonly #pathInfos: PathInfoStore
  readonly #blobs: BlobStore

  constructor(pathInfos: PathInfoStore, blobs: BlobStore) {
    this.#pathInfos = pathInfos
    this.#blobs = blobs
  }

  /** Throws 422 where the references or the outputs don't follow from the text. `aterm` is a byte string. */
  async check(storePath: StorePath, aterm: string, references: readonly StorePath[]): Promise<Derivation> {
    const derivation = parseDerivation(aterm, derivationName(storePath))
    const named = references.map(String).sort()
    const needed = [...new Set(derivationReferences(derivation))].sort()
    if (named.join('\n') !== needed.join('\n')) throw new FormatError(`the references of '${storePath.baseName}' aren't the inputs that it names`)
    await this.#load([...derivation.inputDerivations.keys()], storePath)
    checkOutputPaths(derivation, this.#lookUp)
    this.#hashes.set(storePath.toString(), derivationHash(derivation, this.#lookUp))
    return derivation
  }

  readonly #lookUp = (drvPath: string): DerivationHash => {
    const hash = this.#hashes.get(drvPath)
    if (!hash) throw new FirnError('internal', `derivation ${drvPath} was not loaded`)
    return hash
  }

  /** Hashes of derivations that are in the store, and of what they need for it, each read once. */
  async #load(drvPaths: readonly string[], wantedBy: StorePath): Promise<void> {
    const read = new Map<string, Derivation>()
    for (let wanted = drvPaths.filter((path) => !this.#hashes.has(path)); wanted.length > 0;) {
      const paths = wanted.map((path) => parseStorePath(path))
      const infos = await this.#pathInfos.get(paths.map((path) => path.hash))
      const next = new Set<string>()
      const texts = await this.#texts(paths, infos, wantedBy)
      for (const [index, path] of paths.entries()) {
        const derivation = parseDerivation(texts[index]!, derivationName(path))
        read.set(path.toString(), derivation)
        for (const input of derivation.inputDerivations.keys()) if (!this.#hashes.has(input) && !read.has(input)) next.add(input)
      }
      wanted = [...next]
    }
    // depth first, without recursion: chains of inputs are long
    const waiting = [...read.keys()]
    while (waiting.length > 0) {
      const path = waiting.at(-1)!
      const derivation = read.get(path)
      const open = derivation && !this.#hashes.has(path) ? [...derivation.inputDerivations.keys()].filter((input) => !this.#hashes.has(input)) : []
      if (open.length > 0) {
        waiting.push(...open)
        continue
      }
      if (derivation && !this.#hashes.has(path)) this.#hashes.set(path, derivationHash(derivation, this.#lookUp))
      waiting.pop()
    }
  }

  async #texts(paths: readonly StorePath[], infos: ReadonlyMap<string, PathInfo>, wantedBy: StorePath): Promise<string[]> {
    const digests = paths.map((path) => {
      const root = infos.get(path.hash)?.root
      if (root?.kind !== 'file') throw new HttpError(422, 'not-found', `'${wantedBy.baseName}' needs ${path.toString()}, which is neither in this upload before it nor in the farm's store`, { data: { missing: [path.toString()] } })
      return root.digest
    })
    const blobs = await this.#blobs.readMany(digests)
    return digests.map((digest) => Buffer.from(blobs.get(digest) ?? []).toString('latin1'))
  }
}
