/** Trees for tests: made on disk, and what stock Nix says about them where it is installed. */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

/** A tree with everything that may be in one: odd names, empty files and folders, links, executables, a large file. */
export async function makeTree(folder: string): Promise<void> {
  const raw = (name: string) => Buffer.concat([Buffer.from(`${folder}/`), Buffer.from(name, 'latin1')])
  await mkdir(join(folder, 'bin'), { recursive: true })
  await mkdir(join(folder, 'empty-folder'))
  await mkdir(join(folder, 'deep/er/and/deeper'), { recursive: true })
  await writeFile(join(folder, 'bin/run'), '#!/bin/sh\necho hello\n')
  await chmod(join(folder, 'bin/run'), 0o755)
  await symlink('run', join(folder, 'bin/also-run'))
  await symlink('/nowhere/at/all', join(folder, 'dangling'))
  await writeFile(join(folder, 'empty'), '')
  await writeFile(join(folder, 'deep/er/and/deeper/file'), 'deep')
  // These sort differently with and without a slash behind the folder's name.
  await writeFile(join(folder, 'deep.txt'), 'beside')
  await writeFile(join(folder, 'deep-er'), 'beside')
  await writeFile(raw('not-\xff-utf8'), 'bytes')
  await writeFile(join(folder, 'ünïcödé'), 'text')
  await writeFile(join(folder, 'large'), largeBytes(3_500_000))
  for (let index = 0; index < 50; index++) await writeFile(join(folder, 'deep', `file-${index}`), `content ${index}\n`.repeat(index))
}

/** Bytes that don't repeat, the same each time. */
export function largeBytes(length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  let state = 42
  for (let index = 0; index < length; index++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0
    bytes[index] = state >>> 24
  }
  return bytes
}

/** SHA-256 (hexadecimal) and size of a NAR, by `nix-store --dump`; undefined where Nix isn't installed. */
export async function nixDump(path: string): Promise<{ readonly hash: string; readonly size: number } | undefined> {
  try {
    const { stdout } = await promisify(execFile)('nix-store', ['--dump', path], { encoding: 'buffer', maxBuffer: 1e9 })
    return { hash: createHash('sha256').update(stdout).digest('hex'), size: stdout.length }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
