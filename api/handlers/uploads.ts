/** Ring: api. Uploads: a tree to evaluate, and derivations that were made elsewhere. A path is valid only once all of it is stored. */
import { FirnError } from '../../contract/errors.ts'
import { readExport } from '../../nix/export.ts'
import { createHash, formatHash, type Hash, hashBytes } from '../../nix/hash.ts'
import type { NarEvent } from '../../nix/nar.ts'
import { writeNar } from '../../nix/nar-writer.ts'
import { makeSourcePath, type StorePath } from '../../nix/store-path.ts'
import type { BlobStore, BlobUpload } from '../../store/blobs/interface.ts'
import { ingest, type Ingested } from '../../store/ingest/ingest.ts'
import type { Entry } from '../../store/ingest/interface.ts'
import { entriesOfNar } from '../../store/ingest/nar.ts'
import { entriesOfTarball } from '../../store/ingest/tarball.ts'
import type { PathInfo } from '../../store/path-info/interface.ts'
import type { ApiDependencies } from '../dependencies.ts'
import { readBody } from '../http/body.ts'
import { type Handlers, Reply } from '../http/router.ts'
import { contentAddressOf, DERIVATION_LIMIT, DerivationChecker } from '../uploads/derivations.ts'

export function uploadHandlers({ store, settings }: ApiDependencies): Pick<Handlers, 'uploadSource' | 'uploadDerivations'> {
  return {
    async uploadSource({ query: { name } }, { request }) {
      const body = readBody(request, settings.api.uploadBytes)
      const isNar = (request.headers['content-type'] ?? '').startsWith('application/x-nix-nar')
      const { root, narHash, narSize } = await ingest(isNar ? entriesOfNar(body) : entriesOfTarball(body, { stripTop: false }), store.blobs)
      const storePath = makeSourcePath(name, narHash)
      await store.pathInfos.put([{ storePath, root, narHash, narSize, references: [], contentAddress: { method: 'nar', hash: narHash }, signatures: [], registeredAt: new Date(), ultimate: true }])
      return new Reply(201, { storePath: storePath.toString(), narHash: formatHash(narHash, 'sri'), narSize })
    },

    async uploadDerivations(_input, { request }) {
      const checker = new DerivationChecker(store.pathInfos, store.blobs)
      const infos: PathInfo[] = []
      const known = new Set<string>()
      // derivations are thousands of small files: they become durable together
      const upload = store.blobs.upload()
      try {
        for await (const exported of readExport(readBody(request, settings.api.uploadBytes))) {
          const content = await takeExported(exported.nar, store.blobs, upload)
          const { storePath, references } = await exported.info()
          const contentAddress = contentAddressOf(storePath, references, content)
          await requireReferences(storePath, references, known)
          if (storePath.isDerivation) {
            if (!content.file) throw new FirnError('invalid-input', `'${storePath.baseName}' is not a derivation: it is no single file, or larger than ${DERIVATION_LIMIT} bytes`)
            await checker.check(storePath, Buffer.from(content.file).toString('latin1'), references)
          }
          known.add(storePath.baseName)
          const { root, narHash, narSize } = content
          infos.push({ storePath, root, narHash, narSize, references, contentAddress, signatures: [], registeredAt: new Date(), ultimate: false })
        }
        await upload.finish()
      } catch (error) {
        await upload.abandon()
        throw error
      }
      const made = await store.pathInfos.put(infos)
      const paths = infos.map((info) => info.storePath)
      return new Reply(201, {
        derivations: paths.filter((path) => path.isDerivation).map(String),
        sources: paths.filter((path) => !path.isDerivation).map(String),
        alreadyValid: infos.length - made.length,
      })
    },
  }

  async function requireReferences(storePath: StorePath, references: readonly StorePath[], known: ReadonlySet<string>): Promise<void> {
    const unknown = references.filter((reference) => !known.has(reference.baseName) && reference.baseName !== storePath.baseName)
    const valid = await store.pathInfos.has(unknown.map((reference) => reference.hash))
    const missing = unknown.filter((reference) => !valid.has(reference.hash))
    if (missing.length > 0) throw new FirnError('invalid-input', `'${storePath.baseName}' refers to ${missing[0]!.toString()}, which is neither in this upload before it nor in the farm's store`, { data: { missing: missing.map(String) } })
  }
}

interface Exported extends Pick<Ingested, 'root' | 'narHash' | 'narSize'> {
  /** The bytes, where it is a single file that isn't executable and not too large to be a derivation. */
  readonly file?: Uint8Array
  readonly flatHash?: Hash
}

/** Stores one path of an export: a small file in the upload that all share, a tree by itself. */
async function takeExported(nar: AsyncIterable<NarEvent>, blobs: BlobStore, upload: BlobUpload): Promise<Exported> {
  const events = nar[Symbol.asyncIterator]()
  const first = await events.next()
  if (first.done === true) throw new FirnError('invalid-input', 'the export holds an empty NAR')
  const event = first.value
  if (event.kind !== 'file' || event.executable || event.size > DERIVATION_LIMIT) return ingest(entriesOf(event, events), blobs)
  const parts: Uint8Array[] = []
  for await (const part of event.content) parts.push(part)
  const file = Buffer.concat(parts)
  const hash = createHash('sha256')
  let narSize = 0
  for await (const chunk of writeNar([{ ...event, content: inParts(parts) }])) {
    hash.update(chunk)
    narSize += chunk.length
  }
  const root = { kind: 'file', ...await upload.add(file), executable: false } as const
  return { root, narHash: { algorithm: 'sha256', bytes: hash.digest() }, narSize, file, flatHash: hashBytes('sha256', file) }
}

/** A NAR's events as entries, of which one was read before. */
async function* entriesOf(first: NarEvent, rest: AsyncIterator<NarEvent>): AsyncGenerator<Entry, void, undefined> {
  for (let next: IteratorResult<NarEvent> = { done: false, value: first }; next.done !== true; next = await rest.next()) {
    const event = next.value
    if (event.kind === 'directory-start') yield { kind: 'directory', path: event.path }
    else if (event.kind !== 'directory-end') yield event
  }
}

async function* inParts(parts: readonly Uint8Array[]): AsyncGenerator<Uint8Array, void, undefined> {
  yield* parts
}
