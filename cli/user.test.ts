import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { sql } from 'kysely'
import { verifyPassword } from '../api/access/passwords.ts'
import type { User } from '../contract/access.ts'
import { type FarmDatabase, openFarmDatabase } from '../state/database.ts'
import { passwordOf } from '../state/users.ts'
import { testDatabase } from '../test/support/database.ts'

const PROGRAM = join(import.meta.dirname, 'main.ts')
let database: FarmDatabase
let url: string
let home: string
before(async () => {
  ({ url } = await testDatabase())
  home = await mkdtemp(join(tmpdir(), 'firn-user-'))
  database = openFarmDatabase({ url, connections: 1 })
  await sql`insert into project (name, display_name) values ('tools', 'Tools')`.execute(database.db)
})
after(async () => {
  await database.close()
  await rm(home, { recursive: true, force: true })
})

/** `firn user …` with something on its standard input. */
async function user(input: string, ...args: string[]): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', PROGRAM, '--json', 'user', ...args], { env: { PATH: process.env['PATH'], FIRN_HOME: home, FIRN_DATABASE_URL: url } })
  const [stdout, stderr]: [string[], string[]] = [[], []]
  child.stdout.setEncoding('utf8').on('data', (text: string) => stdout.push(text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => stderr.push(text))
  child.stdin.on('error', () => undefined)
  child.stdin.end(input)
  const code = await new Promise<number>((resolve, reject) => child.once('error', reject).once('close', (ended) => resolve(ended ?? -1)))
  return { code, stdout: stdout.join(''), stderr: stderr.join('') }
}

test('users are made with a password from the standard input, given roles, and shown without it', async () => {
  const made = await user('correct horse battery\n', 'create', 'ada', '--administrator', '--display-name', 'Ada')
  assert.equal(made.code, 0, made.stderr)
  assert.deepEqual([(JSON.parse(made.stdout) as User).administrator, (JSON.parse(made.stdout) as User).hasPassword], [true, true])
  assert.ok(await verifyPassword('correct horse battery', (await passwordOf(database.db, 'ada'))!.password))
  const twice = await user('correct horse battery\n', 'create', 'ada')
  assert.ok(twice.code !== 0 && /there is a user 'ada' already/.test(twice.stderr), twice.stderr)
  const short = await user('short\n', 'create', 'bob')
  assert.ok(short.code !== 0 && /at least 12 characters/.test(short.stderr), short.stderr)
  assert.equal((await user('', 'create', 'bob', '--no-password', '--subject', 'https://login.example.org bob')).code, 0)
  assert.equal((await user('', 'role', 'bob', 'tools', 'maintainer')).code, 0)
  const wrong = await user('', 'role', 'bob', 'tools', 'king')
  assert.ok(wrong.code !== 0 && /'king' is no role; there are restarter/.test(wrong.stderr), wrong.stderr)
  const listed = JSON.parse((await user('', 'list')).stdout) as User[]
  assert.deepEqual(listed.map(({ name, roles, hasPassword, subject }) => [name, roles, hasPassword, subject]), [
    ['ada', [], true, null], ['bob', [{ project: 'tools', role: 'maintainer' }], false, 'https://login.example.org bob'],
  ])
})

test('a new password keeps what else is said of a user; who is disabled can be let in again; each change is in the audit log', async () => {
  assert.equal((await user('another long password\n', 'password', 'bob')).code, 0)
  assert.equal((await user('', 'disable', 'bob')).code, 0)
  const bob = JSON.parse((await user('', 'enable', 'bob')).stdout) as User
  assert.deepEqual([bob.disabled, bob.hasPassword, bob.subject], [false, true, 'https://login.example.org bob'])
  assert.equal((await user('', 'delete', 'bob')).code, 0)
  const { rows } = await sql<{ principal: string; action: string; user: string }>`select principal, action, detail ->> 'user' as user from audit order by id`.execute(database.db)
  assert.deepEqual(rows.map((row) => [row.principal, row.action, row.user]), [
    ['command line', 'putUser', 'ada'], ['command line', 'putUser', 'bob'], ['command line', 'putRole', 'bob'], ...Array(3).fill(['command line', 'putUser', 'bob']), ['command line', 'deleteUser', 'bob'],
  ])
})
