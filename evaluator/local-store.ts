/**
 * Ring: evaluator. Puts what an evaluation adds to the store into a folder on this machine: what `firn eval` and `firn instantiate` do
 * when no farm is asked. Everything appears under its name in one step, with the modes that store paths have.
 */
import { Buffer } from 'node:buffer'
import { chmodSync, copyFileSync, existsSync, lstatSync, mkdirSync, readdirSync, readlinkSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { FirnError } from '../contract/errors.ts'
import type { StoreAddition } from './file-io-options.ts'
import { nativePath } from './paths.ts'

export class LocalStoreFolder {
  private readonly folder: string

  /** `folder` is made when something is written. */
  constructor(folder: string) {
    this.folder = folder
  }

  /** Writes an addition unless it is there. Fetches are only mentioned, so there is nothing to write. */
  add(addition: StoreAddition): void {
    switch (addition.kind) {
      case 'known-fetch': return
      case 'text': return this.write(addition.storePath, (target) => writeFile(target, Buffer.from(addition.content, 'latin1')))
      case 'derivation': return this.write(addition.drvPath, (target) => writeFile(target, addition.aterm))
      case 'source': {
        const entries = addition.entries === undefined ? undefined : new Set(addition.entries)
        // a flat source is a plain file, whatever its mode was
        return this.write(addition.storePath, (target) => copyTree(addition.localPath, target, '', entries, addition.recursive))
      }
    }
  }

  private write(storePath: string, fill: (target: string) => void): void {
    const target = `${this.folder}/${storePath.slice('/nix/store/'.length)}`
    if (existsSync(nativePath(target))) return
    const partial = `${this.folder}/.partial-${randomBytes(8).toString('hex')}`
    try {
      mkdirSync(this.folder, { recursive: true })
      fill(partial)
      renameSync(partial, nativePath(target))
    } catch (error) {
      rmSync(partial, { recursive: true, force: true })
      if (existsSync(nativePath(target))) return
      throw new FirnError('exhausted', `could not write ${target}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
    }
  }
}

function writeFile(target: string, content: Uint8Array): void {
  writeFileSync(target, content)
  seal(target, 0o444)
}

/** Store paths are read-only and all of the same time. */
function seal(target: string | Buffer, mode: number): void {
  chmodSync(target, mode)
  utimesSync(target, 1, 1)
}

function copyTree(from: string, to: string, relative: string, entries: ReadonlySet<string> | undefined, keepMode: boolean): void {
  const source = nativePath(relative === '' ? from : `${from}/${relative}`)
  const target = nativePath(relative === '' ? to : `${to}/${relative}`)
  const status = lstatSync(source)
  if (status.isSymbolicLink() && keepMode) {
    symlinkSync(readlinkSync(source, 'buffer'), target)
    return
  }
  if (!status.isDirectory()) {
    copyFileSync(source, target)
    seal(target, keepMode && (status.mode & 0o100) !== 0 ? 0o555 : 0o444)
    return
  }
  mkdirSync(target)
  for (const name of readdirSync(source, 'buffer')) {
    const child = `${relative === '' ? '' : `${relative}/`}${name.toString('latin1')}`
    if (entries === undefined || entries.has(child)) copyTree(from, to, child, entries, keepMode)
  }
  seal(target, 0o555)
}
