/** Binary caches that stock Nix writes, and a server for them that can be told to fail. */
import { execFileSync } from 'node:child_process'
import { createReadStream, existsSync, statSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { parseStorePath, type StorePath } from '../../nix/store-path.ts'

export interface NixCache {
  /** Folder of the cache. */
  readonly folder: string
  /** A path that refers to `base`, and to itself not at all. */
  readonly top: StorePath
  /** A folder with large and small files. */
  readonly base: StorePath
  /** `name:base64` */
  readonly publicKey: string
  remove(): Promise<void>
}

/** Whether stock Nix is here. */
export function hasNix(): boolean {
  try {
    execFileSync('nix', ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** Has stock Nix write a cache of two paths, compressed and signed; `source` becomes `base`. */
export async function makeNixCache(source: string, compression: string): Promise<NixCache> {
  const root = await mkdtemp(join(tmpdir(), 'firn-nix-cache-'))
  const store = join(root, 'store')
  const folder = join(root, 'cache')
  const [secretFile, publicFile] = [join(root, 'key.secret'), join(root, 'key.public')]
  const environment = { ...process.env, HOME: root, NIX_REMOTE: store, NIX_CONFIG: 'experimental-features = nix-command\nsandbox = false\nsubstituters =\nbuild-users-group =\n' }
  const nix = (program: string, ...args: string[]) => execFileSync(program, args, { encoding: 'utf8', env: environment, stdio: ['ignore', 'pipe', 'pipe'] }).trim()
  nix('nix-store', '--generate-binary-cache-key', 'test-1', secretFile, publicFile)
  const base = nix('nix-store', '--add', source)
  const top = JSON.parse(nix('nix-instantiate', '--eval', '--read-write-mode', '--strict', '--json', '-E', `builtins.toFile "top" "refers to \${builtins.storePath ${base}}"`)) as string
  nix('nix', 'copy', '--no-check-sigs', '--to', `file://${folder}?compression=${compression}&secret-key=${secretFile}`, base, top)
  const publicKey = execFileSync('cat', [publicFile], { encoding: 'utf8' }).trim()
  return {
    folder, publicKey,
    top: parseStorePath(top),
    base: parseStorePath(base),
    remove: async () => {
      execFileSync('chmod', ['-R', 'u+w', root])
      await rm(root, { recursive: true, force: true })
    },
  }
}

export interface CacheServer {
  readonly url: string
  /** Paths asked for, in order. */
  readonly requests: string[]
  /** Told of each request; true if it answered in place of the file. */
  intercept: ((request: IncomingMessage, response: ServerResponse) => boolean) | undefined
  close(): Promise<void>
}

/** Serves a folder over HTTP. */
export async function serveCache(folder: string): Promise<CacheServer> {
  const state: { requests: string[]; intercept: CacheServer['intercept'] } = { requests: [], intercept: undefined }
  const server = createServer((request, response) => {
    const path = decodeURIComponent(request.url ?? '/')
    state.requests.push(path)
    if (state.intercept?.(request, response) === true) return
    const file = join(folder, path)
    if (!existsSync(file) || !statSync(file).isFile()) {
      response.writeHead(404).end()
      return
    }
    response.writeHead(200, { 'content-length': statSync(file).size })
    createReadStream(file).pipe(response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return Object.assign(state, {
    url: `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`,
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  })
}
