/** Ring: activities. Sends one piece of news to one target. What it says is looked up when it is sent: after hours of tries it is still true. */
import { sql } from 'kysely'
import { asFirnError } from '../../contract/errors.ts'
import { describeCause, type NodeOutcome } from '../../contract/nodes.ts'
import type { NotificationActivities, NotifyInput } from '../../contract/notifications.ts'
import { readCredential } from '../../state/credentials.ts'
import { recordEvaluationEvents } from '../../state/evaluations.ts'
import { getJobsetById } from '../../state/jobsets.ts'
import type { Dependencies } from '../dependencies.ts'
import { failureOf } from '../faults.ts'
import { writeStatuses } from './forges.ts'
import { sendMail, worthMail } from './mail.ts'
import { sendTo } from './send.ts'
import { summaryOf } from './summary.ts'
import { type BuildNews, postWebhook } from './webhook.ts'

/** Failures that a mail or a webhook lists. */
const LISTED = 50

export type NotifyParts = Pick<Dependencies, 'database' | 'settings' | 'logger'>

export function notificationActivities(parts: NotifyParts): NotificationActivities {
  const { database: { db }, settings, logger } = parts
  const send = sendTo(settings.notifications.hosts)

  async function notify({ target: { evaluationId, notification }, news, delivery }: NotifyInput): Promise<void> {
    const failures = 'failures' in notification ? notification.failures : LISTED
    const summary = await summaryOf(db, evaluationId, { publicUrl: settings.api.publicUrl, failures })
    const jobset = await getJobsetById(db, summary.evaluation.jobsetId)
    if (!jobset) return
    const secretOf = async (name: string): Promise<string> => (await readCredential(parts, summary.projectId, name)).secret
    switch (notification.kind) {
      case 'email':
        if (worthMail(notification, summary)) await sendMail(notification, summary, delivery, settings.mail)
        return
      case 'webhook': {
        const secret = notification.secret === undefined ? undefined : await secretOf(notification.secret)
        const build = news.kind === 'build' ? await buildNews(news.buildId, news.attr) : undefined
        await postWebhook(send, notification, news.kind === 'build' ? 'build.ended' : `evaluation.${news.phase}`, delivery, summary, build, secret)
        return
      }
      default: await writeStatuses(send, notification, summary, jobset, await secretOf(notification.credential))
    }
  }

  async function buildNews(id: number, attr: string): Promise<BuildNews | undefined> {
    const { rows } = await sql<{ name: string; system: string; state: string; outcome: NodeOutcome | null }>`select name, system, state, outcome from node where id = ${id}`.execute(db)
    const row = rows[0]
    return row && { id, attr, name: row.name, system: row.system, state: row.state, reason: row.outcome?.status === 'failed' ? describeCause(row.outcome.cause) : null }
  }

  return {
    async notify(input) {
      try {
        await notify(input)
      } catch (error) {
        // the evaluation was deleted, or the credential: there is nothing to say, or no way to
        logger.debug({ err: error, evaluationId: input.target.evaluationId, kind: input.target.notification.kind }, 'a notification was not taken')
        throw failureOf(error)
      }
    },
    async recordUndelivered({ target, news }, message) {
      logger.warn({ evaluationId: target.evaluationId, kind: target.notification.kind, message }, 'a notification could not be delivered')
      await recordEvaluationEvents(db, target.evaluationId, [{ kind: 'notification.failed', data: { to: target.notification.kind, news: news.kind === 'build' ? 'build.ended' : `evaluation.${news.phase}`, message: message.slice(0, 2000) } }])
        .catch((error: unknown) => {
          // a deleted evaluation has no events
          if (asFirnError(error).kind !== 'internal') throw failureOf(error)
        })
    },
  }
}
