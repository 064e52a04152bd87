import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { sql } from 'kysely'
import { findToken, type TokenRow } from '../api/tokens.ts'
import { type FarmDatabase, openFarmDatabase } from '../state/database.ts'
import { testDatabase } from '../test/support/database.ts'

const PROGRAM = join(import.meta.dirname, 'main.ts')
let database: FarmDatabase
let url: string
let home: string
let ids: { readonly project: number; readonly user: number }
before(async () => {
  ({ url } = await testDatabase())
  home = await mkdtemp(join(tmpdir(), 'firn-token-'))
  database = openFarmDatabase({ url, connections: 1 })
  const { rows } = await sql<{ project: number; user: number }>`
    with p as (insert into project (name, display_name) values ('tools', 'Tools') returning id), u as (insert into farm_user (name, display_name) values ('ada', 'Ada') returning id)
    select p.id as project, u.id as user from p, u`.execute(database.db)
  ids = rows[0]!
})
after(async () => {
  await database.close()
  await rm(home, { recursive: true, force: true })
})

async function token(...args: string[]): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
  return await new Promise((resolve) => {
    execFile(process.execPath, ['--disable-warning=ExperimentalWarning', PROGRAM, 'token', ...args], { env: { PATH: process.env['PATH'], FIRN_HOME: home, FIRN_DATABASE_URL: url } }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr })
    })
  })
}

test('a token of a project and a user is good for both, until it is revoked', async () => {
  const made = await token('create', 'release', '--scope', 'restart', 'submit', '--project', 'tools', '--user', 'ada', '--days', '90')
  assert.equal(made.code, 0, made.stderr)
  const text = made.stdout.trim()
  assert.match(text, /^firn_[\w-]{43}$/)
  const found = (await findToken(database.db, text))!
  assert.deepEqual([found.name, found.scopes, found.project, found.project_id, found.user_id], ['release', ['restart', 'submit'], 'tools', ids.project, ids.user])
  assert.equal(Math.round((found.expires_at!.getTime() - Date.now()) / 86_400_000), 90)

  const shown = await token('list', '--json')
  assert.equal(shown.stdout.includes(text), false)
  assert.deepEqual((JSON.parse(shown.stdout) as TokenRow[]).map((one) => [one.id, one.project, one.user_id]), [[found.id, 'tools', ids.user]])
  assert.match((await token('list')).stdout, /release +restart submit +tools/)

  assert.equal((await token('revoke', String(found.id))).code, 0)
  assert.equal(await findToken(database.db, text), undefined)
  const twice = await token('revoke', String(found.id))
  assert.ok(twice.code !== 0 && twice.stderr.includes(`there is no token ${found.id} that is still good`), twice.stderr)
})

test('a token without either is the farm\'s own and reads; what does not exist makes none', async () => {
  const made = await token('create', 'screen', '--json')
  const { id, token: text } = JSON.parse(made.stdout) as { id: number; token: string }
  const found = (await findToken(database.db, text))!
  assert.deepEqual([found.id, found.scopes, found.project_id, found.user_id, found.expires_at], [id, ['read'], null, null, null])
  for (const [words, problem] of [
    [['--project', 'toys'], /toys/], [['--user', 'bob'], /bob/], [['--scope', 'everything'], /'everything' is no scope; there are read, /], [['--days', 'soon'], /soon/],
  ] as const) {
    const { code, stdout, stderr } = await token('create', 'wrong', ...words)
    assert.ok(code !== 0 && problem.test(stderr), stderr)
    assert.equal(stdout, '')
  }
  const { rows: [count] } = await sql<{ n: number }>`select count(*)::int as n from api_token where name = 'wrong'`.execute(database.db)
  assert.equal(count!.n, 0)
})
