/** Ring: contract. News of evaluations and builds on their way to forges, webhooks and mail: what crosses between follower, workflow and activity. */
import type { Notification } from './jobsets.ts'

/** Where news go: one of a jobset's notifications, as it stood when there was news. */
export interface NotificationTarget {
  readonly evaluationId: number
  readonly notification: Notification
}

/** What a webhook gets. */
export type WebhookEvent = 'evaluation.started' | 'evaluation.ended' | 'build.ended'

/** One message. `started` and `ended` are told as the evaluation stands when they are sent, so that an old one never overwrites a newer one. */
export type News =
  | { readonly kind: 'evaluation'; readonly phase: 'started' | 'ended' }
  | { readonly kind: 'build'; readonly buildId: number; readonly attr: string }

export interface NotifyInput {
  readonly target: NotificationTarget
  readonly news: News
  /** The same for every try: receivers can tell a message that comes twice. */
  readonly delivery: string
}

export interface NotificationActivities {
  /** Sends one message. What the other side refuses for good is recorded and not tried again; what may pass is thrown. */
  notify(input: NotifyInput): Promise<void>
  /** Local activity. All tries are spent: recorded as an event of the evaluation, which people can see. */
  recordUndelivered(input: NotifyInput, message: string): Promise<void>
}
