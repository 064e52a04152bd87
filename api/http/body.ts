/** Ring: api. Bodies that are streams: writing them with back-pressure, reading them with a limit and decompressed. */
import { once } from 'node:events'
import { pipeline } from 'node:stream/promises'
import type { Transform } from 'node:stream';
import { Readable } from 'node:stream'
import { createGunzip, createZstdDecompress } from 'node:zlib'
import type { Request, Response } from 'express'
import { FirnError } from '../../contract/errors.ts'
import { HttpError } from './problem.ts'

/**
 * Writes chunks to the response as fast as the client takes them, and ends it. Where the source fails midway, the error
 * is thrown; where the client goes away, the source is let go and nothing is thrown.
 */
export async function writeBody(response: Response, source: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void> {
  try {
    for await (const chunk of source) {
      if (signal.aborted) return
      if (!response.write(chunk)) await once(response, 'drain', { signal })
    }
    response.end()
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    // the server closes: a connection that just ends would look like a whole body where no length was announced
    if (signal.aborted && !response.writableEnded) response.destroy()
  }
}

/** The same through a compressor. */
export async function writeCompressed(response: Response, source: AsyncIterable<Uint8Array>, compressor: Transform, signal: AbortSignal): Promise<void> {
  try {
    await pipeline(Readable.from(source, { objectMode: false }), compressor, response, { signal })
  } catch (error) {
    if (!signal.aborted) throw error
    response.destroy()
  }
}

/** A request's body, decompressed as its Content-Encoding says. Throws 'limit' once more than `limit` bytes came out. */
export function readBody(request: Request, limit: number): AsyncIterable<Uint8Array> {
  const encoding = (request.headers['content-encoding'] ?? 'identity').trim().toLowerCase()
  const announced = Number(request.headers['content-length'] ?? 0)
  if (announced > limit) throw tooLarge(limit)
  if (encoding === 'identity') return limited(request, limit)
  if (encoding === 'zstd') return limited(request.pipe(createZstdDecompress()), limit, request)
  if (encoding === 'gzip') return limited(request.pipe(createGunzip()), limit, request)
  throw new HttpError(415, 'invalid-input', `content encoding '${encoding.slice(0, 40)}' is not understood; use zstd, gzip or identity`, { headers: { 'Accept-Encoding': 'zstd, gzip, identity' } })
}

async function* limited(source: Readable, limit: number, request: Readable = source): AsyncGenerator<Uint8Array> {
  // a client that breaks off must not leave the decompressor waiting for more
  const broken = (): void => { source.destroy(new FirnError('cancelled', 'the client broke off its upload')) }
  if (source !== request) {
    request.once('close', () => { if (!request.readableEnded) broken() })
    request.once('error', broken)
  }
  let count = 0
  try {
    for await (const chunk of source as AsyncIterable<Buffer>) {
      count += chunk.length
      if (count > limit) throw tooLarge(limit)
      yield chunk
    }
  } catch (error) {
    if (error instanceof FirnError) throw error
    const code = (error as NodeJS.ErrnoException).code ?? ''
    if (code.startsWith('Z_') || code.startsWith('ZSTD_')) throw new FirnError('invalid-input', `the body is not what its content encoding says: ${(error as Error).message}`, { cause: error })
    throw new FirnError('cancelled', 'the client broke off its upload', { cause: error })
  }
}

function tooLarge(limit: number): FirnError {
  return new FirnError('limit', `the body is larger than ${limit} bytes`, { data: { limit } })
}
