/** Ring: activities. What there is to say of an evaluation, for all ways of saying it. */
import { sql } from 'kysely'
import type { Comparison, JobChange } from '../../contract/comparison.ts'
import { FirnError } from '../../contract/errors.ts'
import { compareEvaluations, listChanges } from '../../state/comparison.ts'
import type { Database } from '../../state/database.ts'
import { type EvaluationRow, fatalError, getEvaluation } from '../../state/evaluations.ts'
import { countJobs, type JobCounts, NO_JOBS } from '../../state/job-states.ts'

export interface Summary {
  readonly evaluation: EvaluationRow & { readonly project: string; readonly jobset: string; readonly jobsetId: number }
  readonly projectId: number
  readonly ended: boolean
  readonly jobs: JobCounts
  readonly comparison: Comparison
  /** Jobs that fail, what is new first; at most so many as were asked for. */
  readonly failures: readonly JobChange[]
  /** One line. */
  readonly text: string
  /** Where people look; undefined where the farm does not know its address (api.publicUrl). */
  readonly url: string | undefined
}

/** Errors: 'not-found' where the evaluation is gone. */
export async function summaryOf(db: Database, evaluationId: number, options: { readonly publicUrl: string | undefined; readonly failures: number }): Promise<Summary> {
  const evaluation = await getEvaluation(db, evaluationId)
  if (!evaluation || evaluation.jobsetId === null || evaluation.project === null || evaluation.jobset === null) throw new FirnError('not-found', `evaluation ${evaluationId} of a jobset is gone`)
  const { jobsetId, project, jobset } = evaluation
  const before = evaluation.previous === null ? undefined : await getEvaluation(db, evaluation.previous)
  const [counts, comparison, { rows }] = await Promise.all([
    countJobs(db, [evaluationId]), compareEvaluations(db, evaluation, before), sql<{ id: number }>`select project_id as id from jobset where id = ${jobsetId}`.execute(db),
  ])
  const failing = async (changes: readonly JobChange['change'][], limit: number): Promise<JobChange[]> => (limit <= 0 ? [] : (await listChanges(db, evaluation, evaluation.previous, { changes, limit }))
    .filter(({ now }) => now !== null && (now.state === 'failed' || now.state === 'error')))
  const fresh = await failing(['newly-failing', 'added'], options.failures)
  const failures = [...fresh, ...await failing(['still-failing', 'aborted'], options.failures - fresh.length)]
  const jobs = counts.get(evaluationId) ?? NO_JOBS
  return {
    evaluation: { ...evaluation, jobsetId, project, jobset }, projectId: rows[0]!.id, ended: evaluation.endedAt !== null, jobs, comparison, failures,
    text: textOf(evaluation, jobs, comparison, before !== undefined),
    url: options.publicUrl === undefined ? undefined : `${options.publicUrl.replace(/\/+$/, '')}/ui/evaluations/${evaluationId}`,
  }
}

function textOf(evaluation: EvaluationRow, jobs: JobCounts, { counts, faults }: Comparison, compared: boolean): string {
  const [{ state, endedAt }, error] = [evaluation, fatalError(evaluation)]
  if (endedAt === null) return jobs.total === 0 ? 'being evaluated' : `${jobs.succeeded} of ${jobs.total} jobs done`
  if (state === 'cancelled') return 'cancelled'
  if (error !== null) return `can't be evaluated: ${error.split('\n')[0]!}`
  const failed = jobs.failed + jobs.errors
  if (failed === 0) return `${jobs.total} job${jobs.total === 1 ? '' : 's'} succeeded${compared && counts.fixed > 0 ? `, ${counts.fixed} of them failed before` : ''}`
  const news = compared ? [...(counts['newly-failing'] > 0 ? [`${counts['newly-failing']} newly`] : []), ...(counts.fixed > 0 ? [`${counts.fixed} fixed`] : [])].join(', ') : ''
  return `${failed} of ${jobs.total} jobs failed${news === '' ? '' : ` (${news})`}${faults[0] === undefined ? '' : `: ${faults[0].name}, ${faults[0].description}`}`
}
