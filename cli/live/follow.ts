/** Ring: cli. Follows an evaluation to its end and shows it on the way. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Evaluation, type FarmEvent, FINAL_EVALUATION_STATES } from '../../contract/api.ts'
import type { FarmClient } from '../client.ts'
import { LiveModel } from './model.ts'
import { type LiveView, plainView } from './views.ts'

export interface FollowOptions {
  readonly title: string
  /** `terminal` where standard error is one; `none` shows nothing (`--json`, `--quiet`). */
  readonly show: 'terminal' | 'plain' | 'none'
  readonly signal?: AbortSignal
}

export interface Followed {
  readonly evaluation: Evaluation
  readonly model: LiveModel
}

const SILENT: LiveView = { notice: () => undefined, waiting: () => undefined, end: () => undefined }

/** Resolves when the evaluation has ended. Throws the signal's reason when it is aborted; the evaluation goes on. */
export async function followEvaluation(client: FarmClient, id: number, options: FollowOptions): Promise<Followed> {
  const model = new LiveModel()
  const view = options.show === 'terminal' ? (await import('./terminal-view.ts')).terminalView(options.title, model) : options.show === 'plain' ? plainView((line) => process.stderr.write(`${line}\n`)) : SILENT
  const over = new AbortController()
  const signal = options.signal ? AbortSignal.any([options.signal, over.signal]) : over.signal
  const poll = options.show === 'terminal' ? pollWaiting(client, id, view, signal) : Promise.resolve()
  try {
    if (options.show !== 'none') {
      for await (const { event, data } of client.events('evaluationEvents', { params: { id } }, signal)) {
        if (event === 'end') break
        const notice = model.apply(data as FarmEvent)
        if (notice) view.notice(notice)
      }
    }
    for (;;) {
      const evaluation = await client.call('waitForEvaluation', { params: { id }, query: { timeout: 60 } }, { signal })
      if (FINAL_EVALUATION_STATES.includes(evaluation.state)) return { evaluation, model }
    }
  } finally {
    over.abort()
    view.end()
    await poll
  }
}

/** Nodes that wait for inputs make no events; their number is asked for now and then. */
async function pollWaiting(client: FarmClient, id: number, view: LiveView, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      const { nodes } = await client.call('getEvaluation', { params: { id } }, { signal })
      view.waiting(nodes?.waiting ?? 0)
    } catch {
      // the view is about to end, or the farm comes back; the events decide
    }
    await sleep(1000, undefined, { signal }).catch(() => undefined)
  }
}
