/** Ring: activities. News as JSON by POST, signed as GitHub signs its own: whoever checks those checks these. */
import { createHmac } from 'node:crypto'
import type { Notification } from '../../contract/jobsets.ts'
import type { WebhookEvent } from '../../contract/notifications.ts'
import { fatalError } from '../../state/evaluations.ts'
import type { Send } from './send.ts'
import type { Summary } from './summary.ts'

export interface BuildNews {
  readonly id: number
  readonly attr: string
  readonly name: string
  readonly system: string
  readonly state: string
  readonly reason: string | null
}

export async function postWebhook(send: Send, target: Extract<Notification, { kind: 'webhook' }>, event: WebhookEvent, delivery: string, summary: Summary, build: BuildNews | undefined, secret: string | undefined): Promise<void> {
  const { evaluation, jobs, comparison, failures, text, url } = summary
  const body = JSON.stringify({
    event,
    delivery,
    evaluation: {
      id: evaluation.id, project: evaluation.project, jobset: evaluation.jobset, variant: evaluation.variant, state: evaluation.state, error: fatalError(evaluation), text, url: url ?? null,
      inputs: Object.fromEntries(Object.entries(evaluation.inputs).flatMap(([name, { url: address, ref, revision }]) => (revision === undefined ? [] : [[name, { url: address, ref, revision }]]))),
      cause: evaluation.cause, jobs, changes: comparison.counts, sameAs: evaluation.sameAs,
      failures: failures.map(({ attr, change, reason, faultBuildId }) => ({ attr, change, reason, faultBuildId })),
    },
    ...(build === undefined ? {} : { build }),
  })
  await send({
    method: 'POST', url: target.url, what: `webhook ${event}`, body,
    headers: {
      'content-type': 'application/json', 'x-firn-event': event, 'x-firn-delivery': delivery,
      ...(secret === undefined ? {} : { 'x-firn-signature-256': `sha256=${createHmac('sha256', secret).update(body).digest('hex')}` }),
    },
  })
}
