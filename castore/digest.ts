/**
 * Ring: castore. Digests: BLAKE3 of 32 bytes, by which all content is known. Upstream counterpart: tvix
 * castore/src/digests.rs.
 *
 * One WebAssembly instance serves all digests of a process. It holds the state of one hash, so digesters that take
 * turns swap their states in and out (2 kB each); an instance for each would cost memory and be asynchronous to make.
 */
import { createBLAKE3 } from 'hash-wasm'
import { CastoreFormatError } from './errors.ts'

declare const digestBrand: unique symbol
/** 64 lower-case hexadecimal characters. */
export type Digest = string & { readonly [digestBrand]: true }

export const DIGEST_SIZE = 32

const engine = await createBLAKE3()
/** Whose state the engine holds. */
let owner: Digester | undefined

/** BLAKE3 of data that comes in pieces. */
export class Digester {
  #state: Uint8Array | undefined
  #ended = false
  /** Bytes taken so far. */
  size = 0

  /** The data is read before this returns. */
  update(data: Uint8Array): void {
    if (this.#ended) throw new Error('the digest was taken already')
    this.#acquire()
    engine.update(data)
    this.size += data.length
  }

  /** Ends it; call once. */
  digest(): Digest {
    if (this.#ended) throw new Error('the digest was taken already')
    this.#acquire()
    this.#ended = true
    owner = undefined
    return engine.digest('hex') as Digest
  }

  #acquire(): void {
    if (owner === this) return
    owner?.release()
    if (this.#state === undefined) engine.init()
    else engine.load(this.#state)
    owner = this
  }

  /** Takes the state out of the engine. Only for other digesters. */
  release(): void {
    this.#state = engine.save()
  }
}

/** What takes a digest of data that comes in pieces. */
export interface IncrementalDigest {
  /** Bytes taken so far. */
  readonly size: number
  /** The data is read before this returns. */
  update(data: Uint8Array): void
  /** Ends it; call once. */
  digest(): Digest
}

export interface DigestImplementation {
  readonly create: () => IncrementalDigest
  readonly digest: (bytes: Uint8Array) => Digest
}

const PORTABLE_IMPLEMENTATION: DigestImplementation = { create: () => new Digester(), digest: portableDigestOf }

let implementation = PORTABLE_IMPLEMENTATION

/** Takes another implementation for this whole process (a native one is ten times faster); without an argument, the portable one again. */
export function useDigestImplementation(chosen: DigestImplementation = PORTABLE_IMPLEMENTATION): void {
  implementation = chosen
}

export function createDigester(): IncrementalDigest {
  return implementation.create()
}

/** The digest of bytes that are all there. */
export function digestOf(bytes: Uint8Array): Digest {
  return implementation.digest(bytes)
}

function portableDigestOf(bytes: Uint8Array): Digest {
  owner?.release()
  owner = undefined
  return engine.init().update(bytes).digest('hex') as Digest
}

export function isDigest(text: string): text is Digest {
  return /^[0-9a-f]{64}$/.test(text)
}

/** Checks a text that came from outside. */
export function parseDigest(text: string): Digest {
  if (!isDigest(text)) throw new CastoreFormatError(`not a digest: '${text}'`)
  return text
}

export function digestOfBytes(bytes: Uint8Array): Digest {
  if (bytes.length !== DIGEST_SIZE) throw new CastoreFormatError(`a digest has ${DIGEST_SIZE} bytes, not ${bytes.length}`)
  let text = ''
  for (const byte of bytes) text += byte.toString(16).padStart(2, '0')
  return text as Digest
}

export function bytesOfDigest(digest: Digest): Uint8Array {
  const bytes = new Uint8Array(DIGEST_SIZE)
  for (let index = 0; index < DIGEST_SIZE; index++) bytes[index] = Number.parseInt(digest.slice(index * 2, index * 2 + 2), 16)
  return bytes
}
