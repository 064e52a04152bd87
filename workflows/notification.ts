/**
 * Ring: workflows. One target of an evaluation's news (a forge, a webhook, a mail address): what is signalled is sent, one after the other, and tried
 * for hours where the other side is away. Nothing waits for it. Upstream counterpart: hydra-notify and its plugins, which lose what fails.
 *
 * History: started → (signal news → notify)* → completed.
 */
import { ActivityFailure, ApplicationFailure, condition, continueAsNew, defineSignal, proxyActivities, proxyLocalActivities, setHandler, workflowInfo } from '@temporalio/workflow'
import type { News, NotificationActivities, NotificationTarget, NotifyInput } from '../contract/notifications.ts'

export const news = defineSignal<[News]>('news')

const { notify } = proxyActivities<Pick<NotificationActivities, 'notify'>>({
  startToCloseTimeout: '2 minutes',
  // some six hours
  retry: { initialInterval: '2 seconds', backoffCoefficient: 2, maximumInterval: '15 minutes', maximumAttempts: 32 },
})

const { recordUndelivered } = proxyLocalActivities<Pick<NotificationActivities, 'recordUndelivered'>>({
  startToCloseTimeout: '1 minute',
  localRetryThreshold: '1 minute',
  retry: { initialInterval: '500 milliseconds', maximumInterval: '20 seconds' },
})

export async function notification(target: NotificationTarget, waiting: readonly News[] = []): Promise<void> {
  const queue: News[] = [...waiting]
  setHandler(news, (one) => { queue.push(one) })
  let sent = 0
  // it is started with a signal
  await condition(() => queue.length > 0)
  for (let one = queue.shift(); one !== undefined; one = queue.shift()) {
    const input: NotifyInput = { target, news: one, delivery: `${workflowInfo().runId}-${sent++}` }
    // of several statuses of a commit, the last says all
    if (target.notification.kind !== 'webhook' && one.kind === 'evaluation' && one.phase === 'started' && queue.some((later) => later.kind === 'evaluation' && later.phase === 'ended')) continue
    try {
      await notify(input)
    } catch (error) {
      if (!(error instanceof ActivityFailure)) throw error
      await recordUndelivered(input, error.cause instanceof ApplicationFailure ? error.cause.message : String(error.cause))
    }
    if (workflowInfo().continueAsNewSuggested) await continueAsNew<typeof notification>(target, queue)
  }
}
