/** Ring: worker. Which of a worker's task queues run which activities, and how many at a time. */
import type { Settings } from '../config/settings.ts'
import { buildQueuesServed, EVALUATION_QUEUE, FETCH_QUEUE, WORKFLOW_QUEUE } from '../contract/queues.ts'

export interface QueuePlan {
  readonly taskQueue: string
  readonly role: Settings['worker']['roles'][number]
  readonly workflows: boolean
  /** Activities at a time. */
  readonly activities: number
  /** Connections that wait for activities. */
  readonly pollers: number
}

/**
 * Build slots are not cores, and the queues of one worker share them: each queue may take as many as there are slots, and what is
 * taken waits for a slot of the worker. Queues of rare features get one poller, the plain one more.
 */
export function queuePlans(settings: Pick<Settings, 'worker'>, features: readonly string[], residentQueue: string): QueuePlan[] {
  const { roles, systems, slots, fetchSlots, evaluationSlots } = settings.worker
  const plans: QueuePlan[] = []
  if (roles.includes('schedule')) plans.push({ taskQueue: WORKFLOW_QUEUE, role: 'schedule', workflows: true, activities: 20, pollers: 1 })
  if (roles.includes('evaluate')) {
    plans.push({ taskQueue: EVALUATION_QUEUE, role: 'evaluate', workflows: false, activities: evaluationSlots, pollers: 1 })
    // an evaluator that is kept must be taken up within seconds: it then waits for a slot of the worker, not for the queue's
    plans.push({ taskQueue: residentQueue, role: 'evaluate', workflows: false, activities: 1000, pollers: 1 })
  }
  if (roles.includes('fetch')) plans.push({ taskQueue: FETCH_QUEUE, role: 'fetch', workflows: false, activities: fetchSlots, pollers: 2 })
  if (roles.includes('build')) {
    for (const taskQueue of buildQueuesServed(systems, features)) {
      plans.push({ taskQueue, role: 'build', workflows: false, activities: slots, pollers: taskQueue.includes('+') ? 1 : Math.min(4, slots) })
    }
  }
  return plans
}
