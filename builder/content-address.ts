/**
 * Ring: builder. Floating content-addressed outputs: what was built under a scratch path gets the path that follows from
 * its content. Upstream: newInfoFromCA and rewriteOutput in libstore/unix/build/derivation-builder.cc.
 *
 * The hash is taken modulo the output's own scratch path, so that it doesn't depend on it; then the scratch path is
 * replaced by the final one, here in place: hash parts are equally long, so files keep their size, and only files that
 * hold one are written. Outputs come in the order of their references, since an output's content holds the final paths
 * of those it refers to.
 */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { chmod, lstat, open, readdir, readlink, rename, symlink, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { FailureCause } from '../contract/nodes.ts'
import type { ContentAddress, ContentAddressMethod } from '../nix/content-address.ts'
import type { Derivation } from '../nix/derivation.ts'
import { hashesEqual, type Hash, type HashAlgorithm } from '../nix/hash.ts'
import { ModuloHash, Rewriter, rewriteString } from '../nix/rewriting.ts'
import { makeFixedOutputPath, outputPathName, type StorePath } from '../nix/store-path.ts'
import { canonicaliseOutputs } from './canonicalise.ts'
import { orderOutputs } from './check-outputs.ts'
import { bytesToHash, methodProblem } from './local-nar.ts'

/** A canonical output under its scratch path, and what the scan found in it: input paths and scratch paths. */
export interface ScratchOutput {
  readonly storePath: StorePath
  readonly localPath: string
  readonly references: readonly StorePath[]
}

export interface AddressedOutput {
  readonly storePath: StorePath
  /** Renamed to the final base name, in the same folder. */
  readonly localPath: string
  /** Final; may hold its own path. */
  readonly references: readonly StorePath[]
  readonly contentAddress: ContentAddress
}

export type AddressResult = { readonly ok: true; readonly outputs: ReadonlyMap<string, AddressedOutput> } | { readonly ok: false; readonly cause: FailureCause }

/** Gives each floating output its path. All outputs of the derivation must be there. */
export async function addressOutputs(derivation: Derivation, outputs: ReadonlyMap<string, ScratchOutput>): Promise<AddressResult> {
  const nameOf = new Map([...outputs].map(([name, { storePath }]) => [storePath.baseName, name]))
  const between = new Map([...outputs].map(([name, { references }]) => [name, new Set(references.map(({ baseName }) => nameOf.get(baseName)).filter((other) => other !== undefined && other !== name) as string[])]))
  const ordered = orderOutputs(between)
  if ('cause' in ordered) return { ok: false, cause: ordered.cause }

  const addressed = new Map<string, AddressedOutput>()
  /** Scratch hash part → final hash part, of the outputs done so far. */
  const rewrites = new Map<string, string>()
  const finals = new Map<string, StorePath>()
  for (const name of ordered.order) {
    const output = outputs.get(name)!
    const result = await addressOutput(derivation, name, output, rewrites, finals)
    if ('kind' in result) return { ok: false, cause: result }
    addressed.set(name, result)
    rewrites.set(output.storePath.hash, result.storePath.hash)
    finals.set(output.storePath.baseName, result.storePath)
  }
  return { ok: true, outputs: addressed }
}

async function addressOutput(derivation: Derivation, name: string, output: ScratchOutput, rewrites: ReadonlyMap<string, string>, finals: ReadonlyMap<string, StorePath>): Promise<AddressedOutput | FailureCause> {
  const specified = derivation.outputs.get(name)
  if (specified?.kind !== 'floating' && specified?.kind !== 'impure') throw new RangeError(`output '${name}' of '${derivation.name}' has its path already`)
  const problem = await methodProblem(output.localPath, specified.method)
  if (problem !== undefined) return { kind: 'output-rejected', output: name, reason: problem }

  let changed = await rewriteTree(output.localPath, rewrites)
  const contentAddress: ContentAddress = { method: specified.method, hash: await moduloHash(output.localPath, { method: specified.method, hash: specified }, output.storePath.hash) }

  const others = output.references.filter(({ baseName }) => baseName !== output.storePath.baseName).map((reference) => finals.get(reference.baseName) ?? reference)
  const self = output.references.some(({ baseName }) => baseName === output.storePath.baseName)
  let storePath: StorePath
  try {
    storePath = makeFixedOutputPath(outputPathName(derivation.name, name), { ...contentAddress, references: others.map(String), self })
  } catch (error) {
    // only a SHA-256 NAR or a text may refer to something
    return { kind: 'output-rejected', output: name, reason: error instanceof Error ? error.message : String(error) }
  }
  changed = await rewriteTree(output.localPath, new Map([[output.storePath.hash, storePath.hash]])) || changed
  const localPath = join(dirname(output.localPath), storePath.baseName)
  await rename(output.localPath, localPath)
  if (changed && !hashesEqual(await moduloHash(localPath, contentAddress, storePath.hash), contentAddress.hash)) {
    return { kind: 'output-rejected', output: name, reason: 'a file name in it contains its own path, and sorts differently under the final one' }
  }
  if (changed) await canonicaliseOutputs(new Map([[name, localPath]]))
  const references = self ? [...others, storePath] : others
  return { storePath, localPath, references, contentAddress }
}

/** The hash of what is at `path`, its own hash part taken for zeros. */
async function moduloHash(path: string, { method, hash: { algorithm } }: { readonly method: ContentAddressMethod; readonly hash: { readonly algorithm: HashAlgorithm } }, hashPart: string): Promise<Hash> {
  const hash = new ModuloHash(algorithm, hashPart, () => {
    const native = createHash(algorithm)
    return { update: (data) => void native.update(data), digest: () => native.digest() }
  })
  for await (const chunk of bytesToHash(path, method)) hash.update(chunk)
  return hash.digest()
}

/** Replaces texts of equal length in contents, link targets and names of a tree. True where something was replaced. */
async function rewriteTree(path: string, rewrites: ReadonlyMap<string, string>): Promise<boolean> {
  return rewrites.size > 0 && await rewriteEntry(Buffer.from(path), rewrites)
}

async function rewriteEntry(place: Buffer, rewrites: ReadonlyMap<string, string>): Promise<boolean> {
  const stat = await lstat(place)
  if (stat.isSymbolicLink()) {
    const target = (await readlink(place, 'buffer')).toString('latin1')
    const rewritten = rewriteString(target, rewrites)
    if (rewritten === target) return false
    await unlink(place)
    await symlink(Buffer.from(rewritten, 'latin1'), place)
    return true
  }
  if (stat.isFile()) return await rewriteFile(place, rewrites)

  let changed = false
  for (const name of await readdir(place, 'latin1')) {
    const entry = Buffer.concat([place, Buffer.from(`/${name}`, 'latin1')])
    changed = await rewriteEntry(entry, rewrites) || changed
    const rewritten = rewriteString(name, rewrites)
    if (rewritten === name) continue
    // a folder of mode 0555 can be changed by root only; others make it writable first, canonicalising comes after
    if (process.geteuid?.() !== 0) await chmod(place, 0o755)
    await rename(entry, Buffer.concat([place, Buffer.from(`/${rewritten}`, 'latin1')]))
    changed = true
  }
  return changed
}

async function rewriteFile(place: Buffer, rewrites: ReadonlyMap<string, string>): Promise<boolean> {
  // read once to learn where, then write these places only
  const found: { readonly position: number; readonly text: Uint8Array }[] = []
  let offset = 0
  const pending: number[] = []
  const rewriter = new Rewriter(rewrites, (chunk) => {
    for (let position = pending.shift(); position !== undefined; position = pending.shift()) found.push({ position, text: chunk.slice(position - offset, position - offset + 32) })
    offset += chunk.length
  }, (position) => pending.push(position))
  for await (const chunk of createReadStream(place, { highWaterMark: 1 << 20 })) rewriter.update(chunk as Uint8Array)
  rewriter.finish()
  if (found.length === 0) return false
  if (process.geteuid?.() !== 0) await chmod(place, 0o644 | ((await lstat(place)).mode & 0o111))
  await using file = await open(place, 'r+')
  for (const { position, text } of found) await file.write(text, 0, text.length, position)
  return true
}
