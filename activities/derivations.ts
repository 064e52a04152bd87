/**
 * Ring: activities. Derivations by path, parsed once, and what a node is by its derivation. The latest are kept in memory: while an
 * evaluation runs they come from its evaluator, and what plans or builds them a moment later finds them here. They are parsed when somebody
 * looks at them: most of what an evaluation makes is built already, and nobody asks below that.
 */
import { LRUCache } from 'lru-cache'
import { FirnError } from '../contract/errors.ts'
import type { FetchRequest } from '../contract/fetch.ts'
import type { NodeKey } from '../contract/nodes.ts'
import { fetchRequestOf } from '../fetchers/request.ts'
import { type Derivation, derivationType, parseDerivation } from '../nix/derivation.ts'
import { derivationOptions, type DerivationOptions } from '../nix/derivation-options.ts'
import { FormatError } from '../nix/errors.ts'
import { derivationName, parseStorePath } from '../nix/store-path.ts'
import type { OutputPaths } from '../state/database.ts'
import type { BlobStore } from '../store/blobs/interface.ts'
import type { PathInfoStore } from '../store/path-info/interface.ts'

/** A derivation and the node that it is. */
export interface KnownDerivation {
  readonly drvPath: string
  readonly derivation: Derivation
  readonly options: DerivationOptions
  readonly key: NodeKey
  readonly outputs: OutputPaths
  /** The output's hash is known beforehand. */
  readonly fixed: boolean
  /** Output paths follow from the inputs' contents, and aren't known before them. */
  readonly floating: boolean
  /** For a derivation that is a download. */
  readonly fetch: FetchRequest | null
}

/** Derivations kept in memory; a large package set has some ten thousand. */
const KEPT = 20_000

export class DerivationReader {
  readonly #pathInfos: PathInfoStore
  readonly #blobs: BlobStore
  /** Texts until they are looked at. */
  readonly #known = new LRUCache<string, KnownDerivation | Uint8Array>({ max: KEPT })

  constructor(store: { readonly pathInfos: PathInfoStore; readonly blobs: BlobStore }) {
    this.#pathInfos = store.pathInfos
    this.#blobs = store.blobs
  }

  /** Takes the text of a derivation that somebody holds already. */
  add(drvPath: string, aterm: Uint8Array): void {
    if (this.#known.get(drvPath) === undefined) this.#known.set(drvPath, aterm)
  }

  #describe(drvPath: string, aterm: Uint8Array): KnownDerivation {
    const known = describeDerivation(drvPath, Buffer.from(aterm.buffer, aterm.byteOffset, aterm.byteLength).toString('latin1'))
    this.#known.set(drvPath, known)
    return known
  }

  /** Reads derivations, in two queries for any number. 'not-found' names one that isn't in the store, 'invalid-input' one that is malformed. */
  async read(drvPaths: readonly string[]): Promise<Map<string, KnownDerivation>> {
    const found = new Map<string, KnownDerivation>()
    const missing: string[] = []
    for (const drvPath of drvPaths) {
      const known = this.#known.get(drvPath)
      if (known) found.set(drvPath, known instanceof Uint8Array ? this.#describe(drvPath, known) : known)
      else missing.push(drvPath)
    }
    if (missing.length === 0) return found
    const infos = await this.#pathInfos.get(missing.map((drvPath) => parseStorePath(drvPath).hash))
    const digests = new Map(missing.map((drvPath) => {
      const root = infos.get(parseStorePath(drvPath).hash)?.root
      if (root?.kind !== 'file') throw new FirnError('not-found', `the derivation '${drvPath}' is not in the store`, { data: { drvPath } })
      return [drvPath, root.digest]
    }))
    const contents = await this.#blobs.readMany([...new Set(digests.values())])
    for (const [drvPath, digest] of digests) {
      const bytes = contents.get(digest)
      if (!bytes) throw new FirnError('corrupt', `the content of '${drvPath}' is not in the store`, { data: { drvPath } })
      found.set(drvPath, this.#describe(drvPath, bytes))
    }
    return found
  }

  async readOne(drvPath: string): Promise<KnownDerivation> {
    return (await this.read([drvPath])).get(drvPath)!
  }
}

/** What node a derivation is. Throws 'invalid-input' for a text that isn't a derivation. */
export function describeDerivation(drvPath: string, aterm: string): KnownDerivation {
  const path = parseStorePath(drvPath)
  try {
    const derivation = parseDerivation(aterm, derivationName(path))
    const type = derivationType(derivation)
    const outputs: Record<string, string | null> = {}
    for (const [name, output] of derivation.outputs) outputs[name] = 'path' in output ? parseStorePath(output.path).baseName : null
    const first = outputs[[...derivation.outputs.keys()].sort()[0] ?? '']
    return {
      drvPath,
      derivation,
      options: derivationOptions(derivation),
      key: first ?? `ca-${path.hash}-${derivation.name}`,
      outputs,
      fixed: type === 'fixed',
      floating: type !== 'fixed' && type !== 'input-addressed',
      fetch: fetchRequestOf(derivation) ?? null,
    }
  } catch (error) {
    if (error instanceof FormatError) throw new FirnError('invalid-input', `'${drvPath}': ${error.message}`, { cause: error, data: { drvPath } })
    throw error
  }
}
