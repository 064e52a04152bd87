/**
 * A real S3 server for tests: versitygw over a temporary folder. Found on the PATH or in Go's bin folder;
 * `go install github.com/versity/versitygw/cmd/versitygw@latest` makes it.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { existsSync, rmSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { freePort } from '../../infra/embedded/ports.ts'

export interface S3Server {
  readonly endpoint: string
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string }
  /** Address of an empty bucket. */
  readonly address: string
  /** Folder of the bucket. */
  readonly folder: string
  /** Kills the server; what it stored stays, and nobody answers. */
  pause(): Promise<void>
  /** Starts it again at the same address. */
  resume(): Promise<void>
  stop(): Promise<void>
}

/** Where versitygw is; undefined where it isn't installed. */
export function findS3Server(): string | undefined {
  let goPath = process.env['GOPATH'] ?? join(homedir(), 'go')
  try {
    goPath = execFileSync('go', ['env', 'GOPATH'], { encoding: 'utf8' }).trim() || goPath
  } catch { /* no Go: the PATH may still have it */ }
  return [...(process.env['PATH'] ?? '').split(delimiter), join(goPath, 'bin')].map((folder) => join(folder, 'versitygw')).find((path) => existsSync(path))
}

export async function startS3Server(): Promise<S3Server> {
  const program = findS3Server()
  if (program === undefined) throw new Error('versitygw is missing: go install github.com/versity/versitygw/cmd/versitygw@latest')
  const root = await mkdtemp(join(tmpdir(), 'firn-s3-'))
  await mkdir(join(root, 'data', 'firn'), { recursive: true })
  await mkdir(join(root, 'meta'))
  const port = await freePort()
  const credentials = { accessKeyId: 'firn-test', secretAccessKey: 'firn-test-secret' }
  const endpoint = `http://127.0.0.1:${port}`
  const start = async (): Promise<ChildProcess> => {
    const child = spawn(program, ['--access', credentials.accessKeyId, '--secret', credentials.secretAccessKey, '--port', `127.0.0.1:${port}`, '--quiet', 'posix', '--sidecar', join(root, 'meta'), join(root, 'data')], { stdio: ['ignore', 'pipe', 'pipe'] })
    let log = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (data: Buffer) => { log += data.toString('utf8') })
      ;(stream as unknown as { unref?: () => void }).unref?.()
    }
    child.unref()
    await untilUp(endpoint, child, () => log)
    return child
  }
  let child = await start()
  const kill = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.ref()
    const exited = new Promise((done) => child.once('exit', done))
    child.kill('SIGKILL')
    await exited
  }
  const end = () => {
    child.kill('SIGKILL')
    rmSync(root, { recursive: true, force: true })
  }
  process.once('exit', end)
  return {
    endpoint,
    credentials,
    address: `s3://firn?endpoint=${endpoint}&region=us-east-1`,
    folder: join(root, 'data', 'firn'),
    pause: kill,
    resume: async () => { child = await start() },
    stop: async () => {
      process.removeListener('exit', end)
      await kill()
      await rm(root, { recursive: true, force: true })
    },
  }
}

async function untilUp(endpoint: string, child: ChildProcess, log: () => string): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    if (child.exitCode !== null) throw new Error(`versitygw ended: ${log()}`)
    if (await fetch(endpoint, { signal: AbortSignal.timeout(1000) }).then(() => true, () => false)) return
    await sleep(50)
  }
  throw new Error(`versitygw does not answer: ${log()}`)
}
