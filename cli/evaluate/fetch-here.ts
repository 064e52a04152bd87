/**
 * Ring: cli. Downloads for an evaluation on this machine: it is synchronous, so each is done by a process that it waits for
 * (fetch-worker.ts). What comes lies in the local store from then on. Upstream counterpart: the fetchers of libfetchers, which block too.
 */
import { fileURLToPath } from 'node:url'
import { FirnError } from '../../contract/errors.ts'
import type { FetchRequest, UnlockedFetch } from '../../contract/fetch.ts'
import type { Need, NeedAnswer } from '../../contract/evaluations.ts'
import { byteStringOfNative } from '../../evaluator/paths.ts'

export interface FetchTask {
  readonly need: { readonly kind: 'fetch'; readonly storePath: string; readonly request: FetchRequest } | { readonly kind: 'unlocked-fetch'; readonly request: UnlockedFetch }
  /** Where repositories are kept. */
  readonly cache: string
  /** Folder that gets the result under its base name. */
  readonly store: string
}

export type FetchAnswer = Extract<NeedAnswer, { readonly ok: true }> | { readonly ok: false; readonly message: string }

const WORKER = fileURLToPath(new URL('./fetch-worker.ts', import.meta.url))

/** Does a download; undefined for needs of other kinds. */
export function fetchHere(need: Need, places: { readonly cache: string; readonly store: string }): NeedAnswer | undefined {
  if (need.kind !== 'fetch' && need.kind !== 'unlocked-fetch') return undefined
  const task: FetchTask = { need, ...places }
  // loaded when it is wanted: few evaluations download, and it takes 5 ms
  const { spawnSync } = process.getBuiltinModule('node:child_process')
  const { status, stdout, stderr, error } = spawnSync(process.execPath, ['--disable-warning=ExperimentalWarning', WORKER], { input: JSON.stringify(task), encoding: 'utf8', maxBuffer: 2 ** 24, stdio: ['pipe', 'pipe', 'pipe'] })
  if (error !== undefined || status !== 0) throw new FirnError('internal', `the process that fetches failed: ${error?.message ?? stderr.trim()}`)
  const answer = JSON.parse(stdout) as FetchAnswer
  return answer.ok ? { ...answer, key: need.key, localPath: byteStringOfNative(answer.localPath) } : { ...answer, key: need.key }
}
