/**
 * Ring: store. Streams out of compressed streams, by Node's own zlib where it knows the format, otherwise by the format's own
 * program (xz, bzip2), which outruns what npm has by far. Upstream counterpart: libutil/compression.cc.
 */
import { spawn } from 'node:child_process'
import { Readable, type Transform, pipeline } from 'node:stream'
import { createBrotliDecompress, createGunzip, createZstdDecompress } from 'node:zlib'

import { errorCode, FirnError } from '../../contract/errors.ts'

export type Compression = 'none' | 'gzip' | 'xz' | 'zstd' | 'bzip2' | 'br' | 'lzip'

const PROGRAMS = { xz: ['xz', '-dc'], bzip2: ['bzip2', '-dc'], lzip: ['lzip', '-dc'] } as const

/** The compression of data that begins with these bytes (6 are enough); 'none' where no magic number is met. */
export function detectCompression(head: Uint8Array): Compression {
  const begins = (...magic: number[]): boolean => magic.every((byte, index) => head[index] === byte)
  if (begins(0x1f, 0x8b)) return 'gzip'
  if (begins(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00)) return 'xz'
  if (begins(0x28, 0xb5, 0x2f, 0xfd)) return 'zstd'
  if (begins(0x42, 0x5a, 0x68)) return 'bzip2'
  if (begins(0x4c, 0x5a, 0x49, 0x50)) return 'lzip'
  return 'none'
}

/** A name as narinfos have it; 'invalid-input' for one that Firn can't read. */
export function compressionOf(name: string): Compression {
  switch (name) {
    case 'none': case 'gzip': case 'xz': case 'zstd': case 'bzip2': case 'br': case 'lzip': return name
    case '': return 'none'
    default: throw new FirnError('invalid-input', `compression '${name}' isn't one that Firn can read`, { data: { compression: name } })
  }
}

/** Errors: 'corrupt' for data that isn't of this compression, 'missing-requirement' where its program isn't installed. */
export async function* decompress(content: AsyncIterable<Uint8Array>, compression: Compression): AsyncGenerator<Uint8Array> {
  if (compression === 'none') {
    yield* content
    return
  }
  const source = Readable.from(content, { objectMode: false })
  let failure: unknown
  source.once('error', (error) => { failure = error })
  const decoded = compression in PROGRAMS
    ? throughProgram(source, PROGRAMS[compression as keyof typeof PROGRAMS])
    : pipeline(source, zlibOf(compression as 'gzip' | 'zstd' | 'br'), () => undefined)
  try {
    for await (const chunk of decoded) yield chunk as Uint8Array
  } catch (error) {
    // What broke the source is the cause worth telling, not that the decoder's input ended.
    if (failure !== undefined) throw failure
    if (error instanceof FirnError) throw error
    throw new FirnError('corrupt', `data is not valid ${compression}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  } finally {
    decoded.destroy()
    source.destroy()
  }
}

function zlibOf(compression: 'gzip' | 'zstd' | 'br'): Transform {
  switch (compression) {
    case 'gzip': return createGunzip()
    case 'zstd': return createZstdDecompress()
    case 'br': return createBrotliDecompress()
  }
}

function throughProgram(source: Readable, [program, ...args]: readonly [string, ...string[]]): Readable {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] })
  let message = ''
  child.stderr.on('data', (chunk: Buffer) => { if (message.length < 2000) message += chunk.toString('utf8') })
  child.stdin.on('error', () => undefined)
  source.on('error', (error) => child.stdout.destroy(error))
  source.pipe(child.stdin)
  child.on('error', (error) => child.stdout.destroy(errorCode(error) === 'ENOENT'
    ? new FirnError('missing-requirement', `'${program}' is needed to read this archive; install it (Debian: apt install ${program === 'xz' ? 'xz-utils' : program})`, { cause: error })
    : error))
  const exited = new Promise<number | null>((resolve) => child.once('close', (code) => resolve(code)))
  // An end of the output is an end of the data only once the program says so.
  return Readable.from((async function* () {
    try {
      for await (const chunk of child.stdout) yield chunk as Uint8Array
      const code = await exited
      if (code !== 0) throw new FirnError('corrupt', message.trim() || `${program} ended with ${code}`)
    } finally {
      child.kill('SIGKILL')
    }
  })(), { objectMode: false })
}
