/** Ring: api. Projects and jobsets under Hydra's addresses. Upstream counterpart: Hydra::Controller::Project and Jobset. */
import { z } from 'zod'
import { FirnError } from '../../contract/errors.ts'
import { definitionOfHydra, hydraJobset } from '../../contract/hydra.ts'
import { type Jobset, jobsetDefinition, type JobsetDefinition, name as nameSchema, projectDefinition } from '../../contract/jobsets.ts'
import { countJobs, NO_JOBS } from '../../state/job-states.ts'
import { getJobset, jobsetId, listJobsets } from '../../state/jobsets.ts'
import { getProject, listProjects } from '../../state/projects.ts'
import { fatalError, getEvaluation } from '../../state/evaluations.ts'
import type { ApiDependencies } from '../dependencies.ts'
import { jobsetHandlers } from '../handlers/jobsets.ts'
import { projectHandlers } from '../handlers/projects.ts'
import { evaluationTable, html, links } from './html.ts'
import { hydraEvaluation, hydraJobsetOf, hydraProject } from './present.ts'
import { buildIdsOf, hydraEvaluations, latestFinishedEvaluation } from './queries.ts'
import type { HydraAnswer, HydraCall, HydraRoute } from './route.ts'

/** Hydra's own. */
const PAGE = 20
const EVERY = 10_000

const flag = z.union([z.boolean(), z.number(), z.string()]).nullish().transform((value) => !(value === undefined || value === null || value === false || value === 0 || value === '0' || value === 'false' || value === ''))
const hydraProjectBody = z.object({
  name: nameSchema.optional(), displayname: z.string().trim().min(1), description: z.string().nullish(), homepage: z.string().nullish(), enabled: flag, visible: flag,
  declarative: z.object({ file: z.string().nullish(), type: z.string().nullish(), value: z.string().nullish() }).nullish(),
})

export function projectRoutes(dependencies: ApiDependencies): HydraRoute[] {
  const { database: { db } } = dependencies
  const projects = projectHandlers(dependencies)
  const jobsets = jobsetHandlers(dependencies)

  const withJobsets = async (name: string) => {
    const project = await getProject(db, name)
    return { project, jobsets: (await listJobsets(db, project.id, { limit: EVERY, hidden: true })).map((one) => one.name) }
  }
  const jobsetJson = async (jobset: Jobset) => hydraJobsetOf(jobset, jobset.latest ? await fatalErrorOf(jobset.latest.id) : null)
  const fatalErrorOf = async (id: number) => { const evaluation = await getEvaluation(db, id); return evaluation ? fatalError(evaluation) : null }
  const namesOf = (call: HydraCall): { project: string; jobset: string } => {
    const [project, jobset] = [call.param('project'), call.param('jobset')]
    if (!nameSchema.safeParse(project).success || !nameSchema.safeParse(jobset).success) throw new FirnError('not-found', `there is no jobset '${project.slice(0, 100)}:${jobset.slice(0, 100)}'`)
    return { project, jobset }
  }

  /** The evaluations of a page, in Hydra's frame. */
  async function evaluationsPage(call: HydraCall, ofJobset: number | undefined, title: string, ui: string): Promise<HydraAnswer> {
    const number = Math.max(1, call.count('page', { maximum: 1_000_000, otherwise: 1 }))
    const { rows, total } = await hydraEvaluations(db, ofJobset, { offset: (number - 1) * PAGE, limit: PAGE + 1 })
    const shown = rows.slice(0, PAGE)
    const last = Math.ceil(total / PAGE)
    const [builds, counts] = await Promise.all([buildIdsOf(db, shown.map((row) => row.id)), countJobs(db, rows.filter((row) => row.jobCounts === null).map((row) => row.id))])
    const countsOf = (index: number) => (rows[index] === undefined ? undefined : rows[index].jobCounts ?? counts.get(rows[index].id))
    return {
      json: {
        evals: shown.map((row) => hydraEvaluation(row, builds.get(row.id) ?? [])),
        first: '?page=1', last: `?page=${last}`,
        ...(number > 1 ? { previous: `?page=${number - 1}` } : {}),
        ...(number < last ? { next: `?page=${number + 1}` } : {}),
      },
      page: { title, ui, body: evaluationTable(shown.map((evaluation, index) => ({ evaluation, counts: countsOf(index) ?? NO_JOBS, before: countsOf(index + 1) }))) },
    }
  }

  return [
    {
      method: 'get', path: '/', scope: 'read',
      async handle() {
        const all = await listProjects(db, { limit: EVERY, hidden: false })
        return { json: await Promise.all(all.map(async ({ name }) => { const { project, jobsets: names } = await withJobsets(name); return hydraProject(project, names) })) }
      },
    },
    {
      method: 'get', path: '/project/:project', scope: 'read',
      async handle(call) {
        const { project, jobsets: names } = await withJobsets(call.param('project'))
        return { json: hydraProject(project, names), page: { title: `Project ${project.name}`, ui: `/ui/projects/${project.name}`, body: links(names.map((name) => [name, `/jobset/${project.name}/${name}`])) } }
      },
    },
    {
      method: 'put', path: '/project/:project', scope: 'administer', project: 'path',
      async handle(call) {
        const name = call.param('project')
        if (!nameSchema.safeParse(name).success) throw new FirnError('invalid-input', `Invalid project name: ${name.slice(0, 100)}`)
        const body = call.body(hydraProjectBody)
        if (body.name !== undefined && body.name !== name) throw new FirnError('invalid-input', 'a project can\'t be renamed')
        const { declarative } = body
        const definition = projectDefinition.parse({
          displayName: body.displayname, description: body.description ?? '', homepage: body.homepage ? body.homepage : null, enabled: body.enabled, hidden: !body.visible,
          declarative: declarative?.file ? { file: declarative.file, input: definitionOfHydra(hydraJobset.parse({ nixexprinput: 'src', nixexprpath: 'x', inputs: { src: { type: declarative.type ?? 'git', value: declarative.value ?? '' } } })).inputs['src'] } : null,
        })
        const reply = await projects.putProject({ params: { project: name }, headers: {}, query: undefined, body: definition }, call.exchange)
        return saved(`/project/${name}`, { name, type: 'project' }, 'status' in reply && reply.status === 201)
      },
    },
    {
      method: 'delete', path: '/project/:project', scope: 'administer', project: 'path',
      async handle(call) {
        await projects.deleteProject({ params: { project: call.param('project') }, headers: undefined, query: undefined, body: undefined }, call.exchange)
        return { json: { redirect: '/' } }
      },
    },
    {
      method: 'get', path: '/jobset/:project/:jobset', scope: 'read',
      async handle(call) {
        const names = namesOf(call)
        const jobset = await getJobset(db, names.project, names.jobset)
        const base = `/jobset/${jobset.project}/${jobset.name}`
        return { json: await jobsetJson(jobset), page: { title: `Jobset ${jobset.project}:${jobset.name}`, ui: `/ui/projects/${jobset.project}/${jobset.name}`, body: links([['Evaluations', `${base}/evals`], ['Latest finished evaluation', `${base}/latest-eval`]]) } }
      },
    },
    {
      method: 'put', path: '/jobset/:project/:jobset', scope: 'configure', project: 'path',
      async handle(call) {
        const names = namesOf(call)
        const body = call.body(hydraJobset)
        const before = (await listJobsets(db, (await getProject(db, names.project)).id, { limit: EVERY, hidden: true })).find((one) => one.name === names.jobset)
        if (before?.generated) throw new FirnError('forbidden', 'can\'t modify jobset of declarative project')
        const reply = await jobsets.putJobset({ params: names, headers: {}, query: undefined, body: merged(before, definitionOfHydra(body)) }, call.exchange)
        return saved(`/jobset/${names.project}/${names.jobset}`, { name: names.jobset, type: 'jobset' }, 'status' in reply && reply.status === 201)
      },
    },
    {
      method: 'delete', path: '/jobset/:project/:jobset', scope: 'configure', project: 'path',
      async handle(call) {
        const names = namesOf(call)
        if ((await getJobset(db, names.project, names.jobset)).generated) throw new FirnError('forbidden', 'can\'t modify jobset of declarative project')
        await jobsets.deleteJobset({ params: names, headers: undefined, query: undefined, body: undefined }, call.exchange)
        return { json: { redirect: `/project/${names.project}` } }
      },
    },
    {
      method: 'get', path: '/jobset/:project/:jobset/evals', scope: 'read',
      async handle(call) {
        const { project, jobset } = namesOf(call)
        return await evaluationsPage(call, await jobsetId(db, project, jobset), `Evaluations of jobset ${project}:${jobset}`, `/ui/projects/${project}/${jobset}`)
      },
    },
    {
      method: 'get', path: '/jobset/:project/:jobset/latest-eval{/*rest}', scope: 'read',
      async handle(call) {
        const { project, jobset } = namesOf(call)
        const latest = await latestFinishedEvaluation(db, await jobsetId(db, project, jobset))
        if (latest === undefined) throw new FirnError('not-found', 'No evaluation of this jobset has finished.')
        return { redirect: `/eval/${latest}${call.rest}` }
      },
    },
    {
      method: 'get', path: '/jobset/:project/:jobset/errors', scope: 'read',
      async handle(call) {
        const { project, jobset } = namesOf(call)
        const json = await jobsetJson(await getJobset(db, project, jobset))
        return { json, page: { title: `Errors of ${project}:${jobset}`, ui: `/ui/projects/${project}/${jobset}`, body: html`<pre>${String(json['fetcherrormsg'])}
${String(json['errormsg'])}</pre>` } }
      },
    },
    { method: 'get', path: '/evals', scope: 'read', handle: (call) => evaluationsPage(call, undefined, 'Evaluations', '/ui/evaluations') },
  ]
}

function saved(address: string, entity: Readonly<Record<string, string>>, created: boolean): HydraAnswer {
  return created ? { status: 201, json: { ...entity, uri: address, redirect: address }, headers: { Location: address } } : { json: { redirect: address } }
}

/** What Hydra has no word for stays as it was, and so do credentials of inputs that lead to the same place. */
function merged(before: Jobset | undefined, now: JobsetDefinition): JobsetDefinition {
  if (!before) return now
  const inputs = Object.fromEntries(Object.entries(now.inputs).map(([name, input]) => {
    const old = before.inputs[name]
    return [name, 'url' in input && old && 'url' in old && old.url === input.url && old.credential !== undefined ? { ...input, credential: old.credential } : input]
  }))
  const mail = now.notifications.length > 0 ? now.notifications : before.notifications.filter((one) => one.kind === 'email')
  return jobsetDefinition.parse({
    ...now, inputs, settings: before.settings, schedule: before.schedule, priority: before.priority, pullRequests: before.pullRequests,
    notifications: [...before.notifications.filter((one) => one.kind !== 'email'), ...mail],
  })
}
