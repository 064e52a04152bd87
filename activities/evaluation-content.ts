/**
 * Ring: activities. Content that an evaluator adds to the store: sources, texts, derivations. All of it is stored before anything that
 * refers to it is demanded, many at a time. Upstream counterpart: addToStore and addTextToStore.
 */
import { LRUCache } from 'lru-cache'
import { FirnError } from '../contract/errors.ts'
import type { EvaluatorMessage } from '../contract/evaluations.ts'
import { formatHash, hashBytes, hashesEqual, parseHash } from '../nix/hash.ts'
import { narOfFile } from '../nix/nar-writer.ts'
import { parseStorePath, type StorePath } from '../nix/store-path.ts'
import type { BlobStore, BlobUpload } from '../store/blobs/interface.ts'
import { ingest } from '../store/ingest/ingest.ts'
import { entriesOfLocalTree } from '../store/ingest/local-tree.ts'
import type { Entry } from '../store/ingest/interface.ts'
import type { PathInfo } from '../store/path-info/interface.ts'
import type { WorkerStore } from '../store/open.ts'
import type { DerivationReader } from './derivations.ts'

type Source = EvaluatorMessage & { readonly kind: 'source' }
type Text = EvaluatorMessage & { readonly kind: 'text' | 'derivation' }

/** Paths that are known to be valid, so that nobody asks again for each evaluation of the same set. */
const KNOWN = 200_000
const SOURCES_AT_ONCE = 4
/** Up to so many texts are stored without a question whether they are: that costs as much, and a chain of imports waits for it each time. */
const FEW_TEXTS = 8

export class ContentKeeper {
  readonly #store: WorkerStore
  readonly #derivations: DerivationReader
  readonly #known = new LRUCache<string, true>({ max: KNOWN })

  constructor(store: WorkerStore, derivations: DerivationReader) {
    this.#store = store
    this.#derivations = derivations
  }

  /** Stores all of this; afterwards every path in it is valid. Texts may refer to sources of the same call. */
  async keep(sources: readonly Source[], texts: readonly Text[], signal?: AbortSignal): Promise<void> {
    for (const text of texts) if (text.kind === 'derivation') this.#derivations.add(text.drvPath, text.aterm)
    const missing = await this.#missing([...sources.map((source) => source.storePath), ...texts.map(pathOf)], sources.length === 0 && texts.length <= FEW_TEXTS)
    if (missing.size === 0) return
    const infos = await this.#addSources(sources.filter((source) => missing.delete(source.storePath)), signal)
    infos.push(...await this.#addTexts(texts.filter((text) => missing.delete(pathOf(text)))))
    // a derivation may have a download as its source that nobody needed yet
    await this.#store.pathInfos.put(infos, { allowMissingReferences: true })
    for (const info of infos) this.#known.set(info.storePath.baseName, true)
  }

  /** What isn't known to be valid; with `unasked`, without asking the store. */
  async #missing(paths: readonly string[], unasked: boolean): Promise<Set<string>> {
    const unknown = [...new Set(paths)].map((path) => ({ path, parsed: parseStorePath(path) })).filter(({ parsed }) => !this.#known.has(parsed.baseName))
    if (unknown.length === 0) return new Set()
    const valid = unasked ? new Set<string>() : await this.#store.pathInfos.has(unknown.map(({ parsed }) => parsed.hash))
    for (const { parsed } of unknown) if (valid.has(parsed.hash)) this.#known.set(parsed.baseName, true)
    return new Set(unknown.filter(({ parsed }) => !valid.has(parsed.hash)).map(({ path }) => path))
  }

  /** All texts of a batch are one upload. */
  async #addTexts(texts: readonly Text[]): Promise<PathInfo[]> {
    if (texts.length === 0) return []
    const upload = this.#store.blobs.upload()
    try {
      const infos = await Promise.all(texts.map((text) => addText(upload, text)))
      await upload.finish()
      return infos
    } catch (error) {
      await upload.abandon()
      throw error
    }
  }

  async #addSources(sources: readonly Source[], signal?: AbortSignal): Promise<PathInfo[]> {
    const infos: PathInfo[] = []
    for (let start = 0; start < sources.length; start += SOURCES_AT_ONCE) {
      infos.push(...await Promise.all(sources.slice(start, start + SOURCES_AT_ONCE).map((source) => addSource(this.#store.blobs, source, signal))))
    }
    return infos
  }
}

function pathOf(text: Text): string {
  return text.kind === 'text' ? text.storePath : text.drvPath
}

async function addSource(blobs: BlobStore, source: Source, signal?: AbortSignal): Promise<PathInfo> {
  const storePath = parseStorePath(source.storePath)
  const entries = entriesOfLocalTree(source.localPath, source.entries ? { entries: source.entries } : {})
  // a flat source's address is the hash of its bytes, which the NAR's hash doesn't tell
  const flat = source.recursive ? undefined : await flatContent(entries, storePath)
  const ingested = await ingest(flat ? flat.entries : entries, blobs, signal ? { signal } : {})
  const expected = parseHash(source.narHash, 'sha256')
  if (!hashesEqual(ingested.narHash, expected)) {
    throw new FirnError('conflict', `'${source.localPath}' changed while it was evaluated: it was ${formatHash(expected, 'sri')} and is ${formatHash(ingested.narHash, 'sri')}`)
  }
  return {
    storePath, root: ingested.root, narHash: ingested.narHash, narSize: ingested.narSize, references: [],
    contentAddress: flat ? { method: 'flat', hash: flat.hash } : { method: 'nar', hash: ingested.narHash },
    signatures: [], registeredAt: new Date(), ultimate: true,
  }
}

async function flatContent(entries: AsyncIterable<Entry>, storePath: StorePath): Promise<{ readonly entries: AsyncIterable<Entry>; readonly hash: ReturnType<typeof hashBytes> }> {
  const parts: Uint8Array[] = []
  for await (const entry of entries) {
    if (entry.kind !== 'file' || entry.path !== '') throw new FirnError('invalid-input', `'${storePath.name}' is not a regular file`)
    if (entry.content instanceof Uint8Array) parts.push(entry.content)
    else for await (const chunk of entry.content) parts.push(chunk)
  }
  const content = Buffer.concat(parts)
  return { entries: one(content), hash: hashBytes('sha256', content) }
}

async function* one(content: Uint8Array): AsyncGenerator<Entry, void, undefined> {
  yield { kind: 'file', path: '', executable: false, content, size: content.length }
}

async function addText(upload: BlobUpload, text: Text): Promise<PathInfo> {
  const content = text.kind === 'text' ? Buffer.from(text.content, 'latin1') : text.aterm
  const archive = narOfFile(content)
  const { digest, size } = await upload.add(content)
  return {
    storePath: parseStorePath(pathOf(text)), root: { kind: 'file', digest, size, executable: false },
    narHash: hashBytes('sha256', Buffer.concat(archive)), narSize: archive.reduce((sum, part) => sum + part.length, 0),
    references: text.references.map((reference) => parseStorePath(reference)).sort((a, b) => (a.baseName < b.baseName ? -1 : 1)),
    contentAddress: { method: 'text', hash: hashBytes('sha256', content) }, signatures: [], registeredAt: new Date(), ultimate: true,
  }
}
