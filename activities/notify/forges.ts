/**
 * Ring: activities. Commit statuses of GitHub, Gitea (and Forgejo) and GitLab: one that sums up, and at most so many of single failures as the
 * jobset wants. What an earlier message marked as failed and fails no longer is marked so, which the forge is asked about rather than remembered.
 * Upstream counterpart: Hydra's GithubStatus, GitlabStatus and GiteaStatus, which write one status for every build.
 */
import { z } from 'zod'
import { FirnError } from '../../contract/errors.ts'
import type { Jobset, Notification } from '../../contract/jobsets.ts'
import { repositoryOf } from '../../contract/repositories.ts'
import { fatalError } from '../../state/evaluations.ts'
import type { Send } from './send.ts'
import type { Summary } from './summary.ts'

export type ForgeNotification = Extract<Notification, { kind: 'github' | 'gitea' | 'gitlab' }>
type State = 'pending' | 'success' | 'failure' | 'error'

interface Status {
  readonly context: string
  readonly state: State
  readonly description: string
  readonly url?: string | undefined
}

/** A commit of a repository of a forge, whose statuses can be written and read. */
interface Commit {
  write(status: Status): Promise<void>
  /** Contexts that the forge shows as failed, of those that begin with a text. */
  failed(prefix: string): Promise<string[]>
}

/** GitHub's limit; the others allow more. */
const DESCRIPTION_CHARACTERS = 140

export async function writeStatuses(send: Send, target: ForgeNotification, summary: Summary, jobset: Jobset, secret: string): Promise<void> {
  const commit = commitOf(send, target, summary, jobset, secret)
  const context = target.context ?? `firn/${summary.evaluation.project}/${summary.evaluation.jobset}`
  await commit.write({ context, state: stateOf(summary), description: summary.text, url: summary.url })
  if (!summary.ended) return
  const prefix = `${context}: `
  const now = summary.failures.map((one): Status => ({ context: prefix + one.attr, state: 'failure', description: one.reason ?? 'failed', url: summary.url }))
  const before = target.failures === 0 ? [] : await commit.failed(prefix)
  for (const status of now) await commit.write(status)
  const still = new Set(now.map((one) => one.context))
  for (const one of before.filter((name) => !still.has(name))) await commit.write({ context: one, state: 'success', description: 'fails no longer, or is not among the failures shown', url: summary.url })
}

function stateOf({ evaluation, ended, jobs }: Summary): State {
  if (!ended) return 'pending'
  if (evaluation.state === 'cancelled' || fatalError(evaluation) !== null) return 'error'
  return evaluation.state === 'succeeded' && jobs.failed + jobs.errors === 0 ? 'success' : 'failure'
}

function commitOf(send: Send, target: ForgeNotification, { evaluation }: Summary, jobset: Jobset, secret: string): Commit {
  // a flake's own input has no name in the jobset
  const input = evaluation.inputs[target.input] ?? (jobset.source.kind === 'flake' ? evaluation.inputs['flake'] : undefined)
  const revision = input?.revision
  if (revision === undefined) throw new FirnError('invalid-input', `commit status: the evaluation has no commit of input '${target.input}'`)
  const found = input?.url === undefined ? undefined : repositoryOf(input.url)
  const path = target.repository ?? found?.path
  if (path === undefined) throw new FirnError('invalid-input', `commit status: the repository can't be told from the address of input '${target.input}'; set 'repository'`)
  const base = (target.api ?? apiOf(target.kind, found?.host)).replace(/\/+$/, '')
  return target.kind === 'gitlab' ? gitlab(send, base, path, revision, secret) : likeGithub(send, target.kind, base, path, revision, secret)
}

function apiOf(kind: ForgeNotification['kind'], host: string | undefined): string {
  if (host === undefined) throw new FirnError('invalid-input', 'commit status: the forge can\'t be told from the input\'s address; set \'api\'')
  if (kind === 'gitlab') return `https://${host}/api/v4`
  if (kind === 'gitea') return `https://${host}/api/v1`
  return host === 'github.com' ? 'https://api.github.com' : `https://${host}/api/v3`
}

const PAGE = 100
/** Statuses of a commit that are looked through; a commit that has more has been evaluated very often. */
const PAGES = 10
const githubStatuses = z.array(z.object({ context: z.string(), state: z.string().optional(), status: z.string().optional() }))
const gitlabStatuses = z.array(z.object({ name: z.string(), status: z.string() }))

/** The newest of each context comes first: later ones of it are old. */
function failing(statuses: readonly { readonly context: string; readonly state: string }[], prefix: string): string[] {
  const newest = new Map<string, string>()
  for (const { context, state } of statuses) if (context.startsWith(prefix) && !newest.has(context)) newest.set(context, state)
  return [...newest].filter(([, state]) => ['failure', 'error', 'failed'].includes(state)).map(([context]) => context)
}

/** Gitea took over GitHub's way, with words of its own. */
function likeGithub(send: Send, kind: 'github' | 'gitea', base: string, path: string, revision: string, secret: string): Commit {
  const headers: Record<string, string> = kind === 'github' ? { 'authorization': `Bearer ${secret}`, 'accept': 'application/vnd.github+json', 'x-github-api-version': '2022-11-28' } : { authorization: `token ${secret}`, accept: 'application/json' }
  const what = `commit status of ${path}@${revision.slice(0, 12)}`
  const repository = `${base}/repos/${path.split('/').map(encodeURIComponent).join('/')}`
  return {
    async write({ context, state, description, url }) {
      await send({ method: 'POST', url: `${repository}/statuses/${revision}`, what, headers: { ...headers, 'content-type': 'application/json' }, body: JSON.stringify({ state, context, description: cut(description), ...(url === undefined ? {} : { target_url: url }) }) })
    },
    async failed(prefix) {
      const all: { context: string; state: string }[] = []
      for (let page = 1; page <= PAGES; page++) {
        const found = githubStatuses.parse(JSON.parse(await send({ method: 'GET', url: `${repository}/commits/${revision}/statuses?${kind === 'github' ? 'per_page' : 'limit'}=${PAGE}&page=${page}`, what, headers })))
        all.push(...found.map((one) => ({ context: one.context, state: one.state ?? one.status ?? '' })))
        if (found.length < PAGE) break
      }
      return failing(all, prefix)
    },
  }
}

const GITLAB_STATES: Readonly<Record<State, string>> = { pending: 'running', success: 'success', failure: 'failed', error: 'failed' }

function gitlab(send: Send, base: string, path: string, revision: string, secret: string): Commit {
  const headers = { 'private-token': secret, 'accept': 'application/json' }
  const project = `${base}/projects/${encodeURIComponent(path)}`
  const what = `commit status of ${path}@${revision.slice(0, 12)}`
  return {
    async write({ context, state, description, url }) {
      try {
        await send({ method: 'POST', url: `${project}/statuses/${revision}`, what, headers: { ...headers, 'content-type': 'application/json' }, body: JSON.stringify({ state: GITLAB_STATES[state], name: context, description: cut(description), ...(url === undefined ? {} : { target_url: url }) }) })
      } catch (error) {
        // GitLab refuses a state that a status has already
        if (!(error instanceof FirnError && /Cannot transition status/.test(error.message))) throw error
      }
    },
    async failed(prefix) {
      const all: { context: string; state: string }[] = []
      for (let page = 1; page <= PAGES; page++) {
        const found = gitlabStatuses.parse(JSON.parse(await send({ method: 'GET', url: `${project}/repository/commits/${revision}/statuses?per_page=${PAGE}&page=${page}`, what, headers })))
        all.push(...found.map((one) => ({ context: one.name, state: one.status })))
        if (found.length < PAGE) break
      }
      return failing(all, prefix)
    },
  }
}

function cut(text: string): string {
  return text.length <= DESCRIPTION_CHARACTERS ? text : `${text.slice(0, DESCRIPTION_CHARACTERS - 1)}…`
}
