/** Ring: api. Jobsets: definitions, triggers by hand, their evaluations and jobs. */
import type { JobsetDefinition } from '../../contract/jobsets.ts'
import { FirnError } from '../../contract/errors.ts'
import { isAtAllowedHost } from '../../contract/hosts.ts'
import { deleteJobset, getJobset, jobsetId, listJobsets, listTimings, putJobset } from '../../state/jobsets.ts'
import { getProject } from '../../state/projects.ts'
import { addTrigger } from '../../state/triggers.ts'
import { nameOf } from '../access/principal.ts'
import type { ApiDependencies } from '../dependencies.ts'
import { conditionally, preconditionOf } from '../http/conditions.ts'
import { HttpError } from '../http/problem.ts'
import { type Handlers, Reply } from '../http/router.ts'
import { EvaluationQueries } from '../queries/evaluations.ts'
import { jobHistory, latestRun, listJobsetJobs, metricOfJob } from '../queries/jobs.ts'
import { nameOfCursor, pageOf } from '../queries/page.ts'
import { permitted } from './evaluations.ts'
import { cancelOfJobsets } from './projects.ts'

type Names = 'listJobsets' | 'getJobset' | 'putJobset' | 'deleteJobset' | 'evaluateJobset' | 'listJobsetEvaluations' | 'listJobsetJobs' | 'jobHistory' | 'latestBuild' | 'jobMetric'

export function jobsetHandlers(dependencies: ApiDependencies): Pick<Handlers, Names> {
  const { database: { db }, motion, settings, logger } = dependencies
  const queries = new EvaluationQueries(db)
  const later = (what: string) => (error: unknown): void => logger.warn({ err: error }, `${what}; a worker's sweep does it`)

  return {
    async listJobsets({ params, query: { limit, cursor, hidden } }) {
      const project = await getProject(db, params.project)
      return pageOf(await listJobsets(db, project.id, { after: nameOfCursor(cursor), limit: limit + 1, hidden }), limit, (jobset) => jobset.name, (jobset) => jobset)
    },

    async getJobset({ params }) {
      return await getJobset(db, params.project, params.jobset)
    },

    async putJobset({ params, headers, body }) {
      requireSensible(body, settings)
      const project = await getProject(db, params.project)
      const { id, created } = await conditionally(() => putJobset(db, project.id, params.jobset, body, preconditionOf(headers)))
      await motion.setSchedules(await listTimings(db, id), id).catch(later('could not set a schedule'))
      if (created && body.state !== 'disabled' && project.enabled) {
        await addTrigger(db, { jobsetId: id, cause: { kind: 'created' } })
        await motion.checkJobset({ kind: 'jobset', jobsetId: id }).catch(later('could not start a check'))
      }
      const jobset = await getJobset(db, params.project, params.jobset)
      return new Reply(created ? 201 : 200, jobset, { ETag: `"${jobset.version}"`, Location: `/api/v1/projects/${jobset.project}/jobsets/${jobset.name}` })
    },

    async deleteJobset({ params }) {
      const jobset = await getJobset(db, params.project, params.jobset)
      await cancelOfJobsets(dependencies, [jobset.id])
      await deleteJobset(db, jobset.id)
      await motion.setSchedules([], jobset.id).catch(later('could not remove a schedule'))
      return jobset
    },

    async evaluateJobset({ params, headers, body }, { principal }) {
      const jobset = await getJobset(db, params.project, params.jobset)
      if (jobset.state === 'disabled') throw new FirnError('conflict', `jobset '${jobset.project}/${jobset.name}' is disabled`)
      const unknown = Object.keys(body.overrides).find((name) => jobset.inputs[name] === undefined)
      if (unknown !== undefined) throw new HttpError(422, 'invalid-input', `jobset '${jobset.name}' has no input '${unknown}' to override; it has ${Object.keys(jobset.inputs).join(', ') || 'none'}`)
      const key = headers['idempotency-key']
      const trigger = await addTrigger(db, {
        jobsetId: jobset.id, cause: { kind: 'hand', ...(principal.name === null ? {} : { by: nameOf(principal) }) }, variant: body.variant, force: body.force, overrides: body.overrides,
        ...(key === undefined ? {} : { idempotencyKey: `${jobset.id} ${key}` }),
      })
      await motion.checkJobset({ kind: 'jobset', jobsetId: jobset.id }).catch(later('could not start a check'))
      return new Reply(202, { jobset: `${jobset.project}/${jobset.name}`, trigger })
    },

    async listJobsetEvaluations({ params, query: { state, variant, limit, cursor } }) {
      return await queries.list({ jobsetId: await jobsetId(db, params.project, params.jobset), state, variant }, { limit, cursor })
    },

    async listJobsetJobs({ params, query: { contains, limit, cursor } }) {
      const rows = await listJobsetJobs(db, await jobsetId(db, params.project, params.jobset), { contains, after: nameOfCursor(cursor), limit: limit + 1 })
      return pageOf(rows, limit, (row) => row.attr, (row) => row)
    },

    async jobHistory({ params, query: { limit, cursor } }) {
      const rows = await jobHistory(db, await jobsetId(db, params.project, params.jobset), params.job, { before: cursor === undefined ? undefined : Number(cursor), limit: limit + 1 })
      return pageOf(rows, limit, (row) => row.evaluationId, (row) => row)
    },

    async latestBuild({ params, query }) {
      const run = await latestRun(db, await jobsetId(db, params.project, params.jobset), params.job, query)
      if (!run) throw new FirnError('not-found', `no build of job '${params.job}' has succeeded${query.finished ? ' in an evaluation that is finished' : ''}`)
      return run
    },

    async jobMetric({ params }) {
      return { items: await metricOfJob(db, await jobsetId(db, params.project, params.jobset), params.job, params.metric) }
    },
  }
}

/** What the schema can't say: an expression's input is one of its inputs and has files, and nothing asks for more than the farm allows. */
export function requireSensible(definition: JobsetDefinition, farm: ApiDependencies['settings']): void {
  const refuse = (message: string): never => {
    throw new HttpError(422, 'invalid-input', message)
  }
  const { source, inputs, settings, pullRequests } = definition
  if (source.kind === 'expression') {
    const input = inputs[source.input]
    if (!input) refuse(`the expression's input '${source.input}' is not among the inputs (${Object.keys(inputs).join(', ') || 'none'})`)
    else if (!['git', 'path', 'tarball', 'file'].includes(input.kind)) refuse(`the expression's input '${source.input}' is a ${input.kind}, which has no files`)
    if (source.file.split('/').includes('..')) refuse('the expression\'s file leads out of its input')
  }
  if (pullRequests && inputs[pullRequests.input]?.kind !== 'git') refuse(`pull requests need a git input; '${pullRequests.input}' is none`)
  for (const notification of definition.notifications) {
    if ('input' in notification && inputs[notification.input]?.kind !== 'git' && source.kind !== 'flake') refuse(`commit statuses need a git input; '${notification.input}' is none`)
    const address = notification.kind === 'webhook' ? notification.url : 'api' in notification ? notification.api : undefined
    if (address !== undefined && !isAtAllowedHost(address, farm.notifications.hosts)) refuse(`${new URL(address).host} is not among the hosts that this farm sends to: ${farm.notifications.hosts.join(', ')}`)
  }
  for (const cron of definition.schedule) {
    if (!/^(@(hourly|daily|weekly|monthly|yearly)|@every .+|([^\s]+\s+){4,6}[^\s]+)$/.test(cron)) refuse(`'${cron}' is no cron expression`)
  }
  const folders = Object.values(inputs).flatMap((input) => (input.kind === 'path' ? [input.path] : input.kind === 'git' && /^(\/|file:)/.test(input.url) ? [input.url.replace(/^file:\/\//, '')] : []))
  permitted({ ...(settings.mode === undefined ? {} : { mode: settings.mode }), ...(settings.allowedUris === undefined ? {} : { allowedUris: settings.allowedUris }), allowedPaths: folders }, { kind: 'derivations', drvPaths: [] }, farm.evaluator)
}
