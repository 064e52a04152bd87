/**
 * Ring: state. Temporal's schedules of jobsets, made from the table: polling is an interval, cron is cron. What is scheduled is a small workflow
 * that writes a trigger.
 */
import { type Client, ScheduleAlreadyRunning, ScheduleNotFoundError, ScheduleOverlapPolicy } from '@temporalio/client'
import { jobsetScheduleId, WORKFLOW_QUEUE } from '../contract/queues.ts'
import type { Timing } from './jobsets.ts'

const PREFIX = jobsetScheduleId(0).slice(0, -1)

/** What a schedule is made from, to tell whether one is as it should be. */
function fingerprint({ pollSeconds, schedule }: Timing): string {
  return JSON.stringify([pollSeconds, schedule])
}

function optionsOf(timing: Timing) {
  const { jobsetId, pollSeconds, schedule } = timing
  return {
    spec: {
      ...(pollSeconds > 0 ? { intervals: [{ every: pollSeconds * 1000 }] } : {}),
      ...(schedule.length > 0 ? { cronExpressions: [...schedule] } : {}),
      // polls of many jobsets must not come at the same second
      jitter: Math.min(30_000, pollSeconds * 100),
    },
    action: {
      type: 'startWorkflow' as const,
      workflowType: 'jobsetTrigger',
      workflowId: `trigger:${jobsetId}`,
      taskQueue: WORKFLOW_QUEUE,
      args: [jobsetId, schedule.length > 0 ? 'schedule' : 'poll'],
    },
    policies: { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: '1 hour' as const },
  }
}

/** Makes Temporal's schedules what the table says; with `only`, of that jobset, which has none if none is given. */
export async function setSchedules(client: Client, timings: readonly Timing[], only?: number): Promise<void> {
  if (only !== undefined) {
    const timing = timings.find((one) => one.jobsetId === only)
    if (timing) await setOne(client, timing)
    else await removeOne(client, only)
    return
  }
  const known = new Map<number, string>()
  for await (const { scheduleId, memo } of client.schedule.list({ pageSize: 1000 })) {
    if (scheduleId.startsWith(PREFIX)) known.set(Number(scheduleId.slice(PREFIX.length)), String(memo?.['timing'] ?? ''))
  }
  for (const timing of timings) {
    if (known.get(timing.jobsetId) !== fingerprint(timing)) await setOne(client, timing)
    known.delete(timing.jobsetId)
  }
  for (const jobsetId of known.keys()) await removeOne(client, jobsetId)
}

/** The memo tells the fingerprint and can't be changed, so that a schedule that differs is made anew. */
async function setOne(client: Client, timing: Timing): Promise<void> {
  const create = () => client.schedule.create({ scheduleId: jobsetScheduleId(timing.jobsetId), ...optionsOf(timing), memo: { timing: fingerprint(timing) } })
  try {
    await create()
  } catch (error) {
    if (!(error instanceof ScheduleAlreadyRunning)) throw error
    const described = await client.schedule.getHandle(jobsetScheduleId(timing.jobsetId)).describe()
    if (described.memo?.['timing'] === fingerprint(timing)) return
    await removeOne(client, timing.jobsetId)
    await create()
  }
}

async function removeOne(client: Client, jobsetId: number): Promise<void> {
  await client.schedule.getHandle(jobsetScheduleId(jobsetId)).delete().catch((error: unknown) => {
    if (!(error instanceof ScheduleNotFoundError)) throw error
  })
}
