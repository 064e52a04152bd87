/**
 * Ring: evaluator. Syntax of files that were parsed before (eval/syntax/stored/), on disk from one process to the next, by content. One file for each set of
 * options that decide what a text means. It is replaced as a whole when there is more to keep, so it is never half of one; what is damaged isn't used:
 *
 *   number of records, hash of the index, the index (key, place, size, the first bytes of its hash), records
 */
import { Buffer } from 'node:buffer'
import { hash } from 'node:crypto'
import { closeSync, fstatSync, mkdirSync, openSync, readSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { EvaluationSettings } from '../contract/evaluations.ts'
import type { SyntaxStore } from '../eval/evaluator.ts'
import type { LanguageOptions } from '../eval/language.ts'
import { FORMAT } from '../eval/syntax/stored/format.ts'

/** Bytes: with more than that, only what a run used is kept. */
const LARGEST = 32 * 1024 * 1024
/** With so many times more there than there is new, writing all of it takes longer than parsing what is new again. */
const WORTH_WRITING = 20
const HASH = 32
const HEAD = 4 + HASH
const CHECK = 8
const ENTRY = HASH + 4 + 4 + CHECK

interface Entry {
  readonly at: number
  readonly size: number
  readonly check: string
}

export interface SyntaxFileOptions {
  /** Made when there is something to write. */
  readonly folder: string
  readonly settings: Pick<EvaluationSettings, 'mode'>
  readonly language: LanguageOptions
}

export class SyntaxFile implements SyntaxStore {
  private readonly folder: string
  private readonly file: string
  private readonly descriptor: number | undefined
  /** Of the file. */
  private size = 0
  private readonly entries = new Map<string, Entry>()
  private readonly used = new Map<string, Buffer>()
  private readonly fresh = new Map<string, () => Uint8Array | undefined>()
  /** Bytes of the texts that were added. */
  private freshBytes = 0

  constructor({ folder, settings, language: { pipeOperators, lints } }: SyntaxFileOptions) {
    this.folder = folder
    this.file = join(folder, hash('sha256', JSON.stringify([FORMAT, settings.mode, pipeOperators, lints])).slice(0, 16))
    try {
      this.descriptor = openSync(this.file, 'r')
      this.readIndex(this.descriptor)
    } catch {
      // there is none yet, or none that is of use
      this.entries.clear()
      this.size = 0
    }
  }

  private readIndex(descriptor: number): void {
    const { size } = fstatSync(descriptor)
    const head = readBytes(descriptor, 0, HEAD)
    const indexSize = head.readUInt32LE(0) * ENTRY
    if (HEAD + indexSize > size) return
    const index = readBytes(descriptor, HEAD, indexSize)
    if (digest(index) !== head.toString('latin1', 4)) return
    this.size = size
    for (let at = 0; at < index.length; at += ENTRY) {
      const place = at + HASH
      this.entries.set(index.toString('latin1', at, place), { at: index.readUInt32LE(place), size: index.readUInt32LE(place + 4), check: index.toString('latin1', place + 8, at + ENTRY) })
    }
  }

  find(content: Uint8Array, folders: string): Uint8Array | undefined {
    const key = keyOf(content, folders)
    const entry = this.entries.get(key)
    return entry && this.record(key, entry)
  }

  private record(key: string, { at, size, check }: Entry): Buffer | undefined {
    try {
      const record = readBytes(this.descriptor!, at, size)
      if (checkOf(record) !== check) return undefined
      this.used.set(key, record)
      return record
    } catch {
      return undefined
    }
  }

  add(content: Uint8Array, folders: string, write: () => Uint8Array | undefined): void {
    this.fresh.set(keyOf(content, folders), write)
    this.freshBytes += content.length
  }

  /** Writes what was added, if that is worth it. */
  close(): void {
    try {
      if (this.freshBytes > 0 && this.freshBytes * WORTH_WRITING >= this.size) this.replace()
    } catch {
      // it is made again by whoever needs it
    } finally {
      if (this.descriptor !== undefined) closeSync(this.descriptor)
    }
  }

  private replace(): void {
    const contents = this.kept()
    for (const [key, write] of this.fresh) {
      const record = write()
      if (record !== undefined) contents.add(key, record)
    }
    mkdirSync(this.folder, { recursive: true, mode: 0o700 })
    const unfinished = `${this.file}.${process.pid}~`
    try {
      writeFileSync(unfinished, contents.bytes(), { mode: 0o600 })
      renameSync(unfinished, this.file)
    } catch (error) {
      rmSync(unfinished, { force: true })
      throw error
    }
  }

  /** All that is there, in one piece, or of too much what this run used. */
  private kept(): Contents {
    const contents = new Contents()
    if (this.size > LARGEST) for (const [key, record] of this.used) contents.add(key, record)
    else if (this.entries.size > 0) {
      const from = HEAD + this.entries.size * ENTRY
      contents.take(this.entries, from, readBytes(this.descriptor!, from, this.size - from))
    }
    return contents
  }
}

/** What the file is going to hold. */
class Contents {
  private readonly entries = new Map<string, Entry>()
  private readonly chunks: Uint8Array[] = []
  private size = 0

  add(key: string, record: Uint8Array): void {
    this.entries.set(key, { at: this.size, size: record.length, check: checkOf(record) })
    this.chunks.push(record)
    this.size += record.length
  }

  /** Records that lie in one piece, which began `from` somewhere. */
  take(entries: ReadonlyMap<string, Entry>, from: number, piece: Uint8Array): void {
    for (const [key, { at, size, check }] of entries) this.entries.set(key, { at: at - from + this.size, size, check })
    this.chunks.push(piece)
    this.size += piece.length
  }

  bytes(): Uint8Array {
    const index = Buffer.alloc(this.entries.size * ENTRY)
    let place = 0
    for (const [key, { at, size, check }] of this.entries) {
      index.write(key, place, 'latin1')
      index.writeUInt32LE(HEAD + index.length + at, place + HASH)
      index.writeUInt32LE(size, place + HASH + 4)
      index.write(check, place + HASH + 8, 'latin1')
      place += ENTRY
    }
    const head = Buffer.alloc(HEAD)
    head.writeUInt32LE(this.entries.size)
    head.write(digest(index), 4, 'latin1')
    return Buffer.concat([head, index, ...this.chunks])
  }
}

function checkOf(record: Uint8Array): string {
  return digest(record).slice(0, CHECK)
}

/** The content's hash has one length, so that no folders can pass for a part of it. */
function keyOf(content: Uint8Array, folders: string): string {
  return digest(Buffer.concat([hash('sha256', content, 'buffer'), Buffer.from(folders, 'latin1')]))
}

/** SHA-256, a character for each byte. */
function digest(content: Uint8Array): string {
  return hash('sha256', content, 'buffer').toString('latin1')
}

/** Throws where the file has less. */
function readBytes(descriptor: number, at: number, size: number): Buffer {
  const bytes = Buffer.alloc(size)
  for (let done = 0; done < size;) {
    const count = readSync(descriptor, bytes, done, size - done, at + done)
    if (count === 0) throw new RangeError('the file is shorter than its index says')
    done += count
  }
  return bytes
}
