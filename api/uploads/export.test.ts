import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { FormatError } from '../../nix/errors.ts'
import type { NarEvent } from '../../nix/nar.ts'
import { type ExportTrailer, readExport } from './export.ts'

/** Written by `nix-store --export` of Nix 2.8 for the closure of testdata/top.nix. */
const EXPORT = readFileSync(new URL('testdata/top.export', import.meta.url))

async function* inParts(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += size) yield await Promise.resolve(bytes.subarray(start, start + size))
}

async function read(bytes: Uint8Array, size = 4096): Promise<{ files: string[]; trailer: ExportTrailer }[]> {
  const found: { files: string[]; trailer: ExportTrailer }[] = []
  await readExport(inParts(bytes, size), async (nar: AsyncIterable<NarEvent>) => {
    const files: string[] = []
    for await (const event of nar) if (event.kind !== 'directory-end') files.push(`${event.kind} ${event.path}`)
    return files
  }, (files, trailer) => {
    found.push({ files, trailer })
    return Promise.resolve()
  })
  return found
}

test('an export of stock Nix is read path by path, however it is cut', async () => {
  for (const size of [1, 7, 100_000]) {
    const found = await read(EXPORT, size)
    assert.deepEqual(found.map(({ trailer }) => trailer.storePath.name), ['dep.drv', 'tree', 'greeting.txt', 'fixed.txt.drv', 'top.drv'])
    assert.deepEqual(found[1]!.files, ['directory-start ', 'file a', 'directory-start sub', 'symlink sub/link', 'file sub/run'])
    assert.deepEqual(found[4]!.trailer.references.map(({ name }) => name).sort(), ['dep.drv', 'fixed.txt.drv', 'greeting.txt', 'tree'])
  }
})

test('what is no export, ends early or goes on is refused', async () => {
  await assert.rejects(read(Buffer.from('hello, I am not an export at all')), FormatError)
  await assert.rejects(read(EXPORT.subarray(0, EXPORT.length - 20)), FormatError)
  await assert.rejects(read(Buffer.concat([EXPORT, Buffer.from('more')])), FormatError)
  const wrongMagic = Buffer.from(EXPORT)
  wrongMagic[EXPORT.indexOf('NIXE')] = 0x41
  await assert.rejects(read(wrongMagic), FormatError)
})
