/** Git repositories over HTTP, as forges serve them: git's own http-backend behind a server of Node. Pushes are taken. */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'

export interface GitServer {
  /** A new repository, `team/set` for example, with a clone to work in. */
  repository(path: string): PushedRepository
  close(): Promise<void>
}

export interface PushedRepository {
  readonly url: string
  /** Commits these files and pushes the branch `main`; gives the revision. */
  push(files: Readonly<Record<string, string>>): string
}

/** Serves what lies in a folder. */
export async function startGitServer(folder: string): Promise<GitServer> {
  const root = join(folder, 'served')
  mkdirSync(root, { recursive: true })
  const server = createServer((request, response) => { serve(root, request, response) })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    repository(path) {
      const bare = join(root, `${path}.git`)
      const clone = join(folder, 'clones', path)
      mkdirSync(clone, { recursive: true })
      execFileSync('git', ['init', '--quiet', '--bare', '--initial-branch=main', bare])
      const git = (...args: string[]): string => execFileSync('git', ['-c', 'user.name=Test', '-c', 'user.email=test@example.org', ...args], { cwd: clone, encoding: 'utf8' }).trim()
      git('init', '--quiet', '--initial-branch=main')
      return {
        url: `${url}/${path}.git`,
        push(files) {
          for (const [name, content] of Object.entries(files)) {
            mkdirSync(dirname(join(clone, name)), { recursive: true })
            writeFileSync(join(clone, name), content)
          }
          git('add', '--all')
          git('commit', '--quiet', '--message', 'a change')
          // over the file system: the server answers from this very process, which waits for git
          git('push', '--quiet', bare, 'main')
          return git('rev-parse', 'HEAD')
        },
      }
    },
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

/** CGI, as far as git speaks it. */
function serve(root: string, request: IncomingMessage, response: ServerResponse): void {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://server')
  const backend = spawn('git', ['http-backend'], {
    env: {
      PATH: process.env['PATH'], GIT_PROJECT_ROOT: root, GIT_HTTP_EXPORT_ALL: '1', PATH_INFO: decodeURIComponent(pathname), QUERY_STRING: searchParams.toString(), REQUEST_METHOD: request.method,
      CONTENT_TYPE: request.headers['content-type'] ?? '', HTTP_CONTENT_ENCODING: request.headers['content-encoding'] ?? '', GIT_PROTOCOL: String(request.headers['git-protocol'] ?? ''), REMOTE_ADDR: '127.0.0.1',
    },
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  request.pipe(backend.stdin)
  backend.stdin.on('error', () => undefined)
  let head = Buffer.alloc(0)
  const read = (chunk: Buffer): void => {
    head = Buffer.concat([head, chunk])
    const end = head.indexOf('\r\n\r\n')
    if (end < 0) return
    const headers = head.subarray(0, end).toString().split('\r\n').map((line) => line.split(/:\s*/, 2) as [string, string])
    response.writeHead(Number(headers.find(([name]) => name === 'Status')?.[1].slice(0, 3) ?? 200), Object.fromEntries(headers.filter(([name]) => name !== 'Status')))
    response.write(head.subarray(end + 4))
    backend.stdout.off('data', read)
    backend.stdout.pipe(response)
  }
  backend.stdout.on('data', read)
  backend.on('error', () => response.writeHead(500).end())
}
