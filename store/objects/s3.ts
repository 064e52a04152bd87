/**
 * Ring: store. Objects in a bucket of any server that speaks S3. Requests are retried by the SDK with back-off; what still fails is
 * 'unavailable', so that whoever waits may try again later.
 */
import {
  DeleteObjectsCommand, GetObjectCommand, HeadBucketCommand, ListObjectsV2Command, PutObjectCommand, S3Client, S3ServiceException,
} from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'
import { Readable } from 'node:stream'

import { FirnError } from '../../contract/errors.ts'
import { collectBytes } from '../bytes.ts'
import type { ByteRange, ObjectStore, StoredObject } from './interface.ts'
import { checkKey, notFound } from './keys.ts'

export interface S3Options {
  readonly bucket: string
  /** Put before every key; ends in `/` unless empty. */
  readonly prefix: string
  readonly region: string
  /** Absent: Amazon's own. */
  readonly endpoint?: string
  /** `endpoint/bucket/key` in place of `bucket.endpoint/key`; most other servers need it. */
  readonly pathStyle: boolean
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string }
  /** Told of each request, for metrics and benchmarks. */
  readonly onRequest?: (operation: 'put' | 'get' | 'delete' | 'list', bytes: number) => void
}

/** Streams above this go up in parts of this size, four at a time. */
const PART_SIZE = 8 * 1024 * 1024

export class S3ObjectStore implements ObjectStore {
  readonly #client: S3Client
  readonly #options: S3Options

  constructor(options: S3Options) {
    this.#options = options
    this.#client = new S3Client({
      region: options.region,
      forcePathStyle: options.pathStyle,
      maxAttempts: 5,
      // Checksums beyond what S3 requires are refused by other servers, and Firn verifies digests itself.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      ...(options.endpoint === undefined ? {} : { endpoint: options.endpoint }),
      ...(options.credentials === undefined ? {} : { credentials: options.credentials }),
    })
  }

  /** Throws unless the bucket answers: called when the store is opened, so that a wrong setting shows at once. */
  async check(): Promise<void> {
    await this.#do('', () => this.#client.send(new HeadBucketCommand({ Bucket: this.#options.bucket })))
  }

  async put(key: string, body: Uint8Array | AsyncIterable<Uint8Array>): Promise<void> {
    const target = { Bucket: this.#options.bucket, Key: this.#key(key) }
    if (body instanceof Uint8Array) {
      this.#options.onRequest?.('put', body.length)
      await this.#do(key, () => this.#client.send(new PutObjectCommand({ ...target, Body: body })))
      return
    }
    const upload = new Upload({ client: this.#client, params: { ...target, Body: Readable.from(body) }, partSize: PART_SIZE, queueSize: 4 })
    upload.on('httpUploadProgress', (progress) => this.#options.onRequest?.('put', progress.loaded ?? 0))
    await this.#do(key, () => upload.done())
  }

  async* get(key: string, range?: ByteRange): AsyncGenerator<Uint8Array> {
    if (range?.end !== undefined && range.end <= range.start) return
    const body = await this.#do(key, async () => (await this.#client.send(new GetObjectCommand({ Bucket: this.#options.bucket, Key: this.#key(key), ...rangeHeader(range) }))).Body)
    let bytes = 0
    try {
      for await (const part of body as Readable) {
        bytes += (part as Uint8Array).length
        yield part as Uint8Array
      }
    } catch (error) {
      throw s3Error(error, key)
    } finally {
      (body as Readable).destroy()
      this.#options.onRequest?.('get', bytes)
    }
  }

  /** A connection that breaks in the middle is tried again here, since the SDK retries only until the headers came. */
  async read(key: string, range?: ByteRange): Promise<Uint8Array> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await collectBytes(this.get(key, range))
      } catch (error) {
        if (!(error instanceof FirnError) || error.kind !== 'unavailable' || attempt >= 3) throw error
      }
    }
  }

  async delete(keys: readonly string[]): Promise<void> {
    for (let start = 0; start < keys.length; start += 1000) {
      const objects = keys.slice(start, start + 1000).map((key) => ({ Key: this.#key(key) }))
      this.#options.onRequest?.('delete', 0)
      const { Errors } = await this.#do('', () => this.#client.send(new DeleteObjectsCommand({ Bucket: this.#options.bucket, Delete: { Objects: objects, Quiet: true } })))
      const failed = Errors?.filter((error) => error.Code !== 'NoSuchKey') ?? []
      if (failed.length > 0) throw new FirnError('unavailable', `could not delete ${failed.map((error) => `${error.Key} (${error.Code})`).join(', ')}`)
    }
  }

  async* list(prefix: string): AsyncGenerator<StoredObject> {
    let token: string | undefined
    do {
      this.#options.onRequest?.('list', 0)
      const page = await this.#do('', () => this.#client.send(new ListObjectsV2Command({ Bucket: this.#options.bucket, Prefix: this.#options.prefix + prefix, ...(token === undefined ? {} : { ContinuationToken: token }) })))
      for (const { Key, Size, LastModified } of page.Contents ?? []) {
        if (Key !== undefined) yield { key: Key.slice(this.#options.prefix.length), size: Size ?? 0, modifiedAt: LastModified ?? new Date(0) }
      }
      token = page.NextContinuationToken
    } while (token !== undefined)
  }

  close(): Promise<void> {
    this.#client.destroy()
    return Promise.resolve()
  }

  #key(key: string): string {
    return this.#options.prefix + checkKey(key)
  }

  async #do<T>(key: string, request: () => Promise<T>): Promise<T> {
    try {
      return await request()
    } catch (error) {
      throw s3Error(error, key)
    }
  }
}

function rangeHeader(range?: ByteRange): { Range?: string } {
  if (range === undefined || (range.start === 0 && range.end === undefined)) return {}
  return { Range: `bytes=${range.start}-${range.end === undefined ? '' : range.end - 1}` }
}

function s3Error(error: unknown, key: string): FirnError {
  if (error instanceof FirnError) return error
  const message = `S3: ${error instanceof Error ? error.message : String(error)}`
  if (!(error instanceof S3ServiceException)) return new FirnError('unavailable', message, { cause: error })
  const status = error.$metadata.httpStatusCode
  if (error.name === 'NoSuchKey' || (status === 404 && key !== '')) return notFound(key, error)
  if (error.name === 'NoSuchBucket' || status === 404) return new FirnError('missing-requirement', 'the bucket does not exist', { cause: error })
  if (status === 401 || status === 403) return new FirnError('forbidden', `${message} (${error.name}): check the credentials`, { cause: error })
  if (status === 507 || /Quota|StorageFull|EntityTooLarge/.test(error.name)) return new FirnError('exhausted', `${message} (${error.name})`, { cause: error })
  return new FirnError('unavailable', `${message} (${error.name})`, { cause: error })
}
