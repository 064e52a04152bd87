/** Ring: store. All services of the store, wired from settings. */
import './native-hashes.ts'
import { FirnError } from '../contract/errors.ts'
import type { BlobStore } from './blobs/interface.ts'
import { MemoryBlobIndex } from './blobs/memory-index.ts'
import { PackedBlobStore } from './blobs/packed.ts'
import { PostgresBlobIndex } from './blobs/postgres-index.ts'
import { openObjectTree } from './composition.ts'
import { openDatabase } from './database.ts'
import type { LocalStore } from './local/interface.ts'
import { FolderLocalStore } from './local/local-store.ts'
import type { ObjectStore } from './objects/interface.ts'
import { MemoryPathInfoStore } from './path-info/memory.ts'
import { PostgresPathInfoStore } from './path-info/postgres.ts'
import type { PathInfo, PathInfoStore } from './path-info/interface.ts'
import type { StoreSettings } from './settings.ts'
import { openSigner, signaturesOf } from './signing.ts'
import type { Substituters } from './substituters/interface.ts'
import { openSubstituters } from './substituters/open.ts'

export interface Store {
  readonly objects: ObjectStore
  readonly blobs: BlobStore
  readonly pathInfos: PathInfoStore
  readonly substituters: Substituters
  /** `name:base64`, for `trusted-public-keys`; undefined where nothing is signed. */
  readonly publicKey: string | undefined
  /** Signatures of a valid path, the farm's own among them; that is made when first asked for, and kept. */
  signaturesOf(info: PathInfo): Promise<readonly string[]>
  close(): Promise<void>
}

/** A worker's store: one that lies in Postgres, with paths laid out on this machine. */
export interface WorkerStore extends Store {
  readonly pathInfos: PostgresPathInfoStore
  readonly local: LocalStore
}

/**
 * Opens the store without touching the local folder. Errors: 'invalid-input' for addresses and keys that don't parse,
 * 'missing-requirement' for a bucket that doesn't exist.
 */
export async function openStore(settings: StoreSettings, onWarning?: (message: string) => void): Promise<Store> {
  const database = settings.databaseUrl === undefined ? undefined : openDatabase(settings.databaseUrl, settings.databaseConnections)
  const pathInfos = database ? new PostgresPathInfoStore(database) : new MemoryPathInfoStore()
  const tree = typeof settings.blobs === 'string' ? { kind: 'objects' as const, address: settings.blobs } : settings.blobs
  const objects = await openObjectTree(tree, { ...(settings.s3Credentials ? { credentials: settings.s3Credentials } : {}), ...(onWarning ? { onWarning } : {}) })
  const blobs = new PackedBlobStore(objects, database ? new PostgresBlobIndex(database) : new MemoryBlobIndex())
  const substituters = openSubstituters({ ...settings, ...settings.substituterTimes, blobs, pathInfos, database, onWarning })
  const signer = settings.signingKeyFile === undefined ? undefined : await openSigner(settings.signingKeyFile, settings.signingKeyName)
  return {
    objects, blobs, pathInfos, substituters,
    publicKey: signer?.publicKey,
    signaturesOf: (info: PathInfo) => signaturesOf(info, signer, pathInfos),
    close: async () => {
      await substituters.close()
      await blobs.close()
      await objects.close()
      await database?.destroy()
    },
  }
}

/** Opens the store of a worker, which alone writes in its local folder. Errors: as `openStore`, 'invalid-input' without a database or folder. */
export async function openWorkerStore(settings: StoreSettings & { readonly localStoreDir: string }, onWarning?: (message: string) => void): Promise<WorkerStore> {
  const store = await openStore(settings, onWarning)
  const { blobs, pathInfos } = store
  if (!(pathInfos instanceof PostgresPathInfoStore)) throw new FirnError('invalid-input', 'a worker needs a database')
  const local = await FolderLocalStore.open({ directory: settings.localStoreDir, maximumBytes: settings.localStoreBytes ?? 20 * 1024 ** 3, blobs, pathInfos })
  return {
    ...store, pathInfos, local,
    close: async () => {
      await local.close()
      await store.close()
    },
  }
}
