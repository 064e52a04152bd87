/**
 * Ring: activities. Turns events into news: an evaluation of a jobset has begun or ended, a build of a job has ended. Each target has a workflow of
 * its own, so that a forge that is down holds up nobody. An event that is followed twice is told twice, which receivers can tell by what it says.
 */
import { createHash } from 'node:crypto'
import { sql } from 'kysely'
import type { Notification } from '../../contract/jobsets.ts'
import type { News, NotificationTarget } from '../../contract/notifications.ts'
import type { FollowedEvent } from '../../state/events.ts'
import type { Dependencies } from '../dependencies.ts'

export const NOTIFIED_EVENTS = ['evaluation.state', 'build.ended'] as const
const ENDED = ['succeeded', 'failed', 'cancelled']

export async function followNotifications({ database: { db }, motion }: Pick<Dependencies, 'database' | 'motion'>, events: readonly FollowedEvent[]): Promise<void> {
  const states = events.flatMap((event) => {
    const state = String(event.data['state'])
    return event.kind === 'evaluation.state' && event.evaluationId !== null && (state === 'queued' || ENDED.includes(state)) ? [{ evaluationId: event.evaluationId, phase: state === 'queued' ? 'started' as const : 'ended' as const }] : []
  })
  const targets = await targetsOf([...new Set(states.map((one) => one.evaluationId))])
  for (const { evaluationId, phase } of states) for (const notification of targets.get(evaluationId) ?? []) if (wants(notification, phase)) await tell({ evaluationId, notification }, { kind: 'evaluation', phase })

  const builds = events.flatMap((event) => (event.kind === 'build.ended' && event.nodeId !== null ? [event.nodeId] : []))
  for (const { evaluationId, notification, ...build } of await wantedBuilds(builds)) await tell({ evaluationId, notification }, { kind: 'build', ...build })

  async function tell(target: NotificationTarget, news: News): Promise<void> {
    await motion.notify(createHash('sha256').update(JSON.stringify(target.notification)).digest('hex').slice(0, 16), target, news)
  }

  /** Of evaluations whose jobset has some. */
  async function targetsOf(evaluationIds: readonly number[]): Promise<Map<number, readonly Notification[]>> {
    if (evaluationIds.length === 0) return new Map()
    const { rows } = await sql<{ id: number; notifications: readonly Notification[] }>`
      select e.id, s.notifications from evaluation e join jobset s on s.id = e.jobset_id where e.id = any(${evaluationIds}) and s.notifications <> '[]'::jsonb`.execute(db)
    return new Map(rows.map((row) => [row.id, row.notifications]))
  }

  /** Jobs of unfinished evaluations whose jobset tells of builds. */
  async function wantedBuilds(nodeIds: readonly number[]): Promise<{ evaluationId: number; notification: Notification; buildId: number; attr: string }[]> {
    if (nodeIds.length === 0) return []
    const { rows } = await sql<{ evaluationId: number; buildId: number; attr: string; notifications: readonly Notification[] }>`
      select e.id as "evaluationId", n.id as "buildId", j.attr, s.notifications from node n join job j on j.node_key = n.key join evaluation e on e.id = j.evaluation_id join jobset s on s.id = e.jobset_id
      where n.id = any(${nodeIds}) and s.notifications @> '[{"kind": "webhook", "events": ["build.ended"]}]'::jsonb and (e.ended_at is null or e.ended_at >= n.ended_at)`.execute(db)
    return rows.flatMap(({ notifications, ...row }) => notifications.filter((one) => one.kind === 'webhook' && one.events.includes('build.ended')).map((notification) => ({ ...row, notification })))
  }
}

function wants(notification: Notification, phase: 'started' | 'ended'): boolean {
  switch (notification.kind) {
    case 'email': return phase === 'ended'
    case 'webhook': return notification.events.includes(phase === 'started' ? 'evaluation.started' : 'evaluation.ended')
    // both: the commit is pending in between
    default: return true
  }
}
