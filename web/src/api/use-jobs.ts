/**
 * Ring: web. Jobs of an evaluation, filtered by the farm and read page by page as far as somebody scrolls. States come from events;
 * the list itself is read again while the evaluator finds jobs.
 */
import { useCallback, useEffect, useRef, useState } from 'react'
import type { Job, JobState } from '../../../contract/api.ts'
import { call } from './client.ts'
import { live } from './live.ts'
import { onIdentityChange } from './token.ts'

const FIRST = 200
const PAGE = 1000
const AGAIN_MILLISECONDS = 3000

export interface JobList {
  readonly jobs: readonly Job[]
  /** Undefined where all are here. */
  readonly next: string | undefined
  readonly error: Error | undefined
  readonly loaded: boolean
}

/** What was shown last, so that who comes back from a build sees it at once. */
const REMEMBERED = 8
const remembered = new Map<string, JobList>()

function remember(key: string, list: JobList): void {
  remembered.delete(key)
  remembered.set(key, list)
  if (remembered.size > REMEMBERED) remembered.delete(remembered.keys().next().value!)
}
// somebody else may not be allowed to see it
onIdentityChange(() => remembered.clear())

const EMPTY: JobList = { jobs: [], next: undefined, error: undefined, loaded: false }

export function useJobs(evaluationId: number, state: JobState | undefined, contains: string): JobList & { ensure(index: number): void } {
  const key = JSON.stringify([evaluationId, state, contains])
  const [list, setList] = useState<JobList>(() => remembered.get(key) ?? EMPTY)
  const current = useRef<{ list: JobList; signal: AbortSignal; reading: boolean; wanted: number }>(undefined)

  const read = useCallback(async (cursor: string | undefined, limit: number, signal: AbortSignal) => call('listJobs', {
    params: { id: evaluationId }, query: { limit, brief: true, ...(state && { state }), ...(contains !== '' && { contains }), ...(cursor !== undefined && { cursor }) },
  }, signal), [evaluationId, state, contains])

  const show = useCallback((at: NonNullable<typeof current.current>, next: JobList): void => {
    at.list = next
    if (next.error === undefined) remember(key, next)
    setList(next)
  }, [key])

  const goOn = useCallback(async (): Promise<void> => {
    const at = current.current
    if (!at || at.reading) return
    at.reading = true
    try {
      while (!at.signal.aborted && at.list.next !== undefined && at.wanted >= at.list.jobs.length) {
        const page = await read(at.list.next, PAGE, at.signal)
        show(at, { ...at.list, jobs: [...at.list.jobs, ...page.items], next: page.next ?? undefined, error: undefined })
      }
    } catch (error) {
      if (!at.signal.aborted) show(at, { ...at.list, error: error as Error })
    } finally {
      at.reading = false
    }
  }, [read, show])

  useEffect(() => {
    const stop = new AbortController()
    const at: NonNullable<typeof current.current> = { list: remembered.get(key) ?? EMPTY, signal: stop.signal, reading: false, wanted: 0 }
    current.current = at
    if (at.list.loaded) setList(at.list)
    let timer: ReturnType<typeof setTimeout> | undefined
    const load = async (limit: number): Promise<void> => {
      if (at.reading) return
      at.reading = true
      try {
        const page = await read(undefined, limit, stop.signal)
        // what was read beyond stays, where the page ends before it
        const last = page.items.at(-1)?.attr
        const beyond = last !== undefined && page.next !== null ? at.list.jobs.filter(({ attr }) => attr > last) : []
        show(at, { jobs: [...page.items, ...beyond], next: beyond.length > 0 ? at.list.next : page.next ?? undefined, error: undefined, loaded: true })
      } catch (error) {
        if (!stop.signal.aborted) show(at, { ...at.list, error: error as Error, loaded: true })
      } finally {
        at.reading = false
      }
    }
    void load(FIRST)
    const unsubscribe = live.subscribe((events) => {
      if (timer !== undefined) return
      const found = events.length === 0 || events.some((event) => event.evaluationId === evaluationId && /^(job|evaluation)\./.test(event.kind) && event.kind !== 'evaluation.progress')
      // in a list of one state, builds come and go
      const moved = state !== undefined && events.some(({ kind }) => kind.startsWith('build.'))
      if (!found && !moved) return
      timer = setTimeout(() => {
        timer = undefined
        void load(Math.min(PAGE, Math.max(FIRST, at.list.jobs.length)))
      }, events.length === 0 ? 0 : AGAIN_MILLISECONDS)
    })
    return () => {
      stop.abort()
      clearTimeout(timer)
      unsubscribe()
    }
  }, [read, show, key, evaluationId, state])

  const ensure = useCallback((index: number) => {
    if (!current.current) return
    current.current.wanted = index
    if (index >= current.current.list.jobs.length && current.current.list.next !== undefined) void goOn()
  }, [goOn])
  return { ...list, ensure }
}
