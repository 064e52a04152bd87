/** Ring: cli. The thread that substitutes.ts waits for. */
import { readdirSync } from 'node:fs'
import { type MessagePort, workerData } from 'node:worker_threads'
import { asFirnError } from '../../contract/errors.ts'
import { HASH_PART_LENGTH, parseStorePath } from '../../nix/store-path.ts'
import { openStore } from '../../store/open.ts'
import { MemoryPathInfoStore } from '../../store/path-info/memory.ts'
import { openSubstituters } from '../../store/substituters/open.ts'
import type { ThreadAnswer, ThreadData } from './substitutes.ts'

const { data, port } = workerData as { readonly data: ThreadData; readonly port: MessagePort }

/** What lies in a folder is valid, whoever put it there. */
class FolderPathInfos extends MemoryPathInfoStore {
  private readonly hashParts = new Set(data.storeFolders.flatMap(namesIn).map((name) => name.slice(0, HASH_PART_LENGTH)))

  override has(hashParts: readonly string[]): Promise<Set<string>> {
    return Promise.resolve(new Set(hashParts.filter((hash) => this.hashParts.has(hash))))
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

async function answerQuestions(): Promise<(paths: readonly string[]) => Promise<ThreadAnswer>> {
  try {
    const { blobs } = await openStore({ blobs: 'memory:', substituters: [], trustedPublicKeys: [] })
    const substituters = openSubstituters({ ...data, blobs, pathInfos: new FolderPathInfos() })
    return async (paths) => {
      const found = await substituters.substitutable(paths.map((path) => parseStorePath(path)))
      return { available: paths.filter((path) => found.has(parseStorePath(path).baseName)) }
    }
  } catch (error) {
    return () => Promise.resolve({ error: asFirnError(error).message })
  }
}

const answering = answerQuestions()
port.on('message', (paths: readonly string[]) => {
  void (async () => {
    let answer: ThreadAnswer
    try {
      answer = await (await answering)(paths)
    } catch (error) {
      answer = { error: asFirnError(error).message }
    }
    port.postMessage(answer)
    Atomics.add(data.answers, 0, 1)
    Atomics.notify(data.answers, 0)
  })()
})
