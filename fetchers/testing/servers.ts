/** Ring: fetchers, for tests. Real HTTP servers that do what real ones do to downloads. */
import { once } from 'node:events'
import { createServer, request as forward, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface FileBehaviour {
  readonly content: Uint8Array
  /** Entity tag; none unless given. */
  readonly tag?: string
  readonly lastModified?: string
  /** Answers ranges; otherwise each answer is the whole file. */
  readonly ranges?: boolean
  /** Breaks the connection after so many bytes of each answer, for so many answers. */
  readonly breakAfter?: number
  readonly breaks?: number
  /** Stops sending, instead of breaking. */
  readonly stall?: boolean
  /** Announced in place of the true length. */
  readonly announced?: number
  /** Statuses of the first answers. */
  readonly failures?: readonly number[]
  readonly headers?: Readonly<Record<string, string>>
  readonly chunked?: boolean
}

export interface TestServer {
  readonly url: string
  /** Requests so far, with their range. */
  readonly requests: { readonly path: string; readonly range: string | undefined; readonly headers: IncomingMessage['headers'] }[]
  file(path: string, behaviour: FileBehaviour): string
  redirect(path: string, target: string, status?: number, headers?: Readonly<Record<string, string>>): string
  handle(path: string, handler: (request: IncomingMessage, response: ServerResponse) => void): string
  close(): Promise<void>
}

export async function startServer(): Promise<TestServer> {
  const handlers = new Map<string, (request: IncomingMessage, response: ServerResponse) => void>()
  const requests: TestServer['requests'] = []
  const server = createServer((request, response) => {
    requests.push({ path: request.url!, range: request.headers.range, headers: request.headers })
    const handler = handlers.get(request.url!)
    if (handler) handler(request, response)
    else response.writeHead(404).end('nothing here')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const handle: TestServer['handle'] = (path, handler) => {
    handlers.set(path, handler)
    return url + path
  }
  return {
    url,
    requests,
    handle,
    file: (path, behaviour) => handle(path, fileHandler(behaviour)),
    redirect: (path, target, status = 302, headers = {}) => handle(path, (_, response) => void response.writeHead(status, { location: target, ...headers }).end('moved')),
    close: async () => await stop(server),
  }
}

async function stop(server: Server): Promise<void> {
  server.closeAllConnections()
  server.close()
  await once(server, 'close')
}

function fileHandler(file: FileBehaviour): (request: IncomingMessage, response: ServerResponse) => void {
  let answers = 0
  const failures = [...file.failures ?? []]
  return (request, response) => {
    const failure = failures.shift()
    if (failure !== undefined) return void response.writeHead(failure, { 'retry-after': '0' }).end('sorry')
    const validator = file.tag ?? file.lastModified
    const start = rangeStart(request, file, validator)
    if (start >= file.content.length && start > 0) return void response.writeHead(416, { 'content-range': `bytes */${file.content.length}` }).end()
    const body = file.content.subarray(start)
    response.writeHead(start > 0 ? 206 : 200, {
      ...(file.tag !== undefined && { etag: file.tag }),
      ...(file.lastModified !== undefined && { 'last-modified': file.lastModified }),
      ...(start > 0 && { 'content-range': `bytes ${start}-${file.content.length - 1}/${file.content.length}` }),
      ...(file.chunked !== true && { 'content-length': start > 0 ? body.length : file.announced ?? body.length }),
      ...file.headers,
    })
    if (answers++ < (file.breaks ?? 0)) {
      response.write(body.subarray(0, file.breakAfter ?? 0), () => {
        if (file.stall !== true) setTimeout(() => response.socket?.destroy(), 5)
      })
    } else {
      response.end(body)
    }
  }
}

function rangeStart(request: IncomingMessage, file: FileBehaviour, validator: string | undefined): number {
  const match = /^bytes=(\d+)-$/.exec(request.headers.range ?? '')
  if (file.ranges !== true || match === null) return 0
  const condition = request.headers['if-range']
  return condition !== undefined && condition !== validator ? 0 : Number(match[1])
}

/** An HTTP proxy that counts what goes through it. */
export async function startProxy(): Promise<{ readonly url: string; readonly requests: string[]; close(): Promise<void> }> {
  const requests: string[] = []
  const server = createServer((incoming, outgoing) => {
    requests.push(incoming.url!)
    const onward = forward(incoming.url!, { method: incoming.method, headers: incoming.headers }, (answer) => {
      outgoing.writeHead(answer.statusCode!, answer.headers)
      answer.pipe(outgoing)
    })
    incoming.pipe(onward)
  })
  // undici asks for a tunnel, for plain addresses too
  server.on('connect', (request, socket, head) => {
    requests.push(request.url!)
    const [host, port] = request.url!.split(':')
    void import('node:net').then(({ connect }) => {
      const onward = connect(Number(port), host, () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n')
        onward.write(head)
        onward.pipe(socket)
        socket.pipe(onward)
      })
      for (const side of [onward, socket]) side.on('error', () => {})
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests, close: async () => await stop(server) }
}
