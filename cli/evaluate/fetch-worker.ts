/** Ring: cli. The process that fetch-here.ts waits for: reads a task from standard input, downloads, lays the result out, prints an answer. */
import { existsSync, renameSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { asFirnError } from '../../contract/errors.ts'
import { describeCause } from '../../contract/nodes.ts'
import { openFetchers } from '../../fetchers/open.ts'
import { parseStorePath } from '../../nix/store-path.ts'
import { removeTree } from '../../store/local/move-tree.ts'
import { writeTree } from '../../store/local/write-tree.ts'
import { openStore } from '../../store/open.ts'
import { byteStringOfNative } from '../../evaluator/paths.ts'
import type { FetchAnswer, FetchTask } from './fetch-here.ts'

async function perform({ need, cache, store: folder }: FetchTask): Promise<FetchAnswer> {
  const store = await openStore({ blobs: 'memory:', substituters: [], trustedPublicKeys: [] })
  const fetchers = openFetchers({ folder: cache }, store)
  const layOut = async (path: string, fetched?: Extract<FetchAnswer, { ok: true }>['fetched']): Promise<FetchAnswer> => {
    const storePath = parseStorePath(path)
    const localPath = join(folder, storePath.baseName)
    if (!existsSync(localPath)) {
      const root = (await store.pathInfos.get([storePath.hash])).get(storePath.hash)!.root
      const partial = join(folder, `.partial-${process.pid}`)
      await mkdir(folder, { recursive: true })
      try {
        await writeTree(root, byteStringOfNative(partial), store.blobs)
        renameSync(partial, localPath)
      } finally {
        await removeTree(partial)
      }
    }
    return { ok: true, key: '', storePath: path, localPath, ...(fetched === undefined ? {} : { fetched }) }
  }
  try {
    if (need.kind === 'unlocked-fetch') {
      const fetched = await fetchers.fetchUnlocked(need.request)
      return await layOut(fetched.storePath, fetched)
    }
    const outcome = await fetchers.fetch(need.request)
    if (!outcome.ok) return { ok: false, message: `fetch of '${need.storePath}' failed: ${describeCause(outcome.cause)}` }
    await store.pathInfos.put([outcome.pathInfo])
    return await layOut(need.storePath)
  } finally {
    await fetchers.close()
    await store.close()
  }
}

async function answer(task: FetchTask): Promise<FetchAnswer> {
  try {
    return await perform(task)
  } catch (error) {
    return { ok: false, message: asFirnError(error).message }
  }
}

process.stdout.write(JSON.stringify(await answer(JSON.parse(await text(process.stdin)) as FetchTask)))
