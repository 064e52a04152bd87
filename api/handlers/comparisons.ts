/** Ring: api. Evaluations compared, kept and moved to the front; aggregates. */
import { sql } from 'kysely'
import { FirnError } from '../../contract/errors.ts'
import { bumpEvaluation } from '../../state/bump.ts'
import { compareEvaluations, listChanges } from '../../state/comparison.ts'
import { getEvaluation } from '../../state/evaluations.ts'
import type { ApiDependencies } from '../dependencies.ts'
import { type Handlers, Reply } from '../http/router.ts'
import { EvaluationQueries } from '../queries/evaluations.ts'
import { nameOfCursor, pageOf } from '../queries/page.ts'
import { RunningComparisons } from '../queries/running-comparisons.ts'
import { evaluationOrNotFound } from './evaluations.ts'

type Names = 'compareEvaluation' | 'listChanges' | 'keepEvaluation' | 'bumpEvaluation' | 'listConstituents'

export function comparisonHandlers({ database: { db }, motion }: ApiDependencies): Pick<Handlers, Names> {
  const queries = new EvaluationQueries(db)
  const running = new RunningComparisons()

  return {
    async compareEvaluation({ params: { id }, query: { against } }) {
      const evaluation = await evaluationOrNotFound(db, id)
      const other = against ?? evaluation.previous ?? undefined
      const compare = async () => await compareEvaluations(db, evaluation, other === undefined ? undefined : await evaluationOrNotFound(db, other))
      // the state is a part of the key: what is said after a change of it is never from before
      return evaluation.endedAt === null ? await running.get(`${id} ${other ?? ''} ${evaluation.state} ${evaluation.evaluatedAt?.getTime() ?? ''}`, compare) : await compare()
    },

    async listChanges({ params: { id }, query }) {
      const evaluation = await evaluationOrNotFound(db, id)
      if (query.against !== undefined) await evaluationOrNotFound(db, query.against)
      const rows = await listChanges(db, evaluation, query.against ?? evaluation.previous, {
        ...(query.change === undefined ? {} : { changes: [query.change] }), derivationChanged: query.derivationChanged, contains: query.contains,
        after: nameOfCursor(query.cursor), limit: query.limit + 1,
      })
      return pageOf(rows, query.limit, (row) => row.attr, (row) => row)
    },

    async keepEvaluation({ params: { id }, body: { keep } }) {
      await sql`update evaluation set keep = ${keep} where id = ${id}`.execute(db)
      return (await queries.present([await evaluationOrNotFound(db, id)]))[0]!
    },

    async bumpEvaluation({ params: { id } }) {
      return new Reply(202, { builds: await bumpEvaluation(db, motion, id) })
    },

    async listConstituents({ params: { id }, query: { job, limit, cursor } }) {
      if (!(await getEvaluation(db, id))) throw new FirnError('not-found', `there is no evaluation ${id}`)
      return await queries.listJobs(id, { constituentsOf: job }, { limit, cursor })
    },
  }
}
