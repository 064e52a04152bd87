/**
 * Ring: nix. Signatures (ed25519) and the key files of Nix: `name:base64` each. Upstream:
 * libutil/signature/local-keys.cc. A secret key is 64 bytes: the seed and behind it the public key, as libsodium has it.
 *
 * As with hashes, the built-in implementation is pure JavaScript and verifies about a thousand signatures a second;
 * `useSignatureImplementation` puts a machine's own in its place.
 */
import { ed25519 } from '@noble/curves/ed25519.js'
import { bytesEqual, bytesOfByteString, byteStringOfText, decodeBase64, encodeBase64 } from './bytes.ts'
import { FormatError } from './errors.ts'

const SEED_SIZE = 32
const PUBLIC_SIZE = 32
const SIGNATURE_SIZE = 64

export interface PublicKey {
  readonly name: string
  readonly bytes: Uint8Array
}

export interface SecretKey {
  readonly name: string
  /** Seed, then public key. Never print it but to its own file. */
  readonly bytes: Uint8Array
}

export interface Signature {
  readonly keyName: string
  readonly bytes: Uint8Array
  /** As it was read. */
  readonly text: string
}

export interface SignatureImplementation {
  readonly sign: (message: Uint8Array, seed: Uint8Array) => Uint8Array
  readonly verify: (signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array) => boolean
}

const PORTABLE_IMPLEMENTATION: SignatureImplementation = {
  sign: (message, seed) => ed25519.sign(message, seed),
  // as libsodium and RFC 8032, not ZIP 215
  verify: (signature, message, publicKey) => ed25519.verify(signature, message, publicKey, { zip215: false }),
}

let implementation = PORTABLE_IMPLEMENTATION

/** Takes another implementation for this whole process; without an argument, the portable one again. */
export function useSignatureImplementation(chosen: SignatureImplementation = PORTABLE_IMPLEMENTATION): void {
  implementation = chosen
}

/** A new key of this name, from the system's randomness. */
export function generateKeyPair(name: string): { readonly secretKey: SecretKey; readonly publicKey: PublicKey } {
  checkKeyName(name)
  const { secretKey: seed, publicKey } = ed25519.keygen()
  const bytes = new Uint8Array(SEED_SIZE + PUBLIC_SIZE)
  bytes.set(seed)
  bytes.set(publicKey, SEED_SIZE)
  return { secretKey: { name, bytes }, publicKey: { name, bytes: publicKey } }
}

export function publicKeyOf(secretKey: SecretKey): PublicKey {
  return { name: secretKey.name, bytes: secretKey.bytes.slice(SEED_SIZE) }
}

/** The content of a key file, or an entry of `trusted-public-keys`. */
export function formatKey(key: PublicKey | SecretKey): string {
  return `${key.name}:${encodeBase64(key.bytes)}`
}

export function parsePublicKey(text: string): PublicKey {
  const { name, bytes } = splitKey(text.trim(), 'public key')
  if (bytes.length !== PUBLIC_SIZE) throw new FormatError(`public key '${name}' has ${bytes.length} bytes instead of ${PUBLIC_SIZE}`)
  return { name, bytes }
}

/** Reads the content of a secret key's file. Its text never enters a message. */
export function parseSecretKey(text: string): SecretKey {
  const { name, bytes } = splitKey(text.trim(), 'secret key')
  if (bytes.length !== SEED_SIZE + PUBLIC_SIZE) throw new FormatError(`secret key '${name}' has ${bytes.length} bytes instead of ${SEED_SIZE + PUBLIC_SIZE}`)
  if (!bytesEqual(ed25519.getPublicKey(bytes.subarray(0, SEED_SIZE)), bytes.subarray(SEED_SIZE))) throw new FormatError(`secret key '${name}' does not match the public key in it`)
  return { name, bytes }
}

export function parseSignature(text: string): Signature {
  const { name, bytes } = splitKey(text, 'signature')
  if (bytes.length !== SIGNATURE_SIZE) throw new FormatError(`signature by '${name}' has ${bytes.length} bytes instead of ${SIGNATURE_SIZE}`)
  return { keyName: name, bytes, text }
}

function splitKey(text: string, what: string): { readonly name: string; readonly bytes: Uint8Array } {
  const colon = text.indexOf(':')
  if (colon === -1) throw new FormatError(`a ${what} is written as 'name:base64'`)
  const name = text.slice(0, colon)
  checkKeyName(name)
  let bytes: Uint8Array
  try {
    bytes = decodeBase64(text.slice(colon + 1))
  } catch {
    // Without the cause, which would hold the key.
    throw new FormatError(`the ${what} '${name}' is not base 64`)
  }
  return { name, bytes }
}

function checkKeyName(name: string): void {
  if (!/^[^\s:]+$/.test(name)) throw new FormatError(`'${name}' can't name a key: it must not be empty or hold spaces or colons`)
}

/** Signs a text (a path's fingerprint); gives `name:base64`. */
export function sign(secretKey: SecretKey, text: string): string {
  const bytes = implementation.sign(bytesOfByteString(byteStringOfText(text)), secretKey.bytes.subarray(0, SEED_SIZE))
  return `${secretKey.name}:${encodeBase64(bytes)}`
}

/** The first of the keys whose signature is among them and right; undefined if none is. Malformed signatures count as wrong. */
export function verify(publicKeys: readonly PublicKey[], text: string, signatures: readonly string[]): PublicKey | undefined {
  const message = bytesOfByteString(byteStringOfText(text))
  for (const signatureText of signatures) {
    const candidates = publicKeys.filter(({ name }) => signatureText.startsWith(`${name}:`))
    if (candidates.length === 0) continue
    let signature: Signature
    try {
      signature = parseSignature(signatureText)
    } catch (error) {
      if (error instanceof FormatError) continue
      throw error
    }
    const key = candidates.find(({ bytes }) => implementation.verify(signature.bytes, message, bytes))
    if (key !== undefined) return key
  }
  return undefined
}
