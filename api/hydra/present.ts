/** Ring: api. Firn's rows in Hydra's fields. Upstream counterpart: the `as_json` and `json_hint` of Hydra's schema classes. */
import { buildStatus, hydraInput } from '../../contract/hydra.ts'
import type { Jobset, Project, ResolvedInput } from '../../contract/jobsets.ts'
import { STORE_DIRECTORY } from '../../nix/store-path.ts'
import type { Database } from '../../state/database.ts'
import type { EvaluationRow } from '../../state/evaluations.ts'
import type { JobCounts } from '../../state/job-states.ts'
import { type HydraBuildRow, type JobsetOverview, evaluationsOfBuild, productsOf } from './queries.ts'

/** Seconds since 1970, as Hydra has times. */
export function epoch(date: Date | string | null): number | null {
  return date === null ? null : Math.floor(new Date(date).getTime() / 1000)
}

export function isFinished(build: Pick<HydraBuildRow, 'state'>): boolean {
  return build.state === 'succeeded' || build.state === 'failed'
}

/** Null while a build is not finished. A job whose outputs are there has succeeded, whatever a later run says. */
export function statusOf(build: HydraBuildRow): number | null {
  if (build.state === 'succeeded') return build.failedWithOutput ? 6 : 0
  return build.state === 'failed' ? buildStatus(build.outcome, build.failedWithOutput, build.attempts) : null
}

export async function hydraBuilds(db: Database, rows: readonly HydraBuildRow[], options: { readonly allEvaluations: boolean }): Promise<Record<string, unknown>[]> {
  const results = await productsOf(db, rows.map((row) => row.id))
  return await Promise.all(rows.map(async (row) => {
    const { products, metrics } = results.get(row.id)!
    return {
      id: row.id,
      finished: Number(isFinished(row)),
      timestamp: epoch(row.createdAt),
      starttime: epoch(row.startedAt),
      stoptime: isFinished(row) ? epoch(row.endedAt ?? row.createdAt) : null,
      project: row.project,
      jobset: row.jobset,
      job: row.job,
      nixname: row.name,
      system: row.system,
      priority: row.priority,
      buildstatus: statusOf(row),
      releasename: row.releaseName,
      drvpath: row.drvPath,
      // of thousands of builds, only the evaluation that was asked for
      jobsetevals: options.allEvaluations ? await evaluationsOfBuild(db, row) : [row.evaluationId],
      buildoutputs: Object.fromEntries(Object.entries(row.outputs).map(([name, base]) => [name, { path: base === null ? null : `${STORE_DIRECTORY}/${base}` }])),
      buildproducts: Object.fromEntries(products.map((one) => [String(one.number), { type: one.type, subtype: one.subtype, name: one.name, filesize: one.fileSize, sha256hash: one.sha256, path: one.path, defaultpath: one.defaultPath }])),
      buildmetrics: Object.fromEntries(metrics.map((one) => [one.name, { name: one.name, value: one.value, unit: one.unit }])),
    }
  }))
}

/** As /api/queue and /api/latestbuilds have it. */
export function briefBuild(row: HydraBuildRow): Record<string, unknown> {
  return {
    id: row.id, project: row.project, jobset: row.jobset, job: row.job, system: row.system, nixname: row.name, finished: Number(isFinished(row)), timestamp: epoch(row.createdAt),
    ...(isFinished(row) ? { buildstatus: statusOf(row) } : { priority: row.priority }),
  }
}

export function hydraEvaluation(row: EvaluationRow, builds: readonly number[]): Record<string, unknown> {
  const { flake, ...inputs } = row.inputs
  return {
    id: row.id,
    timestamp: epoch(row.createdAt),
    // inputs are looked up before there is an evaluation
    checkouttime: 0,
    evaltime: row.evaluatedAt && row.startedAt ? Math.round((row.evaluatedAt.getTime() - row.startedAt.getTime()) / 1000) : 0,
    hasnewbuilds: Number(row.sameAs === null || row.sameAs !== row.previous),
    flake: flake?.kind === 'flake' ? `git+${flake.url}?rev=${flake.revision}` : null,
    builds: [...builds],
    jobsetevalinputs: Object.fromEntries(Object.entries(flake?.kind === 'flake' ? inputs : row.inputs).map(([name, input]) => [name, resolved(input)])),
  }
}

const TYPES: Readonly<Record<ResolvedInput['kind'], string>> = { git: 'git', flake: 'git', path: 'path', tarball: 'path', file: 'path', string: 'string', boolean: 'boolean', number: 'nix', expression: 'nix', jobset: 'build' }

function resolved(input: ResolvedInput): Record<string, unknown> {
  return { uri: input.url ?? null, type: TYPES[input.kind], revision: input.revision ?? null, value: input.value === undefined ? null : String(input.value), dependency: input.buildId ?? null }
}

export function hydraProject(project: Project, jobsets: readonly string[]): Record<string, unknown> {
  const { declarative } = project
  return {
    name: project.name, displayname: project.displayName, description: project.description, homepage: project.homepage ?? '', owner: '',
    enabled: project.enabled, enable_dynamic_run_command: false, hidden: project.hidden, jobsets: [...jobsets],
    ...(declarative ? { declarative: { file: declarative.file, ...hydraInput(declarative.input) } } : {}),
  }
}

const ENABLED: Readonly<Record<Jobset['state'], number>> = { 'disabled': 0, 'enabled': 1, 'one-shot': 2 }

export function hydraJobsetOf(jobset: Jobset, evaluationError: string | null): Record<string, unknown> {
  const { source } = jobset
  const mail = jobset.notifications.flatMap((one) => (one.kind === 'email' ? one.to : []))
  return {
    name: jobset.name, project: jobset.project, description: jobset.description,
    nixexprinput: source.kind === 'expression' ? source.input : '', nixexprpath: source.kind === 'expression' ? source.file : '',
    type: source.kind === 'flake' ? 1 : 0, flake: source.kind === 'flake' ? source.url : '',
    enabled: jobset.state === 'enabled' && jobset.whenRunning === 'wait' ? 3 : ENABLED[jobset.state], visible: !jobset.hidden,
    checkinterval: jobset.pollSeconds, schedulingshares: jobset.shares, keepnr: jobset.keep,
    enableemail: mail.length > 0, emailoverride: mail.join(', '), enable_dynamic_run_command: false,
    errormsg: evaluationError ?? '', fetcherrormsg: jobset.error ?? '', errortime: epoch(jobset.errorAt), lastcheckedtime: epoch(jobset.checkedAt),
    triggertime: null, starttime: null,
    inputs: Object.fromEntries(Object.entries(jobset.inputs).map(([name, input]) => [name, { name, ...hydraInput(input), emailresponsible: false }])),
  }
}

export function hydraOverview(row: JobsetOverview, counts: JobCounts | undefined): Record<string, unknown> {
  const total = counts === undefined ? 0 : counts.total - counts.errors
  const [succeeded, failed] = [counts?.succeeded ?? 0, counts?.failed ?? 0]
  return {
    project: row.project, name: row.name, nrscheduled: total - succeeded - failed, nrsucceeded: succeeded, nrfailed: failed, nrtotal: total,
    lastcheckedtime: epoch(row.checkedAt), starttime: epoch(row.startedAt), checkinterval: row.pollSeconds, triggertime: epoch(row.triggerAt),
    fetcherrormsg: row.error, errortime: epoch(row.errorAt), haserrormsg: row.failedEvaluation,
  }
}
