/** Ring: store. An object store by its address: `memory:`, `file:///folder`, `s3://bucket/prefix?endpoint=…&region=…&pathStyle=true`. */
import { fileURLToPath } from 'node:url'

import { FirnError } from '../../contract/errors.ts'
import { FileObjectStore } from './file.ts'
import type { ObjectStore } from './interface.ts'
import { MemoryObjectStore } from './memory.ts'
import { type S3Options, S3ObjectStore } from './s3.ts'

/** Throws 'invalid-input' for an address that isn't one, 'missing-requirement' for a bucket that doesn't exist. */
export async function openObjects(address: string, options: Pick<S3Options, 'credentials' | 'onRequest'> = {}): Promise<ObjectStore> {
  if (!URL.canParse(address)) throw new FirnError('invalid-input', `not the address of a blob store: '${address}' (memory:, file:///folder or s3://bucket/prefix)`)
  const url = new URL(address)
  switch (url.protocol) {
    case 'memory:': return new MemoryObjectStore()
    case 'file:': return new FileObjectStore(fileURLToPath(new URL(url.pathname, 'file:///')))
    case 's3:': {
      const store = new S3ObjectStore({ ...s3Options(url), ...options })
      await store.check()
      return store
    }
    default: throw new FirnError('invalid-input', `no blob store for '${url.protocol}' (memory:, file: or s3:)`)
  }
}

function s3Options(url: URL): S3Options {
  const known = new Set(['endpoint', 'region', 'pathStyle'])
  for (const name of url.searchParams.keys()) if (!known.has(name)) throw new FirnError('invalid-input', `unknown option '${name}' of ${url.protocol}//${url.host} (${[...known].join(', ')})`)
  if (url.hostname === '') throw new FirnError('invalid-input', 'the address names no bucket: s3://bucket/prefix')
  const endpoint = url.searchParams.get('endpoint')
  const path = url.pathname.replace(/^\/+|\/+$/g, '')
  const pathStyle = url.searchParams.get('pathStyle')
  return {
    bucket: url.hostname,
    prefix: path === '' ? '' : `${path}/`,
    region: url.searchParams.get('region') ?? process.env['AWS_REGION'] ?? 'us-east-1',
    pathStyle: pathStyle === null ? endpoint !== null : pathStyle === 'true',
    ...(endpoint === null ? {} : { endpoint: endpoint.includes('://') ? endpoint : `https://${endpoint}` }),
  }
}
