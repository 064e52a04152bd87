/**
 * Ring: store. Moving and removing trees whose folders nobody may write, as all trees of a store are. Root may anyway; another user
 * has to make them writable first (a folder that moves to another parent is itself written: its `..` changes).
 */
import { chmodSync, lstatSync, readdirSync, renameSync } from 'node:fs'
import { rm } from 'node:fs/promises'

import { errorCode } from '../../contract/errors.ts'

/** Renames within a file system; the tree's modes are as before when it returns. */
export function moveTree(from: string, to: string): void {
  try {
    renameSync(from, to)
  } catch (error) {
    if (!isForbidden(error) || !lstatSync(from).isDirectory()) throw error
    const { mode } = lstatSync(from)
    chmodSync(from, mode | 0o200)
    renameSync(from, to)
    chmodSync(to, mode)
  }
}

/** Removes a tree; one that isn't there is no error. */
export async function removeTree(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true })
  } catch (error) {
    if (!isForbidden(error)) throw error
    makeWritable(Buffer.from(path))
    await rm(path, { recursive: true, force: true })
  }
}

function makeWritable(folder: Buffer): void {
  const status = lstatSync(folder, { throwIfNoEntry: false })
  if (status?.isDirectory() !== true) return
  chmodSync(folder, 0o700)
  for (const name of readdirSync(folder, 'buffer')) makeWritable(Buffer.concat([folder, Buffer.from('/'), name]))
}

function isForbidden(error: unknown): boolean {
  const code = errorCode(error)
  return code === 'EACCES' || code === 'EPERM'
}
