/** Ring: activities. Mail of how an evaluation ended. Upstream counterpart: Hydra's EmailNotification, which writes one mail a build. */
import { createTransport } from 'nodemailer'
import type { Settings } from '../../config/settings.ts'
import { FirnError } from '../../contract/errors.ts'
import type { Notification } from '../../contract/jobsets.ts'
import { fatalError } from '../../state/evaluations.ts'
import type { Summary } from './summary.ts'

const TIMEOUT_MILLISECONDS = 30_000

/** Whether this end is worth a mail. */
export function worthMail({ when }: Extract<Notification, { kind: 'email' }>, { evaluation, jobs, comparison: { counts, against } }: Summary): boolean {
  // nobody needs to be told of what somebody did by hand
  if (evaluation.state === 'cancelled') return false
  const fatal = fatalError(evaluation) !== null
  const bad = fatal || jobs.failed + jobs.errors > 0
  if (when === 'always') return true
  if (when === 'failed') return bad
  return fatal || counts['newly-failing'] + counts.fixed > 0 || (against === null && bad)
}

export async function sendMail(target: Extract<Notification, { kind: 'email' }>, summary: Summary, delivery: string, settings: Settings['mail']): Promise<void> {
  const { server, from } = settings
  if (server === undefined || from === undefined) throw new FirnError('invalid-input', 'mail: this farm has no mail server (mail.server and mail.from)')
  const { evaluation } = summary
  const transport = createTransport({ url: server, connectionTimeout: TIMEOUT_MILLISECONDS, greetingTimeout: TIMEOUT_MILLISECONDS, socketTimeout: TIMEOUT_MILLISECONDS })
  try {
    await transport.sendMail({
      from, to: [...target.to],
      subject: `${evaluation.project}/${evaluation.jobset}${evaluation.variant === '' ? '' : ` (${evaluation.variant})`}: ${summary.text}`.replace(/[\r\n]+/g, ' ').slice(0, 200),
      text: textOf(summary),
      // the same for every try, so that a mail that was taken twice is shown once; and nobody's vacation answers
      messageId: `<${delivery}@firn>`,
      headers: { 'Auto-Submitted': 'auto-generated', 'X-Firn-Project': evaluation.project, 'X-Firn-Jobset': evaluation.jobset, 'X-Firn-Evaluation': String(evaluation.id) },
      // one thread a jobset
      references: `<jobset-${evaluation.jobsetId}@firn>`,
    })
  } catch (error) {
    const code = typeof error === 'object' && error !== null && 'responseCode' in error ? Number(error.responseCode) : 0
    // 5xx: refused for good; everything else may pass
    throw new FirnError(code >= 500 ? 'invalid-input' : 'unavailable', `mail: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  } finally {
    transport.close()
  }
}

function textOf({ evaluation, text, url, comparison, failures, jobs }: Summary): string {
  const lines = [
    `Evaluation ${evaluation.id} of ${evaluation.project}/${evaluation.jobset}: ${text}.`, ...(url === undefined ? [] : [url]), '',
    ...comparison.inputs.map((input) => `${input.name}: ${input.before ?? 'nothing'} → ${input.now ?? 'nothing'}`), '',
    ...(fatalError(evaluation) === null ? [] : [fatalError(evaluation), '']),
    ...(comparison.faults.length === 0 ? [] : ['At fault:', ...comparison.faults.map((fault) => `  ${fault.name} (build ${fault.buildId}): ${fault.description}; ${fault.jobs} job${fault.jobs === 1 ? '' : 's'}`), '']),
    ...(failures.length === 0 ? [] : ['Failing:', ...failures.map((one) => `  ${one.attr}${one.change === 'still-failing' ? ' (as before)' : ''}: ${one.reason ?? 'failed'}`), ...(jobs.failed + jobs.errors > failures.length ? [`  and ${jobs.failed + jobs.errors - failures.length} more`] : []), '']),
  ]
  return lines.join('\n')
}
