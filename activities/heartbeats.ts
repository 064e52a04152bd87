/**
 * Ring: activities. Heartbeats for as long as a body runs, and one signal for all that may stop it: cancellation by Temporal or by the
 * farm (running.ts), and the worker's shutdown. The SDK sends at most one heartbeat in four seconds (worker/worker.ts).
 */
import { Context } from '@temporalio/activity'
import { CancelledFailure } from '@temporalio/common'
import { FirnError } from '../contract/errors.ts'
import { failureOf } from './faults.ts'
import type { RunningThings } from './running.ts'

const EVERY_MILLISECONDS = 2500

/** Runs a body under a name by which it can be stopped. What it throws becomes a failure with a kind. */
export async function whileBeating<T>(running: RunningThings, name: string, body: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const context = Context.current()
  const thing = running.begin(name, context.cancellationSignal)
  const timer = setInterval(() => context.heartbeat(), EVERY_MILLISECONDS)
  context.heartbeat()
  try {
    return await body(thing.signal)
  } catch (error) {
    const { cancellationSignal } = context
    // a worker that shuts down gives its work back: it is tried elsewhere
    if (cancellationSignal.aborted && cancellationSignal.reason instanceof CancelledFailure && cancellationSignal.reason.message === 'WORKER_SHUTDOWN') throw failureOf(new FirnError('killed', 'the worker was stopped', { cause: error }))
    if (cancellationSignal.aborted) throw cancellationSignal.reason as Error
    throw failureOf(error)
  } finally {
    clearInterval(timer)
    thing.done()
  }
}
