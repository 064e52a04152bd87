/** Ring: api. Evaluations: submitting, listing, waiting for, cancelling and running them again. */
import { type Evaluation, FINAL_EVALUATION_STATES } from '../../contract/api.ts'
import { FirnError } from '../../contract/errors.ts'
import type { EvaluationRequest, EvaluationSettings } from '../../contract/evaluations.ts'
import { parseStorePath, STORE_DIRECTORY } from '../../nix/store-path.ts'
import { cancelEvaluation } from '../../state/cancel.ts'
import type { Database } from '../../state/database.ts'
import { createEvaluation, type EvaluationRow, getEvaluation } from '../../state/evaluations.ts'
import { retryEvaluation } from '../../state/retry.ts'
import { nameOf } from '../access/principal.ts'
import type { ApiDependencies } from '../dependencies.ts'
import { HttpError } from '../http/problem.ts'
import { type Handlers, Reply } from '../http/router.ts'
import { EvaluationQueries } from '../queries/evaluations.ts'
import type { ChangeHub } from '../streams/hub.ts'

type Names = 'submitEvaluation' | 'listEvaluations' | 'getEvaluation' | 'listJobs' | 'waitForEvaluation' | 'cancelEvaluation' | 'retryEvaluation'

export async function evaluationOrNotFound(db: Database, id: number): Promise<EvaluationRow> {
  const row = await getEvaluation(db, id)
  if (!row) throw new FirnError('not-found', `there is no evaluation ${id}`)
  return row
}

export function evaluationHandlers(dependencies: ApiDependencies, hub: ChangeHub): Pick<Handlers, Names> {
  const { database: { db }, motion, store, settings, logger } = dependencies
  const queries = new EvaluationQueries(db)
  const show = async (row: EvaluationRow): Promise<Evaluation> => (await queries.present([row]))[0]!
  const showNow = async (id: number): Promise<Evaluation> => show(await evaluationOrNotFound(db, id))

  /** Every store path that a request names must be here: an upload that went wrong is told at once. */
  async function requireUploaded(request: EvaluationRequest): Promise<void> {
    const { source } = request
    const named = source.kind === 'store' ? [source.storePath] : source.kind === 'derivations' ? source.drvPaths : []
    const hashes = named.map((path) => parseStorePath(path).hash)
    const valid = await store.pathInfos.has(hashes)
    const missing = named.filter((_path, index) => !valid.has(hashes[index]!))
    if (missing.length > 0) throw new HttpError(422, 'not-found', `not in the farm's store: ${missing.slice(0, 5).join(', ')}${missing.length > 5 ? ` and ${missing.length - 5} more` : ''}; upload them first`, { data: { missing: missing.slice(0, 1000) } })
  }

  return {
    async submitEvaluation({ body, headers }, { principal }) {
      const request: EvaluationRequest = { ...body, settings: permitted(body.settings, body.source, settings.evaluator) }
      await requireUploaded(request)
      const key = headers['idempotency-key']
      const { evaluation, created } = await createEvaluation(db, request, { ...(key === undefined ? {} : { idempotencyKey: key }), ...(principal.name === null ? {} : { principal: nameOf(principal) }) })
      if (!created && !sameRequest(evaluation.request, request)) throw new FirnError('conflict', `the idempotency key was used before for another request (evaluation ${evaluation.id})`, { data: { evaluationId: evaluation.id } })
      // a failure to start is made good by the sweep of any worker; the submission is recorded
      await motion.startEvaluation(evaluation.id).catch((error: unknown) => logger.warn({ err: error, evaluationId: evaluation.id }, 'could not start the evaluation now'))
      return new Reply(created ? 201 : 200, await show(evaluation), { Location: `/api/v1/evaluations/${evaluation.id}` })
    },

    async listEvaluations({ query: { state, limit, cursor } }) {
      return queries.list({ state }, { limit, cursor })
    },

    async getEvaluation({ params: { id } }) {
      const [evaluation, nodes] = await Promise.all([showNow(id), queries.nodeCounts(id)])
      return { ...evaluation, nodes }
    },

    async listJobs({ params: { id }, query: { state, prefix, contains, brief, limit, cursor } }) {
      await evaluationOrNotFound(db, id)
      return queries.listJobs(id, { state, prefix, contains, brief }, { limit, cursor })
    },

    async waitForEvaluation({ params: { id }, query }, { signal }) {
      await hub.until(async () => {
        const row = await evaluationOrNotFound(db, id)
        return FINAL_EVALUATION_STATES.includes(row.state) ? row : undefined
      }, { seconds: query.timeout, signal })
      return showNow(id)
    },

    async cancelEvaluation({ params: { id } }) {
      await cancelEvaluation(db, motion, id)
      return new Reply(202, await showNow(id))
    },

    async retryEvaluation({ params: { id } }) {
      const { builds, evaluationRestarted } = await retryEvaluation(db, motion, id)
      return new Reply(202, { builds: [...builds], evaluationRestarted })
    },
  }
}

const FREEDOM = { pure: 0, restricted: 1, impure: 2 } as const

/**
 * What a submission may see: never more than the farm's settings allow, and that where it says nothing. Folders of the
 * machine are named only below those that are allowed.
 */
export function permitted(asked: Partial<EvaluationSettings>, source: EvaluationRequest['source'], farm: ApiDependencies['settings']['evaluator']): Partial<EvaluationSettings> {
  const mode = asked.mode ?? farm.mode
  if (FREEDOM[mode] > FREEDOM[farm.mode]) throw new FirnError('forbidden', `this farm evaluates in ${farm.mode} mode at most; '${mode}' was asked for`)
  const local = [...localPathsOf(source), ...(asked.allowedPaths ?? []), ...(asked.searchPath ?? []).map((entry) => entry.path).filter((path) => path.startsWith('/'))]
  for (const path of local) {
    if (!isBelow(path, [...farm.allowedPaths, STORE_DIRECTORY])) throw new FirnError('forbidden', `this farm does not evaluate files of its machine below ${path.slice(0, 300)} (evaluator.allowedPaths); upload them instead`)
  }
  const foreign = (asked.allowedUris ?? []).find((uri) => !farm.allowedUris.some((allowed) => uri.startsWith(allowed)))
  if (foreign !== undefined) throw new FirnError('forbidden', `this farm does not fetch from '${foreign.slice(0, 200)}' (evaluator.allowedUris)`)
  return { ...asked, mode, allowedUris: asked.allowedUris ?? farm.allowedUris, ...(farm.mode !== 'impure' && { restrictUris: true }) }
}

/** Files of the machine that a request names. */
function localPathsOf(source: EvaluationRequest['source']): string[] {
  if (source.kind === 'file') return [source.path]
  const local = source.kind === 'flake' ? /^(?:path:|(?:git\+|tarball\+|hg\+)?file:(?:\/\/)?)?(\/[^?#]*)/.exec(source.reference) : null
  return local === null ? [] : [decodeURIComponent(local[1]!)]
}

/** Textually below one of the folders; `..` is refused, since it would lead out. */
function isBelow(path: string, folders: readonly string[]): boolean {
  if (path.split('/').includes('..')) return false
  return folders.some((folder) => path === folder || path.startsWith(folder.endsWith('/') ? folder : `${folder}/`))
}

/** Postgres keeps JSON by value, not as text: keys come back in another order. */
function sameRequest(left: unknown, right: unknown): boolean {
  return JSON.stringify(sorted(left)) === JSON.stringify(sorted(right))
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).filter(([, inner]) => inner !== undefined).sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, inner]) => [key, sorted(inner)]))
}
