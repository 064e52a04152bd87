import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FormatError } from './errors.ts'
import { readExport, writeExport, type ExportedStorePath } from './export.ts'
import { writeNar } from './nar-writer.ts'
import { damaged, inPieces } from './testing/fuzz.ts'
import { goldenBytes, goldenValues, goldenBuilds } from './testing/goldens.ts'
import { framed, WireReader, WireWriter } from './wire.ts'

const golden = goldenBytes('export.bin')

async function gather(source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of source) chunks.push(chunk.slice())
  return Buffer.concat(chunks)
}

test('values are read as they were written, however they arrive', async () => {
  const long = 'x'.repeat(10_000)
  const writer = new WireWriter()
  writer.number(0).number(2 ** 53 - 1).number(0xffff_ffff_ffff_ffffn).flag(true).flag(false).string('').string('1234567').string('12345678').string(long).bytes(Uint8Array.of(1, 2, 3))
    .strings(['b', 'a', 'b']).stringSet(['b', 'a', 'b']).stringMap(new Map([['z', '1'], ['a', '2']]))
  const bytes = writer.take()
  assert.equal(bytes.length % 8, 0)
  assert.equal(writer.take().length, 0)
  for (const largest of [1, 9, 1000, 1_000_000]) {
    const reader = new WireReader(inPieces(bytes, largest))
    assert.equal(await reader.number(), 0)
    assert.equal(await reader.number(), 2 ** 53 - 1)
    assert.equal(await reader.bigNumber(), 0xffff_ffff_ffff_ffffn)
    assert.deepEqual([await reader.flag(), await reader.flag()], [true, false])
    assert.deepEqual([await reader.string(), await reader.string(), await reader.string(), await reader.string()], ['', '1234567', '12345678', long])
    assert.deepEqual([...await reader.bytes()], [1, 2, 3])
    assert.deepEqual(await reader.strings(), ['b', 'a', 'b'])
    assert.deepEqual(await reader.strings(), ['a', 'b'])
    assert.deepEqual([...await reader.stringMap()], [['a', '2'], ['z', '1']])
    assert.ok(await reader.source.atEnd())
    assert.equal(reader.source.position, bytes.length)
  }
})

test('padding is zeros again when the buffer is used a second time', () => {
  const writer = new WireWriter()
  writer.string('\xff'.repeat(64)).take()
  assert.deepEqual([...writer.string('a').take()], [1, 0, 0, 0, 0, 0, 0, 0, 97, 0, 0, 0, 0, 0, 0, 0])
})

test('what can\'t be written is a bug of the caller', () => {
  for (const value of [-1, 1.5, Number.NaN, 2 ** 53]) assert.throws(() => new WireWriter().number(value), RangeError)
  assert.throws(() => new WireWriter().string('日'), RangeError)
})

test('limits, truncation and padding are checked', async () => {
  const limits = { string: 10, list: 2 }
  const read = (bytes: Uint8Array): WireReader => new WireReader([bytes], limits)
  await assert.rejects(read(new WireWriter().string('12345678901').take()).string(), FormatError)
  await assert.rejects(read(new WireWriter().strings(['a', 'b', 'c']).take()).strings(), FormatError)
  await assert.rejects(read(new WireWriter().number(2 ** 40).take()).strings(), FormatError)
  await assert.rejects(read(new WireWriter().number(2 ** 40).take()).string(), FormatError)
  await assert.rejects(read(new Uint8Array(8).fill(255)).number(), FormatError)
  await assert.rejects(read(new Uint8Array(7)).number(), FormatError)
  await assert.rejects(read(new WireWriter().string('abc').take().subarray(0, 15)).string(), FormatError)
  const padding = new WireWriter().string('abc').take()
  padding[15] = 1
  await assert.rejects(read(padding).string(), FormatError)
})

test('frames', async () => {
  const pieces = [Buffer.from('hello'), Buffer.alloc(0), Buffer.from(' world')]
  const bytes = Buffer.concat([await gather(framed(pieces)), Buffer.from('behind')])
  for (const largest of [1, 4, 100]) {
    const reader = new WireReader(inPieces(bytes, largest))
    assert.equal((await gather(reader.framed())).toString(), 'hello world')
    assert.equal(Buffer.from(await reader.source.exactly(6)).toString(), 'behind')
  }
  await assert.rejects(gather(new WireReader([bytes.subarray(0, 10)]).framed()), FormatError)
})

async function readAll(source: Iterable<Uint8Array>): Promise<ExportedStorePath[]> {
  const paths: ExportedStorePath[] = []
  for await (const path of readExport(source)) {
    const nar = await gather(writeNar(path.nar))
    paths.push({ ...await path.info(), nar: [nar] })
  }
  return paths
}

test('an export of stock Nix is read, and written the same', async () => {
  const paths = await readAll(inPieces(golden, 50))
  assert.deepEqual(paths.map(({ storePath }) => storePath.toString()).sort(), [...goldenBuilds().texts.map(({ path }) => path), goldenValues().filePath].sort())
  assert.ok(paths.some(({ references }) => references.length === 1))
  assert.deepEqual(await gather(writeExport(paths)), Buffer.from(golden))
})

test('paths of an export that nobody looks at are skipped', async () => {
  let count = 0
  for await (const _ of readExport([golden])) count++
  assert.equal(count, 3)
  const names: string[] = []
  for await (const { nar, info } of readExport([golden])) {
    for await (const event of nar) if (event.kind === 'file') break
    names.push((await info()).storePath.name)
  }
  assert.equal(names.length, 3)
})

test('damaged exports are FormatErrors', async () => {
  for (const bytes of damaged(golden, 300)) {
    try {
      await readAll([bytes])
    } catch (error) {
      if (!(error instanceof FormatError)) throw error
    }
  }
  await assert.rejects(readAll([golden.slice(0, -8)]), FormatError)
  await assert.rejects(readAll([Buffer.concat([golden, golden])]), FormatError)
  await assert.rejects(readAll([Uint8Array.of(2, 0, 0, 0, 0, 0, 0, 0)]), /doesn't look like/)
})
