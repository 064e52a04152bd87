/** Ring: activities. Results of builds of jobs, read when the build has ended or a job was found whose build is there already. */
import type { FollowedEvent } from '../state/events.ts'
import { unreadResults } from '../state/results.ts'
import type { Dependencies } from './dependencies.ts'
import { readResults } from './results.ts'

export const RESULT_EVENTS = ['build.ended', 'job.found'] as const
/** Nodes whose results are recorded together. */
const BATCH = 200

export async function followResults(parts: Pick<Dependencies, 'database' | 'store'>, events: readonly FollowedEvent[]): Promise<void> {
  const nodeIds = events.flatMap((event) => (event.kind === 'build.ended' && event.nodeId !== null && event.data['state'] === 'succeeded' ? [event.nodeId] : []))
  const jobs = events.flatMap((event) => (event.kind === 'job.found' && event.evaluationId !== null ? [{ evaluationId: event.evaluationId, attr: String(event.data['attr']) }] : []))
  if (nodeIds.length + jobs.length === 0) return
  const unread = await unreadResults(parts.database.db, nodeIds, jobs)
  for (let start = 0; start < unread.length; start += BATCH) await readResults(parts, unread.slice(start, start + BATCH))
}
