/**
 * Ring: api. What forges send: whose it is, by its signature over the body as it came, and what it says. GitHub, Gitea (and Forgejo) sign with
 * HMAC-SHA-256; GitLab sends the secret itself. Upstream counterpart: push_github and push_gitea of Hydra::Controller::API.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { z } from 'zod'

export const FORGES = ['github', 'gitea', 'gitlab'] as const
export type Forge = (typeof FORGES)[number]

/** What of a message matters here. */
export type ForgeEvent =
  /** A branch or tag has another commit. */
  | { readonly kind: 'push'; readonly repository: readonly string[]; readonly ref: string; readonly defaultBranch: string | undefined }
  | {
    readonly kind: 'pull-request'; readonly repository: readonly string[]; readonly number: number; readonly title: string; readonly url: string; readonly author: string
    readonly revision: string; readonly ref: string; /** of somebody who may push to the repository anyway */ readonly trusted: boolean
  }
  | { readonly kind: 'none' }

const SIGNATURE: Readonly<Record<Forge, string>> = { github: 'x-hub-signature-256', gitea: 'x-gitea-signature', gitlab: 'x-gitlab-token' }
const DELIVERY: Readonly<Record<Forge, readonly string[]>> = {
  github: ['x-github-delivery'], gitea: ['x-gitea-delivery', 'x-forgejo-delivery'], gitlab: ['idempotency-key', 'x-gitlab-event-uuid'],
}

function header(headers: IncomingHttpHeaders, names: readonly string[]): string | undefined {
  return names.map((name) => headers[name]).find((value): value is string => typeof value === 'string' && value !== '')
}

export function isSigned(forge: Forge, headers: IncomingHttpHeaders): boolean {
  return header(headers, [SIGNATURE[forge]]) !== undefined
}

/** Whether who sent this knows the secret. */
export function signedWith(forge: Forge, headers: IncomingHttpHeaders, body: Uint8Array, secret: string): boolean {
  const given = header(headers, [SIGNATURE[forge]])
  if (given === undefined || secret === '') return false
  const expected = forge === 'gitlab' ? secret : (forge === 'github' ? 'sha256=' : '') + createHmac('sha256', secret).update(body).digest('hex')
  // hashes have one length, whatever was sent
  const hash = (text: string): Buffer => createHash('sha256').update(text).digest()
  return timingSafeEqual(hash(given), hash(expected))
}

/** The forge's id of its message: the same when it sends it again. */
export function deliveryOf(forge: Forge, headers: IncomingHttpHeaders): string | undefined {
  const id = header(headers, DELIVERY[forge])
  return id !== undefined && /^[\x21-\x7e]{1,100}$/.test(id) ? id : undefined
}

const sha = z.string().regex(/^[0-9a-f]{40,64}$/)
const reference = z.string().min(1).max(500).regex(/^(?!-)[^\u0000-\u0020~^:?*[\\]+$/)
const repository = z.object({ clone_url: z.string().optional(), html_url: z.string().optional(), ssh_url: z.string().optional(), full_name: z.string().optional(), default_branch: z.string().optional() })
const push = z.object({ ref: reference, after: z.string().optional(), deleted: z.boolean().optional(), repository })
const pullRequest = z.object({
  action: z.string(), number: z.number().int().positive(), repository,
  pull_request: z.object({
    title: z.string(), html_url: z.string(), user: z.object({ login: z.string() }), author_association: z.string().optional(),
    head: z.object({ sha, repo: repository.nullish() }),
  }),
})
const project = z.object({ git_http_url: z.string().optional(), git_ssh_url: z.string().optional(), web_url: z.string().optional(), default_branch: z.string().nullish() })
const gitlabPush = z.object({ object_kind: z.enum(['push', 'tag_push']), ref: reference, after: z.string().optional(), project })
const gitlabMerge = z.object({
  object_kind: z.literal('merge_request'), project, user: z.object({ username: z.string() }),
  object_attributes: z.object({ iid: z.number().int().positive(), title: z.string(), url: z.string().default(''), action: z.string().optional(), source_project_id: z.number(), target_project_id: z.number(), oldrev: z.string().optional(), last_commit: z.object({ id: sha }) }),
})

const NOTHING: ForgeEvent = { kind: 'none' }
const addresses = (...all: readonly (string | undefined)[]): string[] => all.filter((one) => one !== undefined)

/** Messages of other kinds, and those that delete something, say nothing to us. Throws ZodError where one of ours does not fit. */
export function readEvent(forge: Forge, headers: IncomingHttpHeaders, body: unknown): ForgeEvent {
  if (forge === 'gitlab') return readGitlab(body)
  const name = header(headers, forge === 'github' ? ['x-github-event'] : ['x-gitea-event', 'x-forgejo-event', 'x-github-event'])
  if (name === 'push') {
    const event = push.parse(body)
    if (event.deleted === true || /^0+$/.test(event.after ?? '')) return NOTHING
    const { clone_url: clone, html_url: web, ssh_url: ssh, default_branch: defaultBranch } = event.repository
    return { kind: 'push', repository: addresses(clone, web, ssh), ref: event.ref, defaultBranch }
  }
  if (name !== 'pull_request') return NOTHING
  const event = pullRequest.parse(body)
  // Gitea says `synchronized`
  if (!['opened', 'reopened', 'synchronize', 'synchronized'].includes(event.action)) return NOTHING
  const { pull_request: { title, html_url: url, user, author_association: association, head }, repository: base } = event
  return {
    kind: 'pull-request', repository: addresses(base.clone_url, base.html_url, base.ssh_url), number: event.number, title: title.slice(0, 500), url, author: user.login, revision: head.sha, ref: `refs/pull/${event.number}/head`,
    trusted: ['OWNER', 'MEMBER', 'COLLABORATOR'].includes(association ?? '') || (head.repo?.full_name !== undefined && head.repo.full_name === base.full_name),
  }
}

function readGitlab(body: unknown): ForgeEvent {
  const kind = z.object({ object_kind: z.string() }).parse(body).object_kind
  if (kind === 'push' || kind === 'tag_push') {
    const { project: of, ref, after } = gitlabPush.parse(body)
    if (/^0+$/.test(after ?? '')) return NOTHING
    return { kind: 'push', repository: addresses(of.git_http_url, of.web_url, of.git_ssh_url), ref, defaultBranch: of.default_branch ?? undefined }
  }
  if (kind !== 'merge_request') return NOTHING
  const { project: of, user, object_attributes: merge } = gitlabMerge.parse(body)
  // an update without an old revision changes only words
  if (!['open', 'reopen'].includes(merge.action ?? '') && !(merge.action === 'update' && merge.oldrev !== undefined)) return NOTHING
  return {
    kind: 'pull-request', repository: addresses(of.git_http_url, of.web_url, of.git_ssh_url), number: merge.iid, title: merge.title.slice(0, 500), url: merge.url, author: user.username,
    revision: merge.last_commit.id, ref: `refs/merge-requests/${merge.iid}/head`, trusted: merge.source_project_id === merge.target_project_id,
  }
}
