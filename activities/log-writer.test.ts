import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { addAttempt, addNode } from '../api/testing/farm-rows.ts'
import { parseDigest } from '../castore/digest.ts'
import { type FarmDatabase, openFarmDatabase } from '../state/database.ts'
import { LineIndex } from '../state/line-index.ts'
import { findLog, readLogChunks } from '../state/logs.ts'
import { MemoryBlobIndex } from '../store/blobs/memory-index.ts'
import { PackedBlobStore } from '../store/blobs/packed.ts'
import { SeekableBlob } from '../store/blobs/seekable.ts'
import { MemoryObjectStore } from '../store/objects/memory.ts'
import { testDatabase } from '../test/support/database.ts'
import { LogWriter } from './log-writer.ts'

describe('the log of an attempt', () => {
  let database: FarmDatabase
  const blobs = new PackedBlobStore(new MemoryObjectStore(), new MemoryBlobIndex())
  before(async () => { database = openFarmDatabase({ url: (await testDatabase()).url, connections: 2 }) })
  after(async () => {
    await database.close()
    await blobs.close()
  })
  const begin = async (): Promise<{ build: number; attempt: number; log: LogWriter }> => {
    const { id } = await addNode(database.db, { name: 'noisy', state: 'running' })
    const attempt = await addAttempt(database.db, id)
    return { build: id, attempt, log: new LogWriter(database.db, attempt) }
  }
  const stored = async (digest: string): Promise<{ text: string; index: LineIndex | undefined }> => {
    const blob = await SeekableBlob.open(blobs, parseDigest(digest))
    const parts: Uint8Array[] = []
    for await (const { bytes } of blob.read(0)) parts.push(bytes)
    return { text: Buffer.concat(parts).toString(), index: blob.note && LineIndex.decode(blob.note) }
  }

  it('is a blob with its lines\' index at the end, without Postgres where it is short', async () => {
    const { attempt, log } = await begin()
    await log.line('one')
    await log.write(Buffer.from('two'))
    const { logBlob, logBytes } = await log.finish(blobs)
    assert.equal(logBytes, 7)
    const { text, index } = await stored(logBlob!)
    assert.deepEqual([text, index?.lines, index?.bytes], ['one\ntwo', 2, 7])
    assert.deepEqual(await readLogChunks(database.db, attempt, 0), [])
    assert.deepEqual(log.tail(), ['one', 'two'])
  })

  it('is read back from Postgres where it is longer than what is kept, and the chunks go', async () => {
    const { build, attempt, log } = await begin()
    const part = Buffer.from(Array.from({ length: 5000 }, (_, line) => `compiling file ${line} of many\n`).join(''))
    for (let count = 0; count < 40; count++) await log.write(part)
    const written = part.length * 40
    assert.ok(written > 5_000_000, 'longer than what is kept in memory')
    const growing = await findLog(database.db, build)
    assert.ok(growing!.bytes > written / 2 && growing!.bytes <= written, 'its readers see it grow')
    const middle = Math.floor(growing!.bytes / 2)
    const [chunk] = await readLogChunks(database.db, attempt, middle, 1)
    assert.ok(chunk!.position <= middle && chunk!.position + chunk!.content.length > middle, 'read from the chunk that holds the byte')

    const { logBlob, logBytes } = await log.finish(blobs)
    assert.equal(logBytes, written)
    const { text, index } = await stored(logBlob!)
    assert.ok(text === part.toString().repeat(40))
    assert.deepEqual([index?.lines, index?.bytes, index?.offsets.length], [200_000, written, 201])
    await log.settle()
    assert.deepEqual(await readLogChunks(database.db, attempt, 0), [])
  })

  it('is nothing where nothing was written', async () => {
    const { log } = await begin()
    assert.deepEqual(await log.finish(blobs), { logBytes: 0 })
  })
})
