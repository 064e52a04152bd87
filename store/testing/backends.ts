/** The backends that a suite of blob stores or of whole stores runs over: objects in memory, files and S3; index in memory and Postgres. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

import { testDatabase } from '../../test/support/database.ts'
import { MemoryBlobIndex } from '../blobs/memory-index.ts'
import { PostgresBlobIndex } from '../blobs/postgres-index.ts'
import type { BlobIndex } from '../blobs/index-interface.ts'
import { openDatabase } from '../database.ts'
import type { ObjectStore } from '../objects/interface.ts'
import { openObjects } from '../objects/open.ts'
import { startS3Server } from './s3-server.ts'

export interface Backend {
  readonly objects: ObjectStore
  readonly index: BlobIndex
  /** Counts requests and bytes to S3; empty for others. */
  readonly requests: { operation: string; bytes: number }[]
  close(): Promise<void>
}

export const BLOB_BACKENDS: Readonly<Record<string, () => Promise<Backend>>> = {
  'memory': async () => ({ objects: await openObjects('memory:'), index: new MemoryBlobIndex(), requests: [], close: () => Promise.resolve() }),
  'files and Postgres': async () => {
    const folder = await mkdtemp(join(tmpdir(), 'firn-blobs-'))
    const database = openDatabase((await testDatabase()).url, 4)
    return {
      objects: await openObjects(pathToFileURL(folder).href),
      index: new PostgresBlobIndex(database),
      requests: [],
      close: async () => {
        await database.destroy()
        await rm(folder, { recursive: true, force: true })
      },
    }
  },
  'S3 and Postgres': async () => {
    const server = await startS3Server()
    const database = openDatabase((await testDatabase()).url, 4)
    const requests: Backend['requests'] = []
    return {
      objects: await openObjects(server.address, { credentials: server.credentials, onRequest: (operation, bytes) => requests.push({ operation, bytes }) }),
      index: new PostgresBlobIndex(database),
      requests,
      close: async () => {
        await database.destroy()
        await server.stop()
      },
    }
  },
}
