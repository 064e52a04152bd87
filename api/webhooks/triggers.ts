/** Ring: api. Which jobsets a forge's message or a push by the API concerns, and their triggers. */
import { sql } from 'kysely'
import { FirnError } from '../../contract/errors.ts'
import type { JobsetInput, JobsetSource, Overrides, PullRequests, TriggerCause } from '../../contract/jobsets.ts'
import { repositoryOf, sameRepository } from '../../contract/repositories.ts'
import type { Database } from '../../state/database.ts'
import { addTrigger } from '../../state/triggers.ts'
import type { ApiDependencies } from '../dependencies.ts'
import type { ForgeEvent } from './forges.ts'

export interface Follower {
  readonly id: number
  readonly projectId: number
  readonly project: string
  readonly name: string
  readonly source: JobsetSource
  readonly inputs: Readonly<Record<string, JobsetInput>>
  readonly pullRequests: PullRequests | null
  /** It, and its project. */
  readonly enabled: boolean
}

export async function allJobsets(db: Database): Promise<Follower[]> {
  return (await sql<Follower>`
    select s.id, s.project_id as "projectId", p.name as project, s.name, s.source, s.inputs, s.pull_requests as "pullRequests", p.enabled and s.state <> 'disabled' as enabled
    from jobset s join project p on p.id = s.project_id order by p.name, s.name`.execute(db)).rows
}

/** Git inputs by name, a flake among them. */
function repositories({ source, inputs }: Pick<Follower, 'source' | 'inputs'>): { readonly name: string; readonly url: string; readonly ref?: string | undefined; readonly revision?: string | undefined }[] {
  const flake = source.kind === 'flake' ? [{ name: 'flake', url: source.url, ref: repositoryOf(source.url)?.ref }] : []
  return [...flake, ...Object.entries(inputs).flatMap(([name, input]) => (input.kind === 'git' ? [{ name, url: input.url, ref: input.ref, revision: input.revision }] : []))]
}

/** A jobset that a message concerns, and what is to be evaluated of it. */
export interface Concerned {
  readonly jobset: Follower
  readonly variant?: string
  readonly overrides?: Overrides
}

/** Jobsets that follow what has changed. */
export function concernedBy(event: ForgeEvent, jobsets: readonly Follower[]): Concerned[] {
  if (event.kind === 'none') return []
  const changed = event.repository.flatMap((url) => repositoryOf(url) ?? [])
  const isChanged = (url: string): boolean => { const one = repositoryOf(url); return one !== undefined && changed.some((other) => sameRepository(one, other)) }
  return jobsets.filter((jobset) => jobset.enabled).flatMap((jobset): Concerned[] => {
    const inputs = repositories(jobset).filter((input) => isChanged(input.url))
    if (event.kind === 'push') return inputs.some((input) => input.revision === undefined && follows(input.ref, event.ref, event.defaultBranch)) ? [{ jobset }] : []
    const { pullRequests } = jobset
    if (!pullRequests || !inputs.some((input) => input.name === pullRequests.input) || (pullRequests.authors === 'collaborators' && !event.trusted)) return []
    return [{ jobset, variant: `pull/${event.number}`, overrides: { [pullRequests.input]: { ref: event.ref, revision: event.revision } } }]
  })
}

function follows(wanted: string | undefined, ref: string, defaultBranch: string | undefined): boolean {
  if (wanted === undefined) return defaultBranch === undefined || ref === `refs/heads/${defaultBranch}`
  return wanted === ref || `refs/heads/${wanted}` === ref || `refs/tags/${wanted}` === ref
}

/** Writes triggers and wakes the jobsets' workflows; gives `project:jobset` of each. */
export async function trigger({ database: { db }, motion, logger }: ApiDependencies, concerned: readonly Concerned[], cause: TriggerCause, options: { readonly force?: boolean; readonly delivery?: string } = {}): Promise<string[]> {
  for (const { jobset, variant, overrides } of concerned) {
    await addTrigger(db, {
      jobsetId: jobset.id, cause, force: options.force ?? false, ...(variant === undefined ? {} : { variant }), ...(overrides === undefined ? {} : { overrides }),
      ...(options.delivery === undefined ? {} : { idempotencyKey: `${jobset.id} ${cause.by ?? cause.kind} ${options.delivery}` }),
    })
    await motion.checkJobset({ kind: 'jobset', jobsetId: jobset.id }).catch((error: unknown) => logger.warn({ err: error }, 'could not start a check; a worker\'s sweep does it'))
  }
  return concerned.map(({ jobset }) => `${jobset.project}:${jobset.name}`)
}

/** Jobsets that /api/push names: by `project:jobset`, or by a repository that they follow. Errors: 'not-found'. */
export function pushed(jobsets: readonly Follower[], names: readonly string[], repos: readonly string[], force: boolean): Follower[] {
  const named = names.map((text) => {
    const found = jobsets.find((one) => `${one.project}:${one.name}` === text)
    if (!found) throw new FirnError('not-found', `there is no jobset '${text.slice(0, 210)}'; write project:jobset`)
    return found
  })
  const following = jobsets.filter((jobset) => jobset.enabled && repos.some((repo) => {
    const wanted = repositoryOf(repo)
    return repositories(jobset).some(({ url }) => { const one = repositoryOf(url); return url === repo || (wanted !== undefined && one !== undefined && sameRepository(wanted, one)) })
  }))
  return [...new Set([...named.filter((jobset) => force || jobset.enabled), ...following])]
}
