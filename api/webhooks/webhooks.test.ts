import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { after, before, beforeEach, describe, test } from 'node:test'
import { sql } from 'kysely'
import type { Jobset, Overrides, TriggerCause } from '../../contract/jobsets.ts'
import { repositoryOf, sameRepository } from '../../contract/repositories.ts'
import { putCredential } from '../../state/credentials.ts'
import { startTestApi, stopTemporal, type TestApi } from '../testing/api.ts'

const SECRET = 'a secret of the project'
const REVISION = 'c'.repeat(40)
const ids = new Map<string, number>()
let farm: TestApi

before(async () => {
  farm = await startTestApi({ settings: { api: { access: 'token' } } })
  const { database: { db } } = farm.dependencies
  for (const [project, secret] of [['mine', SECRET], ['other', 'another secret']] as const) {
    const { rows } = await sql<{ id: number }>`insert into project (name, display_name) values (${project}, ${project}) returning id`.execute(db)
    await putCredential(farm.dependencies, rows[0]!.id, 'webhook', { username: '', secret })
    const add = async (name: string, source: object, inputs: object, pullRequests: object | null = null): Promise<void> => {
      const made = await sql<{ id: number }>`insert into jobset (project_id, name, source, inputs, pull_requests) values (${rows[0]!.id}, ${name}, ${JSON.stringify(source)}, ${JSON.stringify(inputs)}, ${pullRequests === null ? null : JSON.stringify(pullRequests)}) returning id`.execute(db)
      ids.set(`${project}:${name}`, made.rows[0]!.id)
    }
    const expression = { kind: 'expression', input: 'src', file: 'release.nix' }
    const git = (more: object): object => ({ src: { kind: 'git', url: 'https://forge.example.org/team/set.git', submodules: false, ...more } })
    await add('main', expression, git({ ref: 'main' }), { input: 'src', authors: 'collaborators' })
    await add('open', expression, git({}), { input: 'src', authors: 'anyone' })
    await add('stable', expression, git({ ref: 'stable' }))
    await add('fixed', expression, git({ revision: REVISION }))
    await add('flake', { kind: 'flake', url: 'git+ssh://git@forge.example.org:2222/team/set?ref=main' }, {})
    await add('elsewhere', expression, { src: { kind: 'git', url: 'https://forge.example.org/team/settings.git', ref: 'main' } })
  }
})
after(async () => {
  await farm.close()
  await stopTemporal()
})
beforeEach(async () => { await sql`delete from jobset_trigger`.execute(farm.dependencies.database.db) })

async function send(forge: string, headers: Record<string, string>, body: string): Promise<{ status: number; triggered: string[] }> {
  const response = await fetch(`${farm.api.url}/api/push-${forge}`, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body })
  const answer = await response.json() as { jobsetsTriggered?: string[] }
  return { status: response.status, triggered: answer.jobsetsTriggered ?? [] }
}
const hmac = (body: string, secret = SECRET): string => createHmac('sha256', secret).update(body).digest('hex')
const github = (event: string, body: string, more: Record<string, string> = {}) => send('github', { 'x-github-event': event, 'x-hub-signature-256': `sha256=${hmac(body)}`, ...more }, body)
async function triggers(): Promise<{ jobsetId: number; variant: string; cause: TriggerCause; overrides: Overrides }[]> {
  return (await sql<{ jobsetId: number; variant: string; cause: TriggerCause; overrides: Overrides }>`select jobset_id as "jobsetId", variant, cause, overrides from jobset_trigger order by id`.execute(farm.dependencies.database.db)).rows
}

const repository = { clone_url: 'https://forge.example.org/team/set.git', html_url: 'https://forge.example.org/team/set', full_name: 'team/set', default_branch: 'main' }
const push = (ref: string, more: object = {}): string => JSON.stringify({ ref, after: REVISION, repository, ...more }, undefined, 2)

describe('pushes', () => {
  test('trigger the jobsets that follow the branch, of the project whose secret signed', async () => {
    const { status, triggered } = await github('push', push('refs/heads/main'), { 'x-github-delivery': 'd-1' })
    assert.deepEqual([status, triggered], [200, ['mine:flake', 'mine:main', 'mine:open']])
    assert.deepEqual((await triggers()).map((one) => [one.cause, one.variant]), Array(3).fill([{ kind: 'webhook', by: 'github', delivery: 'd-1' }, '']))
    assert.deepEqual((await github('push', push('refs/heads/stable'))).triggered, ['mine:stable'])
  })

  test('that come twice are one', async () => {
    const body = push('refs/heads/main')
    await github('push', body, { 'x-github-delivery': 'd-2' })
    await github('push', body, { 'x-github-delivery': 'd-2' })
    assert.equal((await triggers()).length, 3)
  })

  test('whose body was changed, or that are not signed, are refused', async () => {
    const body = push('refs/heads/main')
    const headers = { 'x-github-event': 'push', 'x-hub-signature-256': `sha256=${hmac(body)}` }
    assert.equal((await send('github', headers, body.replace('team/set', 'team/sot'))).status, 401)
    assert.equal((await send('github', headers, JSON.stringify(JSON.parse(body)))).status, 401, 'the signature is over the bytes')
    assert.equal((await send('github', { 'x-github-event': 'push' }, body)).status, 401)
    assert.equal((await send('github', { ...headers, 'x-hub-signature-256': `sha256=${hmac(body, 'guess')}` }, body)).status, 401)
    assert.equal((await triggers()).length, 0)
  })

  test('that delete a branch, and other messages, trigger nothing', async () => {
    assert.deepEqual(await github('push', push('refs/heads/main', { deleted: true, after: '0'.repeat(40) })), { status: 200, triggered: [] })
    assert.deepEqual(await github('ping', JSON.stringify({ zen: 'x' })), { status: 200, triggered: [] })
    assert.equal((await github('push', '{}')).status, 400)
    assert.equal((await github('push', 'no json')).status, 400)
  })

  test('of Gitea and Forgejo, and of GitLab, as they send them', async () => {
    const body = push('refs/heads/stable')
    assert.deepEqual((await send('gitea', { 'x-gitea-event': 'push', 'x-gitea-signature': hmac(body), 'x-gitea-delivery': 'g-1' }, body)).triggered, ['mine:stable'])
    const ofGitlab = JSON.stringify({ object_kind: 'push', ref: 'refs/heads/stable', after: REVISION, project: { git_http_url: repository.clone_url, default_branch: 'main' } })
    assert.deepEqual((await send('gitlab', { 'x-gitlab-event': 'Push Hook', 'x-gitlab-token': SECRET, 'x-gitlab-event-uuid': 'l-1' }, ofGitlab)).triggered, ['mine:stable'])
    assert.equal((await send('gitlab', { 'x-gitlab-event': 'Push Hook', 'x-gitlab-token': 'guess' }, ofGitlab)).status, 401)
    assert.deepEqual((await triggers()).map((one) => one.cause.delivery), ['g-1', 'l-1'])
  })
})

describe('pull requests', () => {
  const pull = (association: string, from: string, action = 'synchronize'): string => JSON.stringify({
    action, number: 12, repository,
    pull_request: { title: 'Better', html_url: 'https://forge.example.org/team/set/pull/12', user: { login: 'ada' }, author_association: association, head: { sha: REVISION, repo: { full_name: from } } },
  })

  test('are variants, of members everywhere and of strangers where the jobset says so', async () => {
    assert.deepEqual((await github('pull_request', pull('MEMBER', 'ada/set'))).triggered, ['mine:main', 'mine:open'])
    const [first] = await triggers()
    assert.deepEqual([first!.variant, first!.overrides, first!.cause.pullRequest], [
      'pull/12', { src: { ref: 'refs/pull/12/head', revision: REVISION } }, { number: 12, title: 'Better', url: 'https://forge.example.org/team/set/pull/12', author: 'ada' },
    ])
    assert.deepEqual((await github('pull_request', pull('NONE', 'eve/set'))).triggered, ['mine:open'])
    assert.deepEqual((await github('pull_request', pull('MEMBER', 'ada/set', 'labeled'))).triggered, [])
  })

  test('of GitLab, from the same project', async () => {
    const merge = (source: number): string => JSON.stringify({
      object_kind: 'merge_request', user: { username: 'ada' }, project: { git_http_url: repository.clone_url },
      object_attributes: { iid: 7, title: 'Better', url: 'https://forge.example.org/x', action: 'open', source_project_id: source, target_project_id: 1, last_commit: { id: REVISION } },
    })
    assert.deepEqual((await send('gitlab', { 'x-gitlab-token': SECRET }, merge(1))).triggered, ['mine:main', 'mine:open'])
    assert.deepEqual((await send('gitlab', { 'x-gitlab-token': SECRET }, merge(2))).triggered, ['mine:open'])
    assert.equal((await triggers())[0]!.variant, 'pull/7')
  })
})

test('addresses of one repository are one, however they are written', () => {
  const same = ['https://github.com/Team/set.git', 'git@github.com:team/set', 'ssh://git@github.com/team/set.git', 'github:team/set/main', 'git+https://github.com/team/set?ref=x'].map((text) => repositoryOf(text)!)
  for (const one of same) assert.ok(sameRepository(one, same[0]!), JSON.stringify(one))
  assert.equal(repositoryOf('/home/me/set'), undefined)
  assert.equal(sameRepository(repositoryOf('https://github.com/team/set2')!, same[0]!), false)
  assert.equal(repositoryOf('gitlab:team/set?host=git.example.org')!.host, 'git.example.org')
})

test('/api/push names jobsets, or repositories', async () => {
  const open = await startTestApi({ motion: farm.dependencies.motion })
  try {
    await open.send('PUT', '/api/v1/projects/p', {})
    const jobset = (await open.send('PUT', '/api/v1/projects/p/jobsets/j', { source: { kind: 'expression', input: 'src', file: '' }, inputs: { src: { kind: 'git', url: 'https://forge.example.org/team/set.git' } }, state: 'disabled' })).body as Jobset
    const ask = async (query: string) => await open.send('PUT', `/api/push?${query}`)
    assert.deepEqual((await ask('jobsets=p:j')).body, { jobsetsTriggered: [] }, 'it is disabled')
    assert.deepEqual((await ask('jobsets=p:j&force=1')).body, { jobsetsTriggered: ['p:j'] })
    await sql`update jobset set state = 'enabled' where id = ${jobset.id}`.execute(open.dependencies.database.db)
    assert.deepEqual((await ask('repos=git@forge.example.org:team/set')).body, { jobsetsTriggered: ['p:j'] })
    assert.equal((await ask('jobsets=p:nothing')).status, 404)
  } finally {
    await open.close()
  }
})
