/** Logs of any length on a farm of rows: a finished one as a worker leaves it, and one that still grows. */
import type { TestApi } from '../../api/testing/api.ts'
import { addAttempt, addNode } from '../../api/testing/farm-rows.ts'
import { LineIndex } from '../../state/line-index.ts'
import { addLogChunk } from '../../state/logs.ts'
import { compressSeekable } from '../../store/blobs/seekable.ts'

export const NEEDLE = 'the needle in the haystack'
export const REASON = 'error: the glacier has melted'
const PART_LINES = 20_000

export interface AddedLog {
  readonly build: number
  readonly attempt: number
  readonly bytes: number
  readonly lines: number
  /** Which of them holds the needle: half way down. */
  readonly needle: number
}

function* linesOf(bytes: number): Generator<Buffer, { readonly lines: number; readonly needle: number }, undefined> {
  let line = 0
  let needle = -1
  for (let written = 0; written < bytes;) {
    const lines: string[] = []
    for (const end = line + PART_LINES; line < end; line++) lines.push(`[${line}] cc -O2 -fPIC -Isrc/include -c src/glacier/layer-${(line * 7919) % 100_003}.c -o build/layer-${line % 4096}.o`)
    if (needle === -1 && written >= bytes / 2) {
      needle = line - PART_LINES + 5
      lines[5] = NEEDLE
    }
    const part = Buffer.from(`${lines.join('\n')}\n`)
    written += part.length
    yield part
  }
  return { lines: line, needle }
}

/** About so many bytes; fails at its end. */
export async function addFinishedLog({ dependencies: { database: { db }, store } }: TestApi, bytes: number): Promise<AddedLog> {
  const cause = { kind: 'builder-failed', exitCode: 2 } as const
  const { id: build } = await addNode(db, { name: 'glacier-9.9', state: 'failed', outcome: { status: 'failed', cause, cached: true, logTail: [REASON] } })
  const attempt = await addAttempt(db, build, { ended: true, outcome: { status: 'failed', cause, cached: true } })
  const index = new LineIndex()
  let needle = -1
  async function* content(): AsyncGenerator<Uint8Array> {
    const parts = linesOf(bytes)
    for (let next = parts.next(); ; next = parts.next()) {
      const part = next.done ? Buffer.from(`${REASON}\nmake: *** [all] Error 2\n`) : next.value
      if (next.done) needle = next.value.needle
      index.extend(part)
      yield await Promise.resolve(part)
      if (next.done) return
    }
  }
  const upload = store.blobs.upload()
  const { digest } = await upload.addStream(compressSeekable(content(), () => index.encode()))
  await upload.finish()
  await db.updateTable('attempt').set({ log_blob: digest, log_bytes: index.bytes }).where('id', '=', attempt).execute()
  return { build, attempt, bytes: index.bytes, lines: index.lines, needle }
}

/** About so many bytes so far; `append` adds to it. */
export async function addGrowingLog({ dependencies: { database: { db } } }: TestApi, bytes: number): Promise<AddedLog & { append(text: string): Promise<void> }> {
  const { id: build } = await addNode(db, { name: 'avalanche-0.1', state: 'running' })
  const attempt = await addAttempt(db, build)
  let position = 0
  let seq = 0
  const write = async (part: Uint8Array): Promise<void> => {
    await addLogChunk(db, attempt, seq++, position, part)
    position += part.length
  }
  const parts = linesOf(bytes)
  let next = parts.next()
  for (; !next.done; next = parts.next()) await write(next.value)
  return { build, attempt, bytes: position, ...next.value, append: (text) => write(Buffer.from(text)) }
}
