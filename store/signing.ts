/**
 * Ring: store. The farm's signing key: a file that is made with a new key on first start, and signatures made with it.
 * Upstream counterpart: `nix key generate-secret`, libstore/path-info.cc (sign).
 */
import { randomUUID } from 'node:crypto'
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'

import { errorCode, FirnError } from '../contract/errors.ts'
import { fingerprint } from '../nix/narinfo.ts'
import { formatKey, generateKeyPair, parseSecretKey, publicKeyOf, sign } from '../nix/signature.ts'
import type { PathInfo, PathInfoStore } from './path-info/interface.ts'

export interface Signer {
  /** `name:base64`, what clients trust. */
  readonly publicKey: string
  /** `name:base64` over the path's fingerprint. */
  sign(info: PathInfo): string
}

/** The key of this file; where there is none, a new one of this name is written, readable by its owner only. */
export async function openSigner(file: string, name = 'firn-1'): Promise<Signer> {
  const secretKey = parseSecretKey(await readKey(file) ?? await makeKey(file, name))
  return {
    publicKey: formatKey(publicKeyOf(secretKey)),
    sign: (info) => sign(secretKey, fingerprint(info)),
  }
}

/** A path's signatures with the signer's own, which is made once and stored. */
export async function signaturesOf(info: PathInfo, signer: Signer | undefined, pathInfos: PathInfoStore): Promise<readonly string[]> {
  const keyName = signer?.publicKey.split(':', 1)[0]
  if (!signer || info.signatures.some((signature) => signature.startsWith(`${keyName}:`))) return info.signatures
  const own = signer.sign(info)
  await pathInfos.addSignatures(new Map([[info.storePath.hash, [own]]]))
  return [...info.signatures, own]
}

/** Written whole under another name first: a process that starts at the same moment must never read half a key. */
async function makeKey(file: string, name: string): Promise<string> {
  const text = formatKey(generateKeyPair(name).secretKey)
  const temporary = `${file}.${randomUUID()}`
  try {
    await mkdir(dirname(file), { recursive: true })
    await writeFile(temporary, `${text}\n`, { flag: 'wx', mode: 0o600, flush: true })
    await link(temporary, file)
    return text
  } catch (error) {
    // Another process of the same farm was quicker: its key is the farm's.
    const theirs = errorCode(error) === 'EEXIST' ? await readKey(file) : undefined
    if (theirs !== undefined) return theirs
    throw new FirnError('invalid-input', `the signing key can't be written to ${file}: ${(error as Error).message}`, { cause: error })
  } finally {
    await rm(temporary, { force: true })
  }
}

async function readKey(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw new FirnError('invalid-input', `the signing key ${file} can't be read: ${(error as Error).message}`, { cause: error })
  }
}
