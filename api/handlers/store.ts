/** Ring: api. The store, to look at: what is known of a path, what it holds, what it needs. */
import { type ApiPathInfo } from '../../contract/api.ts'
import { FirnError } from '../../contract/errors.ts'
import { formatContentAddress } from '../../nix/content-address.ts'
import { formatHash } from '../../nix/hash.ts'
import { parseBaseName, parseStorePath } from '../../nix/store-path.ts'
import type { PathInfo } from '../../store/path-info/interface.ts'
import type { ApiDependencies } from '../dependencies.ts'
import { utf8 } from '../binary-cache/listing.ts'
import { writeBody } from '../http/body.ts'
import { announce, notModified, requestedRange } from '../http/range.ts'
import type { Handlers } from '../http/router.ts'
import { listNode, nodeAt } from '../queries/tree.ts'

type Names = 'getPathInfo' | 'queryMissing' | 'listDirectory' | 'readStoreFile' | 'getClosure'

/** Paths of a closure that are described with one query. */
const BATCH = 5000

export function storeHandlers({ store }: ApiDependencies): Pick<Handlers, Names> {
  async function infoOf(baseName: string): Promise<PathInfo> {
    const { hash } = parseBaseName(baseName)
    const info = (await store.pathInfos.get([hash])).get(hash)
    if (info?.storePath.baseName !== baseName) throw new FirnError('not-found', `path '${baseName}' is not valid`)
    return info
  }

  return {
    async getPathInfo({ params: { path } }) {
      const info = await infoOf(path)
      return presentInfo(info, await store.signaturesOf(info))
    },

    async queryMissing({ body }) {
      const hashes = body.paths.map((path) => parseStorePath(path).hash)
      const valid = await store.pathInfos.has(hashes)
      return { paths: body.paths.filter((_path, index) => !valid.has(hashes[index]!)) }
    },

    async listDirectory({ params: { path }, query: { subpath, recursive } }) {
      const info = await infoOf(path)
      return { path: info.storePath.toString(), subpath, entries: await listNode(await nodeAt(info.root, subpath, store.blobs), recursive, store.blobs) }
    },

    async readStoreFile({ params: { path }, query: { subpath } }, { request, response, signal }) {
      const info = await infoOf(path)
      const node = await nodeAt(info.root, subpath, store.blobs)
      if (node.kind !== 'file') throw new FirnError('conflict', `'${subpath === '' ? path : subpath}' is a ${node.kind}${node.kind === 'symlink' ? ` to '${utf8(node.target)}'` : ''}, not a file`)
      // whatever the store holds must not become a page of this origin
      response.set({ 'Content-Type': 'application/octet-stream', 'Content-Disposition': 'attachment', 'Cache-Control': 'public, max-age=31536000, immutable' })
      const etag = `"${node.digest}"`
      if (notModified(request, response, etag)) return
      const range = requestedRange(request, node.size, etag)
      announce(response, node.size, range)
      if (request.method === 'HEAD') response.end()
      else await writeBody(response, store.blobs.open(node.digest, range), signal)
    },

    async getClosure({ params: { path } }) {
      const info = await infoOf(path)
      const { paths, missing } = await store.pathInfos.closure([info.storePath.baseName])
      if (missing.length > 0) throw new FirnError('conflict', `the closure of '${path}' is not complete: ${missing.slice(0, 5).join(', ')}${missing.length > 5 ? ` and ${missing.length - 5} more are` : ' is'} missing`, { data: { missing: missing.slice(0, 1000) } })
      const described: { path: string; narSize: number; references: string[] }[] = []
      const hashes = [...paths].sort().map((baseName) => baseName.slice(0, 32))
      for (let start = 0; start < hashes.length; start += BATCH) {
        for (const one of (await store.pathInfos.get(hashes.slice(start, start + BATCH))).values()) {
          described.push({ path: one.storePath.toString(), narSize: one.narSize, references: one.references.map(String) })
        }
      }
      return { path: info.storePath.toString(), narBytes: described.reduce((sum, one) => sum + one.narSize, 0), paths: described }
    },
  }
}

export function presentInfo(info: PathInfo, signatures: readonly string[]): ApiPathInfo {
  const { root } = info
  return {
    path: info.storePath.toString(),
    narHash: formatHash(info.narHash, 'sri'),
    narSize: info.narSize,
    references: info.references.map(String),
    deriver: info.deriver?.toString() ?? null,
    contentAddress: info.contentAddress ? formatContentAddress(info.contentAddress) : null,
    signatures: [...signatures],
    ultimate: info.ultimate,
    registeredAt: info.registeredAt.toISOString(),
    root: root.kind === 'symlink' ? { kind: 'symlink', target: utf8(root.target) } : { ...root },
  }
}
