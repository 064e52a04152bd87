/**
 * The farm's binary cache beside a web server that sends files: `node bench/binary-cache.ts [FOLDER…]`. Every package below the
 * folders (node_modules, unless told otherwise) is a path of the cache, and so is one large file. nginx, or else Python's
 * http.server, serves the same narinfos and NARs from files; what counts is the ratio to it in the same run.
 *
 * The farm renders each NAR from castore while it sends it, so it does more work than reading one file. The client runs
 * in this process, the servers in others.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream, lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import pLimit from 'p-limit'
import { Agent, request } from 'undici'
import { startTestApi, stopTemporal } from '../api/testing/api.ts'
import { freePort } from '../infra/embedded/ports.ts'
import { parseNarInfo } from '../nix/narinfo.ts'
import { makeSourcePath } from '../nix/store-path.ts'
import { ingest } from '../store/ingest/ingest.ts'
import { entriesOfLocalTree } from '../store/ingest/local-tree.ts'

const LARGE_BYTES = 150_000_000
const PATHS = 120
const MINIMUM_SECONDS = 3

/** This process is the farm's side. */
const SERVE = process.argv[2] === '--serve'

/** The farm's side: takes the paths in, prints its address and their hashes, serves until its input ends. */
async function serve(folders: readonly string[]): Promise<void> {
  const farm = await startTestApi()
  const { store } = farm.dependencies
  const large = join(farm.folder, 'large')
  writeLarge(large)
  const hashes: string[] = []
  for (const folder of [...packagesBelow(folders).slice(0, PATHS - 1), large]) {
    const { root, narHash, narSize } = await ingest(entriesOfLocalTree(folder), store.blobs)
    const storePath = makeSourcePath('package', narHash)
    await store.pathInfos.put([{ storePath, root, narHash, narSize, references: [], contentAddress: { method: 'nar', hash: narHash }, signatures: [], registeredAt: new Date(), ultimate: true }])
    hashes.push(storePath.hash)
  }
  process.stdout.write(`${JSON.stringify({ url: farm.api.url, hashes: [...new Set(hashes)] })}\n`)
  process.stdin.resume()
  await once(process.stdin, 'end')
  await farm.close()
  await stopTemporal()
  process.exit(0)
}

/** Bytes that neither repeat nor compress, the same every time. */
function writeLarge(path: string): void {
  const bytes = Buffer.allocUnsafe(LARGE_BYTES)
  for (let at = 0, value = 1; at + 4 <= bytes.length; at += 4) {
    value = Math.imul(value, 1664525) + 1013904223 | 0
    bytes.writeInt32LE(value, at)
  }
  writeFileSync(path, bytes)
}

function packagesBelow(folders: readonly string[]): string[] {
  const isFolder = (path: string): boolean => lstatSync(path).isDirectory()
  return folders.flatMap((folder) => readdirSync(folder).filter((name) => !name.startsWith('.')).flatMap((name) => {
    const path = join(folder, name)
    return name.startsWith('@') ? readdirSync(path).map((inner) => join(path, inner)) : [path]
  })).filter(isFolder)
}

interface Server { readonly name: string; readonly url: string; stop(): Promise<void> }

async function compare(): Promise<void> {
  const given = process.argv.slice(2)
  const folders = (given.length > 0 ? given : ['node_modules']).map((folder) => resolve(folder))
  const work = mkdtempSync(join(tmpdir(), 'firn-bench-'))
  const servers: Server[] = []
  try {
    const { server: farm, hashes } = await startFarm(folders)
    servers.push(farm)
    const { files, bytes } = await copyToFiles(farm.url, hashes, work)
    const plain = await startFileServer(work)
    servers.push(plain)
    console.log(`${hashes.length} paths, ${(bytes / 1e6).toFixed(0)} MB of NARs; ${cpus().length} cores (${cpus()[0]?.model ?? 'unknown'}), Node ${process.version}`)

    const narinfos = hashes.map((hash) => `/${hash}.narinfo`)
    const largest = files.toSorted((left, right) => right.size - left.size)[0]!
    const smaller = files.filter((file) => file !== largest)
    const tasks: Task[] = [
      { name: 'narinfo, 1 connection', paths: narinfos, connections: 1 },
      { name: 'narinfo, 16 connections', paths: narinfos, connections: 16 },
      { name: 'packages, 1 connection', paths: smaller.map(({ url }) => url), connections: 1 },
      { name: 'packages, 16 connections', paths: smaller.map(({ url }) => url), connections: 16 },
      { name: 'one large file', paths: [largest.url], connections: 1 },
      { name: 'the middle MB of it', paths: [largest.url], connections: 1, range: [70_000_000, 71_000_000] },
    ]
    const rows: Record<string, string | number>[] = []
    for (const task of tasks) {
      const [ofFarm, ofPlain] = [await measure(farm.url, task), await measure(plain.url, task)]
      rows.push({
        'what': task.name, 'farm ms': round(ofFarm.milliseconds), [`${plain.name} ms`]: round(ofPlain.milliseconds),
        'farm MB/s': round(ofFarm.bytes / 1000 / ofFarm.milliseconds), [`farm / ${plain.name}`]: round(ofFarm.milliseconds / ofPlain.milliseconds),
      })
    }
    console.table(rows)
    stockNix(farm, plain, work, hashes)
  } finally {
    for (const server of servers) await server.stop()
    rmSync(work, { recursive: true, force: true })
  }
}

interface Task { readonly name: string; readonly paths: readonly string[]; readonly connections: number; readonly range?: readonly [number, number] }

/** Milliseconds for all paths of the task, the best of as many rounds as fit into some seconds. */
async function measure(url: string, task: Task): Promise<{ milliseconds: number; bytes: number }> {
  const agent = new Agent({ connections: task.connections, pipelining: 1 })
  const limit = pLimit(task.connections)
  let bytes = 0
  let best = Infinity
  const headers = task.range ? { range: `bytes=${task.range[0]}-${task.range[1] - 1}` } : {}
  const end = performance.now() + MINIMUM_SECONDS * 1000
  for (let round = 0; round < 3 || performance.now() < end; round++) {
    bytes = 0
    const start = performance.now()
    await Promise.all(task.paths.map((path) => limit(async () => {
      const response = await request(url + path, { dispatcher: agent, headers })
      if (response.statusCode >= 300) throw new Error(`${url}${path}: ${response.statusCode}`)
      for await (const chunk of response.body as AsyncIterable<Uint8Array>) bytes += chunk.length
    })))
    best = Math.min(best, performance.now() - start)
  }
  await agent.close()
  return { milliseconds: best, bytes }
}

async function startFarm(folders: readonly string[]): Promise<{ server: Server; hashes: string[] }> {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', fileURLToPath(import.meta.url), '--serve', ...folders], { stdio: ['pipe', 'pipe', 'inherit'] })
  let text = ''
  for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
    text += chunk.toString()
    if (text.includes('\n')) break
  }
  const { url, hashes } = JSON.parse(text) as { url: string; hashes: string[] }
  return { hashes, server: { name: 'farm', url, stop: () => ended(child, () => child.stdin.end()) } }
}

/** The same cache as files; gives the addresses and sizes of the NARs. */
async function copyToFiles(url: string, hashes: readonly string[], work: string): Promise<{ files: { url: string; size: number }[]; bytes: number }> {
  const folder = join(work, 'cache')
  mkdirSync(join(folder, 'nar'), { recursive: true })
  const fetchTo = async (path: string): Promise<void> => {
    const response = await request(`${url}${path}`)
    await pipeline(response.body, createWriteStream(join(folder, path)))
  }
  await fetchTo('/nix-cache-info')
  const files: { url: string; size: number }[] = []
  for (const hash of hashes) {
    const text = await (await request(`${url}/${hash}.narinfo`)).body.text()
    const info = parseNarInfo(text)
    writeFileSync(join(folder, `${hash}.narinfo`), text)
    await fetchTo(`/${info.url}`)
    files.push({ url: `/${info.url}`, size: info.narSize })
  }
  return { files, bytes: files.reduce((sum, { size }) => sum + size, 0) }
}

async function startFileServer(work: string): Promise<Server> {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const folder = join(work, 'cache')
  const nginx = ['nginx', '/usr/sbin/nginx'].find((program) => spawnSync(program, ['-v'], { stdio: 'ignore' }).status === 0)
  if (nginx === undefined) {
    const child = spawn('python3', ['-m', 'http.server', '--bind', '127.0.0.1', '--directory', folder, String(port)], { stdio: 'ignore' })
    await answers(url)
    return { name: 'http.server', url, stop: () => ended(child, () => child.kill()) }
  }
  const config = join(work, 'nginx.conf')
  writeFileSync(config, `
    ${process.getuid?.() === 0 ? 'user root;' : ''} daemon off; pid ${work}/nginx.pid; error_log ${work}/error.log; worker_processes 2;
    events { worker_connections 1024; }
    http {
      access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000; default_type application/octet-stream;
      client_body_temp_path ${work}/body; proxy_temp_path ${work}/proxy; fastcgi_temp_path ${work}/fastcgi; uwsgi_temp_path ${work}/uwsgi; scgi_temp_path ${work}/scgi;
      server { listen 127.0.0.1:${port}; root ${folder}; }
    }`)
  const child = spawn(nginx, ['-c', config, '-e', join(work, 'error.log')], { stdio: 'ignore' })
  await answers(url)
  return { name: 'nginx', url, stop: () => ended(child, () => child.kill('SIGQUIT')) }
}

/** What a user of the cache waits for: stock Nix copying all of it into an empty store, verified and unpacked. */
function stockNix(farm: Server, plain: Server, work: string, hashes: readonly string[]): void {
  if (spawnSync('nix', ['--version'], { stdio: 'ignore' }).status !== 0) return
  const seconds = (server: Server, round: number): number => {
    const home = join(work, `${server.name}-${round}`)
    mkdirSync(home)
    const start = performance.now()
    const { status, stderr } = spawnSync('nix', ['--extra-experimental-features', 'nix-command', '--store', join(home, 'store'), 'copy', '--from', server.url, ...hashes.map((hash) => `/nix/store/${hash}-package`)],
      { env: { PATH: process.env['PATH'], HOME: home, NIX_REMOTE: '', NIX_CONF_DIR: '/none', NIX_CONFIG: 'substituters =' } })
    if (status !== 0) throw new Error(`nix copy from ${server.name}: ${stderr.toString().slice(-1000)}`)
    return (performance.now() - start) / 1000
  }
  const [ofFarm, ofPlain] = [farm, plain].map((server) => Math.min(seconds(server, 1), seconds(server, 2))) as [number, number]
  console.log(`nix copy of all of it: from the farm ${ofFarm.toFixed(2)} s, from ${plain.name} ${ofPlain.toFixed(2)} s, ratio ${(ofFarm / ofPlain).toFixed(2)}`)
}

async function ended(child: ChildProcess, end: () => void): Promise<void> {
  if (child.exitCode !== null) return
  const exit = once(child, 'exit')
  end()
  await exit
}

async function answers(url: string): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      await (await request(`${url}/nix-cache-info`)).body.dump()
      return
    } catch (error) {
      if (tries > 100) throw error
      await new Promise((resolve) => { setTimeout(resolve, 50) })
    }
  }
}

function round(value: number): number {
  return Number(value.toPrecision(3))
}

if (SERVE) await serve(process.argv.slice(3))
else await compare()
