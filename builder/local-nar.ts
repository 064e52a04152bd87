/**
 * Ring: builder. The NAR of a tree on this machine, as a stream, and hashes of outputs by any method.
 * Upstream: dumpPath (libutil/archive.cc) and hashPath. Ingestion computes the SHA-256 of a NAR by itself; this is for
 * fixed outputs of other methods and for floating ones, which are hashed modulo their own path.
 */
import { createReadStream } from 'node:fs'
import { lstat, open, readdir, readFile, readlink } from 'node:fs/promises'
import { createHash } from 'node:crypto'
import type { ContentAddressMethod } from '../nix/content-address.ts'
import { writeNar } from '../nix/nar-writer.ts'
import type { NarEvent } from '../nix/nar.ts'
import type { Hash, HashAlgorithm } from '../nix/hash.ts'

/** Files up to this size are read at once. */
const SMALL = 256 * 1024

/** The NAR of what is at `path`. The tree must not change meanwhile. */
export function narOfLocalTree(path: string): AsyncGenerator<Uint8Array, void, undefined> {
  return writeNar(eventsOf(Buffer.from(path), ''))
}

async function* eventsOf(place: Buffer, path: string): AsyncGenerator<NarEvent, void, undefined> {
  const stat = await lstat(place)
  if (stat.isSymbolicLink()) {
    yield { kind: 'symlink', path, target: (await readlink(place, 'buffer')).toString('latin1') }
  } else if (stat.isDirectory()) {
    yield { kind: 'directory-start', path }
    const names = (await readdir(place, 'buffer')).sort((left, right) => left.compare(right))
    for (const name of names) yield* eventsOf(Buffer.concat([place, Buffer.from('/'), name]), path === '' ? name.toString('latin1') : `${path}/${name.toString('latin1')}`)
    yield { kind: 'directory-end', path }
  } else {
    yield { kind: 'file', path, executable: (stat.mode & 0o100) !== 0, size: stat.size, content: stat.size <= SMALL ? whole(place) : createReadStream(place, { highWaterMark: SMALL }) }
  }
}

async function* whole(place: Buffer): AsyncGenerator<Uint8Array, void, undefined> {
  yield await readFile(place)
}

/** Why content at `path` can't be hashed by a method; undefined where it can. */
export async function methodProblem(path: string, method: ContentAddressMethod): Promise<string | undefined> {
  if (method === 'git') return 'hashing as a git tree is not supported'
  if (method === 'nar') return undefined
  const stat = await lstat(path)
  const fits = stat.isFile() && (stat.mode & 0o100) === 0
  return fits ? undefined : 'it should be a non-executable regular file, since recursive hashing is not enabled (outputHashMode is flat or text)'
}

/** The hash of what is at `path`; ask `methodProblem` first. */
export async function hashOfOutput(path: string, method: ContentAddressMethod, algorithm: HashAlgorithm): Promise<Hash> {
  const hash = createHash(algorithm)
  for await (const chunk of bytesToHash(path, method)) hash.update(chunk)
  return { algorithm, bytes: hash.digest() }
}

/** The bytes that a method hashes. */
export function bytesToHash(path: string, method: ContentAddressMethod): AsyncIterable<Uint8Array> {
  return method === 'nar' ? narOfLocalTree(path) : bytesOfFile(path)
}

async function* bytesOfFile(path: string): AsyncGenerator<Uint8Array, void, undefined> {
  await using file = await open(path)
  for await (const chunk of file.createReadStream({ highWaterMark: SMALL, autoClose: false })) yield chunk as Uint8Array
}
