/**
 * Ring: store. Takes a stream of entries into the store in one pass: contents to the blob store, directories to castore, the NAR's
 * SHA-256 and size, and the references found on the way. What comes in another order than a NAR has (some tarballs) costs a second
 * pass over what was stored. Upstream counterpart: libstore's addToStore, tvix' castore import.
 */
import { ReferenceScanner } from '../../castore/reference-scan.ts'
import type { FileNode, Node } from '../../castore/nodes.ts'
import { CastoreFormatError } from '../../castore/errors.ts'
import { FirnError } from '../../contract/errors.ts'
import { FormatError } from '../../nix/errors.ts'
import { createHash, type Hash } from '../../nix/hash.ts'
import type { NarEvent } from '../../nix/nar.ts'
import { writeNar } from '../../nix/nar-writer.ts'
import type { BlobStore, BlobUpload, UploadFigures } from '../blobs/interface.ts'
import { collectBytes } from '../bytes.ts'
import { renderNar } from '../render-nar.ts'
import type { Entry } from './interface.ts'
import { NarOrder } from './nar-order.ts'
import { TreeBuilder } from './tree-builder.ts'
import '../native-hashes.ts'

export interface IngestOptions {
  /** Hash parts of store paths that the content may refer to; without them nothing is looked for. */
  readonly candidates?: Iterable<string>
  /** Bytes of contents read so far; called once for each entry and each part of a large one. */
  readonly onProgress?: (bytes: number) => void
  readonly signal?: AbortSignal
}

export interface Ingested {
  readonly root: Node
  /** SHA-256 of the NAR. */
  readonly narHash: Hash
  /** Bytes of the NAR. */
  readonly narSize: number
  /** Those of the candidates that were found, sorted. */
  readonly references: readonly string[]
  readonly figures: UploadFigures
}

/** Contents up to this are held whole on their way. */
const SMALL_FILE = 256 * 1024

/**
 * When it returns, everything is durable: a PathInfo may be put. Errors: 'invalid-input' for entries that make no tree or names
 * that can't be stored, those of the blob store, and whatever the source throws.
 */
export async function ingest(entries: AsyncIterable<Entry>, blobs: BlobStore, options: IngestOptions = {}): Promise<Ingested> {
  const upload = blobs.upload()
  try {
    const run = new Ingestion(upload, options)
    const candidates = options.candidates === undefined ? undefined : [...options.candidates]
    const archive = archiveSink(candidates)
    const streamed = await run.take(entries, archive.update)
    const root = await run.finishTree()
    const figures = await upload.finish()
    if (streamed) return { root, ...archive.end(), figures }
    const second = archiveSink(candidates)
    for await (const chunk of renderNar(root, blobs)) second.update(chunk)
    return { root, ...second.end(), figures }
  } catch (error) {
    await upload.abandon()
    if (error instanceof FormatError || error instanceof CastoreFormatError) throw new FirnError('invalid-input', error.message, { cause: error })
    throw error
  }
}

/** What is computed over the bytes of the NAR. */
function archiveSink(candidates: readonly string[] | undefined) {
  const hash = createHash('sha256')
  const scanner = candidates === undefined || candidates.length === 0 ? undefined : new ReferenceScanner(candidates)
  let narSize = 0
  return {
    update: (chunk: Uint8Array): void => {
      narSize += chunk.length
      hash.update(chunk)
      scanner?.update(chunk)
    },
    end: (): { narHash: Hash; narSize: number; references: string[] } => ({
      narHash: { algorithm: 'sha256', bytes: hash.digest() },
      narSize,
      references: [...scanner?.found() ?? []].sort(),
    }),
  }
}

class Ingestion {
  readonly #upload: BlobUpload
  readonly #options: IngestOptions
  readonly #tree = new TreeBuilder()
  #bytes = 0

  constructor(upload: BlobUpload, options: IngestOptions) {
    this.#upload = upload
    this.#options = options
  }

  /** Takes all entries; true if they came in the order of a NAR, and `sink` has had all of it. */
  async take(source: AsyncIterable<Entry>, sink: (chunk: Uint8Array) => void): Promise<boolean> {
    const entries = source[Symbol.asyncIterator]()
    const position: { outOfOrder?: Entry } = {}
    try {
      try {
        for await (const chunk of writeNar(this.#narEvents(entries, position))) sink(chunk)
        return true
      } catch (error) {
        // The writer misses its end where we stopped; anything else is somebody's error.
        if (position.outOfOrder === undefined || !(error instanceof FormatError)) throw error
      }
      await this.#store(position.outOfOrder)
      for (let next = await this.#next(entries); next !== undefined; next = await this.#next(entries)) await this.#store(next)
      return false
    } finally {
      await entries.return?.()
    }
  }

  async finishTree(): Promise<Node> {
    return await this.#tree.finish(this.#upload)
  }

  async #next(entries: AsyncIterator<Entry>): Promise<Entry | undefined> {
    this.#options.signal?.throwIfAborted()
    const next = await entries.next()
    return next.done === true ? undefined : next.value
  }

  /** Stores entries and passes them on as events of a NAR, up to the first that doesn't fit. */
  async* #narEvents(entries: AsyncIterator<Entry>, position: { outOfOrder?: Entry }): AsyncGenerator<NarEvent, void, undefined> {
    const order = new NarOrder()
    for (let entry = await this.#next(entries); entry !== undefined; entry = await this.#next(entries)) {
      const { path } = entry
      const size = entry.kind !== 'file' ? 0 : entry.content instanceof Uint8Array ? entry.content.length : entry.size
      const ended = entry.kind === 'link' || size === undefined ? undefined : order.next(path)
      if (ended === undefined) {
        position.outOfOrder = entry
        return
      }
      for (const path of ended) yield { kind: 'directory-end', path }
      if (entry.kind === 'file') {
        yield* this.#fileEvents(entry, size ?? 0)
        continue
      }
      await this.#store(entry)
      if (entry.kind === 'directory') {
        order.enter(path)
        yield { kind: 'directory-start', path }
      } else if (entry.kind === 'symlink') {
        yield { kind: 'symlink', path, target: entry.target }
      }
    }
    for (const path of order.end()) yield { kind: 'directory-end', path }
  }

  async* #fileEvents(entry: Entry & { kind: 'file' }, size: number): AsyncGenerator<NarEvent, void, undefined> {
    const { path, executable } = entry
    const common = { kind: 'file', path, executable, size } as const
    if (entry.content instanceof Uint8Array || size <= SMALL_FILE) {
      const bytes = entry.content instanceof Uint8Array ? entry.content : await collectBytes(entry.content, size)
      if (bytes.length !== size) throw new FirnError('invalid-input', `'${path}' has ${bytes.length} bytes, but ${size} were announced`)
      await this.#file(entry, bytes)
      yield { ...common, content: inOnePart(bytes) }
      return
    }
    const writer = this.#upload.openBlob()
    const content = entry.content
    const progress = (bytes: number): void => this.#progress(bytes)
    yield {
      ...common,
      content: (async function* () {
        for await (const part of content) {
          await writer.write(part)
          progress(part.length)
          yield part
        }
      })(),
    }
    this.#tree.addLeaf(path, { kind: 'file', ...await writer.end(), executable })
  }

  /** Stores an entry outside of a NAR's order. */
  async #store(entry: Entry): Promise<void> {
    switch (entry.kind) {
      case 'directory': this.#tree.addDirectory(entry.path); break
      case 'symlink': this.#tree.addLeaf(entry.path, { kind: 'symlink', target: entry.target }); break
      case 'file': await this.#file(entry, entry.content); break
      case 'link': {
        const target: FileNode | undefined = this.#tree.file(entry.target)
        if (target === undefined) throw new FirnError('invalid-input', `'${entry.path}' is a link to '${entry.target}', which is no file before it`)
        this.#tree.addLeaf(entry.path, target)
      }
    }
    if (entry.kind !== 'file') this.#progress(0)
  }

  async #file({ path, executable }: { readonly path: string; readonly executable: boolean }, content: Uint8Array | AsyncIterable<Uint8Array>): Promise<void> {
    const stored = content instanceof Uint8Array ? await this.#upload.add(content) : await this.#upload.addStream(content)
    this.#tree.addLeaf(path, { kind: 'file', ...stored, executable })
    this.#progress(stored.size)
  }

  #progress(bytes: number): void {
    this.#bytes += bytes
    this.#options.onProgress?.(this.#bytes)
  }
}

async function* inOnePart(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}
