/** Ring: api. Evaluations, jobs and builds under Hydra's addresses. Upstream counterpart: Hydra::Controller::JobsetEval, Job and Build. */
import { FirnError } from '../../contract/errors.ts'
import { STORE_DIRECTORY } from '../../nix/store-path.ts'
import { bumpBuild, bumpEvaluation } from '../../state/bump.ts'
import { cancelBuild, cancelEvaluation } from '../../state/cancel.ts'
import { compareEvaluations, listChanges } from '../../state/comparison.ts'
import { type EvaluationRow, fatalError, getEvaluation } from '../../state/evaluations.ts'
import { jobsetId } from '../../state/jobsets.ts'
import { keepBuild } from '../../state/results.ts'
import { retryBuild, retryEvaluation } from '../../state/retry.ts'
import type { ApiDependencies } from '../dependencies.ts'
import { latestRun, metricOfJob } from '../queries/jobs.ts'
import { alert, changedInputs, evaluationBody, html, inputTable, jobBuilds } from './html.ts'
import { epoch, hydraBuilds, hydraEvaluation, isFinished, statusOf } from './present.ts'
import { buildIdsOf, buildOfJob, buildsOfEvaluation, buildsOfJob, constituentsOf, errorsOf, evaluationsOfBuild, hydraBuild, type HydraBuildRow, productsOf, storePathsOf } from './queries.ts'
import type { HydraAnswer, HydraCall, HydraRoute } from './route.ts'

/** Builds of a job on its page, and on the page of all. */
const RECENT = 5
const ALL = 500
const EVERY = 1_000_000

export function evaluationRoutes({ database: { db }, motion }: ApiDependencies): HydraRoute[] {
  async function evaluationOf(call: HydraCall): Promise<EvaluationRow> {
    const row = await getEvaluation(db, call.id())
    if (!row || row.jobsetId === null) throw new FirnError('not-found', `Evaluation ${call.id()} doesn't exist.`)
    return row
  }

  return [
    {
      method: 'get', path: '/eval/:id', scope: 'read',
      async handle(call) {
        const evaluation = await evaluationOf(call)
        const json = hydraEvaluation(evaluation, (await buildIdsOf(db, [evaluation.id])).get(evaluation.id) ?? [])
        if (!call.asPage) return { json }
        const filter = call.query('filter')?.toLowerCase()
        const compare = call.query('compare')
        const against = compare !== undefined && /^[1-9]\d{0,8}$/.test(compare) ? Number(compare) : evaluation.previous
        const [changes, builds, errors, other] = await Promise.all([
          listChanges(db, evaluation, against, { limit: EVERY }), buildsOfEvaluation(db, evaluation.id), errorsOf(db, evaluation.id), against === null ? undefined : getEvaluation(db, against),
        ])
        const comparison = await compareEvaluations(db, evaluation, other)
        return {
          json,
          page: {
            title: `Evaluation ${evaluation.id} of jobset ${evaluation.project}:${evaluation.jobset}`, ui: `/ui/evaluations/${evaluation.id}`,
            body: evaluationBody({
              evaluation, builds, errors, inputs: html`${inputTable(evaluation)}${changedInputs(comparison.inputs)}`,
              changes: filter === undefined || filter === '' ? changes : changes.filter((one) => one.attr.toLowerCase().includes(filter)),
            }),
          },
        }
      },
    },
    {
      method: 'get', path: '/eval/:id/builds', scope: 'read',
      async handle(call) {
        return { json: await hydraBuilds(db, await buildsOfEvaluation(db, (await evaluationOf(call)).id), { allEvaluations: false }) }
      },
    },
    { method: 'get', path: '/eval/:id/store-paths', scope: 'read', handle: async (call) => ({ json: await storePathsOf(db, (await evaluationOf(call)).id) }) },
    {
      method: 'get', path: '/eval/:id/errors', scope: 'read',
      async handle(call) {
        const evaluation = await evaluationOf(call)
        const errors = (await errorsOf(db, evaluation.id)).map(({ attr, error }) => `in job ‘${attr}’:\n${error}\n`)
        return { json: { id: evaluation.id, errormsg: [...(fatalError(evaluation) === null ? [] : [fatalError(evaluation)]), ...errors].join('\n'), errortime: epoch(evaluation.evaluatedAt) } }
      },
    },
    {
      method: 'get', path: '/eval/:id/job/:job{/*rest}', scope: 'read',
      async handle(call) {
        const build = await buildOfJob(db, (await evaluationOf(call)).id, call.param('job'))
        if (!build) throw new FirnError('not-found', 'This evaluation has no job with the specified name.')
        return { redirect: `/build/${build.id}${call.rest}` }
      },
    },
    {
      method: 'post', path: '/eval/:id/cancel', scope: 'restart', project: 'evaluation',
      async handle(call) {
        await cancelEvaluation(db, motion, (await evaluationOf(call)).id)
        return { redirect: `/eval/${call.id()}` }
      },
    },
    ...['restart-aborted', 'restart-failed'].map((action): HydraRoute => ({
      method: 'post', path: `/eval/:id/${action}`, scope: 'restart', project: 'evaluation',
      async handle(call) {
        await retryEvaluation(db, motion, (await evaluationOf(call)).id)
        return { redirect: `/eval/${call.id()}` }
      },
    })),
    {
      method: 'post', path: '/eval/:id/bump', scope: 'restart', project: 'evaluation',
      async handle(call) {
        await bumpEvaluation(db, motion, (await evaluationOf(call)).id)
        return { redirect: `/eval/${call.id()}` }
      },
    },
  ]
}

export function jobRoutes({ database: { db } }: ApiDependencies): HydraRoute[] {
  const jobOf = async (call: HydraCall): Promise<{ id: number; job: string }> => ({ id: await jobsetId(db, call.param('project'), call.param('jobset')), job: call.param('job') })
  const path = '/job/:project/:jobset/:job'

  const latest = (name: string, finished: boolean): HydraRoute => ({
    method: 'get', path: `${path}/${name}{/*rest}`, scope: 'read',
    async handle(call) {
      const { id, job } = await jobOf(call)
      const system = name.includes(':system') ? call.param('system') : undefined
      const run = await latestRun(db, id, job, { finished, system })
      if (run?.buildId === undefined || run.buildId === null) throw new FirnError('not-found', `There is no successful build ${system === undefined ? '' : `for platform '${system}' `}to redirect to.`)
      return { redirect: `/build/${run.buildId}${call.rest}` }
    },
  })
  const history = (suffix: string, limit: number): HydraRoute => ({
    method: 'get', path: path + suffix, scope: 'read',
    async handle(call) {
      const { id, job } = await jobOf(call)
      const builds = await buildsOfJob(db, id, job, limit)
      const title = `Job ${call.param('project')}:${call.param('jobset')}:${job}`
      return {
        ...(builds.length === 0 ? { status: 404 } : {}),
        json: await hydraBuilds(db, builds, { allEvaluations: false }),
        page: { title, ui: `/ui/projects/${encodeURIComponent(call.param('project'))}/${encodeURIComponent(call.param('jobset'))}/jobs/${encodeURIComponent(job)}`, body: builds.length === 0 ? alert('This job has no builds.') : jobBuilds(builds) },
      }
    },
  })
  /** Of builds that succeeded, oldest first. */
  const series = (name: string, value: (build: HydraBuildRow) => number | null): HydraRoute => ({
    method: 'get', path: `${path}/${name}`, scope: 'read',
    async handle(call) {
      const { id, job } = await jobOf(call)
      const builds = (await buildsOfJob(db, id, job, ALL)).filter((build) => statusOf(build) === 0).reverse()
      return { json: builds.flatMap((build) => { const one = value(build); return one === null ? [] : [{ id: build.id, timestamp: epoch(build.createdAt), value: one }] }) }
    },
  })
  /** The newest that is finished, whatever became of it. */
  const newest = async (call: HydraCall): Promise<HydraBuildRow> => {
    const { id, job } = await jobOf(call)
    const build = (await buildsOfJob(db, id, job, ALL)).find(isFinished)
    if (!build) throw new FirnError('not-found', `No latest build for job ‘${job}’.`)
    return build
  }

  return [
    latest('latest', false), latest('latest-for/:system', false), latest('latest-finished', true),
    history('', RECENT), history('/all', ALL),
    {
      method: 'get', path: `${path}/shield`, scope: 'read',
      async handle(call) {
        const status = statusOf(await newest(call))
        const [color, message] = status === 0 ? ['green', 'passing'] : status === 4 ? ['yellow', 'cancelled'] : ['red', 'failing']
        return { json: { schemaVersion: 1, label: 'hydra build', color, message } }
      },
    },
    {
      method: 'get', path: `${path}/prometheus`, scope: 'read',
      async handle(call) {
        const build = await newest(call)
        const labels = `{project="${build.project}",jobset="${build.jobset}",job="${build.job.replace(/[\\"\n]/g, (character) => (character === '\n' ? '\\n' : `\\${character}`))}"}`
        const figures: readonly (readonly [string, string, string, number])[] = [
          ['hydra_job_completion_time', 'counter', 'The most recent job\'s completion time', epoch(build.endedAt ?? build.createdAt) ?? 0],
          ['hydra_job_failed', 'gauge', 'Record if the most recent version of this job failed (1 means failed)', Number(statusOf(build) !== 0)],
          ['hydra_build_closure_size', 'gauge', 'Closure size of the last job\'s build in bytes', build.closureBytes ?? 0],
          ['hydra_build_output_size', 'gauge', 'Output size of the last job\'s build in bytes', build.outputBytes ?? 0],
        ]
        return { text: figures.map(([name, kind, help, value]) => `# HELP ${name} ${help}\n# TYPE ${name} ${kind}\n${name}${labels} ${value}\n`).join('') }
      },
    },
    series('build-times', (build) => (build.startedAt && build.endedAt ? Math.round((build.endedAt.getTime() - build.startedAt.getTime()) / 1000) : null)),
    series('closure-sizes', (build) => build.closureBytes),
    series('output-sizes', (build) => build.outputBytes),
    {
      method: 'get', path: `${path}/metric/:metric`, scope: 'read',
      async handle(call) {
        const { id, job } = await jobOf(call)
        return { json: (await metricOfJob(db, id, job, call.param('metric'))).map((point) => ({ id: point.buildId, timestamp: epoch(point.at), value: point.value, unit: point.unit })) }
      },
    },
  ]
}

export function buildRoutes({ database: { db }, motion }: ApiDependencies): HydraRoute[] {
  async function buildOf(call: HydraCall): Promise<HydraBuildRow> {
    const build = await hydraBuild(db, call.id())
    if (!build) throw new FirnError('not-found', `Build with ID ${call.id()} doesn't exist, or is no job of a jobset (see /api/v1/builds/${call.id()}).`)
    return build
  }
  const redirect = (path: string, target: (call: HydraCall, build: HydraBuildRow) => Promise<string> | string): HydraRoute => ({
    method: 'get', path: `/build/:id${path}`, scope: 'read', handle: async (call) => ({ redirect: await target(call, await buildOf(call)) }),
  })
  const action = (path: string, act: (build: HydraBuildRow, call: HydraCall) => Promise<unknown>): HydraRoute => ({
    method: 'post', path: `/build/:id/${path}`, scope: 'restart', project: 'build',
    async handle(call) {
      const build = await buildOf(call)
      await act(build, call)
      return { redirect: `/build/${build.id}` }
    },
  })
  const productOf = async (build: HydraBuildRow, wanted: (product: { number: number; type: string; subtype: string }) => boolean): Promise<string> => {
    const product = (await productsOf(db, [build.id])).get(build.id)?.products.find(wanted)
    if (!product) throw new FirnError('not-found', `Build ${build.id} has no such product.`)
    return `/api/v1/builds/${build.id}/products/${product.number}`
  }
  const log = (_call: HydraCall, build: HydraBuildRow): string => `/api/v1/builds/${build.id}/log`

  return [
    {
      method: 'get', path: '/build/:id', scope: 'read',
      async handle(call) {
        const build = await buildOf(call)
        const evaluation = (await getEvaluation(db, build.evaluationId))!
        const page: HydraAnswer['page'] = {
          title: `Build ${build.id} of job ${build.project}:${build.jobset}:${build.job}`, ui: `/ui/builds/${build.id}`,
          body: html`${jobBuilds([build])}<div id="tabs-buildinputs"><h2>Inputs</h2>${inputTable(evaluation)}</div>`,
        }
        return { json: (await hydraBuilds(db, [build], { allEvaluations: true }))[0], page }
      },
    },
    { method: 'get', path: '/build/:id/constituents', scope: 'read', handle: async (call) => ({ json: await hydraBuilds(db, await constituentsOf(db, await buildOf(call)), { allEvaluations: false }) }) },
    {
      method: 'get', path: '/build/:id/evals', scope: 'read',
      async handle(call) {
        const ids = await evaluationsOfBuild(db, await buildOf(call))
        const [rows, builds] = await Promise.all([Promise.all(ids.map((id) => getEvaluation(db, id))), buildIdsOf(db, ids)])
        return { json: { evals: rows.flatMap((row) => (row ? [hydraEvaluation(row, builds.get(row.id) ?? [])] : [])), first: '?page=1', last: '?page=1' } }
      },
    },
    redirect('/log', log), redirect('/log/raw', log), redirect('/nixlog/:step', log), redirect('/nixlog/:step/raw', log),
    redirect('/log/tail', (call, build) => `${log(call, build)}?tail=50`), redirect('/nixlog/:step/tail', (call, build) => `${log(call, build)}?tail=50`),
    redirect('/download/:number{/*rest}', (call, build) => productOf(build, (one) => String(one.number) === call.param('number'))),
    redirect('/download-by-type/:type/:subtype{/*rest}', (call, build) => productOf(build, (one) => one.type === call.param('type') && (one.subtype === '' ? 'none' : one.subtype) === call.param('subtype'))),
    redirect('/output/:output', (call, build) => {
      const base = build.outputs[call.param('output')]
      if (statusOf(build) !== 0 || base === undefined || base === null) throw new FirnError('not-found', `Build ${build.id} has no output '${call.param('output').slice(0, 100)}' in ${STORE_DIRECTORY}.`)
      return `/${base.slice(0, 32)}.narinfo`
    }),
    action('restart', (build) => retryBuild(db, motion, build.id)),
    action('cancel', (build) => cancelBuild(db, motion, build.id)),
    action('bump', (build) => bumpBuild(db, motion, build.id)),
    action('keep/:keep', (build, call) => keepBuild(db, build.id, call.param('keep') === '1')),
  ]
}
