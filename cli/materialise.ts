/**
 * Ring: cli. Brings store paths with everything they refer to from the farm to a folder of this machine, over its binary cache.
 * Upstream counterpart: `nix copy --from`, for machines without Nix. What is written is checked against its NAR hash, and appears
 * under its name only when it is whole.
 */
import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { chmod, lstat, lutimes, mkdir, readdir, rename, rm, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import pLimit from 'p-limit'
import { FirnError } from '../contract/errors.ts'
import { type Hash, formatHash } from '../nix/hash.ts'
import { readNar } from '../nix/nar.ts'
import { parseNarInfo } from '../nix/narinfo.ts'
import type { FarmClient } from './client.ts'

export interface MaterialiseResult {
  /** Paths written; the others were there already. */
  readonly written: number
  readonly bytes: number
}

/** Writes the closure of `paths` (absolute store paths) into `folder`. Errors: 'not-found', 'corrupt', 'unavailable'. */
export async function materialise(client: FarmClient, paths: readonly string[], folder: string, onProgress?: (done: number, total: number) => void): Promise<MaterialiseResult> {
  await mkdir(folder, { recursive: true })
  const closure = new Map<string, number>()
  for (const path of paths) {
    const { paths: found } = await client.call('getClosure', { params: { path: baseName(path) } })
    for (const { path: one, narSize } of found) closure.set(baseName(one), narSize)
  }
  const missing: string[] = []
  for (const name of closure.keys()) if (!(await exists(join(folder, name)))) missing.push(name)

  let done = closure.size - missing.length
  let bytes = 0
  onProgress?.(done, closure.size)
  const limit = pLimit(8)
  await Promise.all(missing.map((name) => limit(async () => {
    bytes += await writePath(client, name, folder)
    onProgress?.(++done, closure.size)
  })))
  return { written: missing.length, bytes }
}

/** Replaces a symbolic link at once; refuses to replace anything else. */
export async function replaceLink(link: string, target: string): Promise<void> {
  const status = await lstat(link).catch(() => undefined)
  if (status && !status.isSymbolicLink()) throw new FirnError('conflict', `${link} exists and is no symbolic link; it was left as it is`)
  const temporary = `${link}.${process.pid}.new`
  await symlink(target, temporary)
  await rename(temporary, link)
}

async function writePath(client: FarmClient, name: string, folder: string): Promise<number> {
  const info = parseNarInfo(await (await client.get(`/${name.slice(0, 32)}.narinfo`)).text())
  const response = await client.get(`/${info.url}`)
  const temporary = join(folder, `.${name}.${process.pid}`)
  await removeTree(temporary)
  const digest = createHash('sha256')
  const hashed = async function *(): AsyncGenerator<Uint8Array> {
    for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
      digest.update(chunk)
      yield chunk
    }
  }
  try {
    await writeTree(hashed(), temporary)
    const got: Hash = { algorithm: 'sha256', bytes: digest.digest() }
    if (formatHash(got, 'sri') !== formatHash(info.narHash, 'sri')) {
      throw new FirnError('corrupt', `${name} came with the NAR hash ${formatHash(got, 'sri')}, but ${formatHash(info.narHash, 'sri')} was promised`)
    }
    await rename(temporary, join(folder, name)).catch(async (error: NodeJS.ErrnoException) => {
      // another command was faster
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error
      await removeTree(temporary)
    })
  } catch (error) {
    await removeTree(temporary)
    throw error
  }
  return info.narSize
}

/** As a store has it: modes 0444 and 0555, modified one second after 1970 began. */
async function writeTree(nar: AsyncIterable<Uint8Array>, root: string): Promise<void> {
  const at = (path: string): Buffer => Buffer.concat([Buffer.from(root), Buffer.from(path === '' ? '' : `/${path}`, 'latin1')])
  for await (const event of readNar(nar)) {
    const path = at(event.path)
    switch (event.kind) {
      case 'directory-start':
        await mkdir(path)
        break
      case 'directory-end':
        await chmod(path, 0o555)
        await lutimes(path, 1, 1)
        break
      case 'symlink':
        await symlink(Buffer.from(event.target, 'latin1'), path)
        await lutimes(path, 1, 1)
        break
      case 'file':
        await pipeline(event.content, createWriteStream(path, { mode: 0o600 }))
        await chmod(path, event.executable ? 0o555 : 0o444)
        await lutimes(path, 1, 1)
    }
  }
}

/** Folders are read-only in a finished tree, which stops anybody but root from emptying them. */
async function removeTree(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true }).catch(async () => {
    for (const entry of await readdir(path, { recursive: true, withFileTypes: true })) {
      if (entry.isDirectory()) await chmod(join(entry.parentPath, entry.name), 0o755)
    }
    await rm(path, { recursive: true, force: true })
  })
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

async function exists(path: string): Promise<boolean> {
  return await lstat(path).then(() => true, () => false)
}
