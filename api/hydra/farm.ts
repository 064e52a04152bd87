/** Ring: api. The queue, overviews and search under Hydra's addresses. Upstream counterpart: Hydra::Controller::API and Root. */
import { FirnError } from '../../contract/errors.ts'
import { countJobs } from '../../state/job-states.ts'
import { getJobset, listJobsets } from '../../state/jobsets.ts'
import { getProject } from '../../state/projects.ts'
import type { ApiDependencies } from '../dependencies.ts'
import { listWorkers } from '../queries/farm.ts'
import { search } from '../queries/search.ts'
import { links } from './html.ts'
import { briefBuild, hydraBuilds, hydraJobsetOf, hydraOverview, hydraProject } from './present.ts'
import { endedByPeriod, listHydraBuilds, overviewOf, searchBuilds } from './queries.ts'
import { allJobsets, pushed, trigger } from '../webhooks/triggers.ts'
import type { HydraRoute } from './route.ts'

const MANY = 10_000
const PERIODS: Readonly<Record<string, number>> = { hour: 3600, day: 86_400 }

export function farmRoutes(dependencies: ApiDependencies): HydraRoute[] {
  const { database: { db } } = dependencies
  const list = (text: string | undefined): string[] => (text ?? '').split(',').filter((one) => one !== '')

  return [
    {
      method: 'post', path: '/api/push', scope: 'submit', project: 'named',
      async handle(call) {
        const force = call.query('force') !== undefined
        const jobsets = pushed(await allJobsets(db), list(call.query('jobsets')), list(call.query('repos')), force)
        return { json: { jobsetsTriggered: await trigger(dependencies, jobsets.map((jobset) => ({ jobset })), { kind: 'push' }, { force }) } }
      },
    },
    {
      method: 'get', path: '/api/jobsets', scope: 'read',
      async handle(call) {
        const name = call.query('project')
        if (name === undefined) throw new FirnError('invalid-input', 'Parameter \'project\' not defined!')
        const rows = await overviewOf(db, (await getProject(db, name)).id)
        const counts = await countJobs(db, rows.flatMap((row) => row.newest ?? []))
        return { json: rows.map((row) => hydraOverview(row, row.newest === null ? undefined : counts.get(row.newest))) }
      },
    },
    {
      method: 'get', path: '/api/latestbuilds', scope: 'read',
      async handle(call) {
        const given = (name: string): string | undefined => call.query(name) || undefined
        const filter = { project: given('project'), jobset: given('jobset'), job: given('job'), system: given('system'), finished: true }
        return { json: (await listHydraBuilds(db, filter, call.count('nr', { maximum: MANY }))).map(briefBuild) }
      },
    },
    { method: 'get', path: '/api/queue', scope: 'read', handle: async (call) => ({ json: (await listHydraBuilds(db, { finished: false }, call.count('nr', { maximum: MANY }))).map(briefBuild) }) },
    { method: 'get', path: '/api/nrqueue', scope: 'read', handle: async () => ({ text: String((await listHydraBuilds(db, { finished: false }, 1_000_000)).length) }) },
    {
      method: 'get', path: '/api/nrbuilds', scope: 'read',
      async handle(call) {
        const seconds = PERIODS[call.query('period') ?? '']
        if (seconds === undefined) throw new FirnError('invalid-input', 'Parameter \'period\' is \'hour\' or \'day\'.')
        return { json: await endedByPeriod(db, seconds, call.count('nr', { maximum: MANY })) }
      },
    },
    {
      method: 'get', path: '/search', scope: 'read',
      async handle(call) {
        const query = (call.query('query') ?? '').trim().slice(0, 200)
        if (query === '') throw new FirnError('invalid-input', 'Empty query.')
        const limit = call.count('limit', { maximum: 500, otherwise: 10 })
        const [found, builds, buildsdrv] = await Promise.all([search(db, query, limit), searchBuilds(db, query, 'outputs', limit), searchBuilds(db, query, 'derivation', limit)])
        const projects = await Promise.all(found.projects.filter((one) => one.jobset === null).map(async ({ project: name }) => {
          const project = await getProject(db, name)
          return hydraProject(project, (await listJobsets(db, project.id, { limit: MANY, hidden: true })).map((one) => one.name))
        }))
        const jobsets = await Promise.all(found.projects.flatMap((one) => (one.jobset === null ? [] : [getJobset(db, one.project, one.jobset)])))
        return {
          json: {
            projects, jobsets: jobsets.map((jobset) => hydraJobsetOf(jobset, null)),
            builds: await hydraBuilds(db, builds, { allEvaluations: true }), buildsdrv: await hydraBuilds(db, buildsdrv, { allEvaluations: true }),
          },
          page: { title: `Search: ${query}`, ui: `/ui/search?q=${encodeURIComponent(query)}`, body: links([...builds, ...buildsdrv].map((build) => [`${build.project}:${build.jobset}:${build.job} (${build.name})`, `/build/${build.id}`])) },
        }
      },
    },
    { method: 'get', path: '/queue', scope: 'read', handle: async (call) => (call.asPage ? { redirect: '/ui/queue' } : { json: (await listHydraBuilds(db, { finished: false }, MANY)).map(briefBuild) }) },
    {
      method: 'get', path: '/machines', scope: 'read',
      async handle(call) {
        if (call.asPage) return { redirect: '/ui/workers' }
        const workers = await listWorkers(db)
        return { json: Object.fromEntries(workers.map((worker) => [worker.id, { systemTypes: worker.systems, supportedFeatures: worker.features, maxJobs: worker.slots, disabled: !worker.live, nrStepsRunning: worker.running.length }])) }
      },
    },
    {
      method: 'get', path: '/queue-runner-status', scope: 'read',
      async handle() {
        const [queued, workers] = await Promise.all([listHydraBuilds(db, { finished: false }, 1_000_000), listWorkers(db)])
        return { json: { status: 'up', nrQueuedBuilds: queued.length, nrActiveSteps: workers.reduce((sum, worker) => sum + worker.running.length, 0), machines: workers.filter((worker) => worker.live).length } }
      },
    },
    { method: 'get', path: '/prometheus', scope: 'open', handle: () => Promise.resolve({ redirect: '/metrics' }) },
  ]
}
