import assert from 'node:assert/strict'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { FarmClient, parseEvents } from './client.ts'

/** A server that plays one answer after the other; what a real farm says is tested in test/. */
const answers: ((request: IncomingMessage, response: ServerResponse) => void)[] = []
const server = createServer((request, response) => answers.shift()!(request, response))
let client: FarmClient
before(async () => {
  await new Promise<void>((ready) => { server.listen(0, '127.0.0.1', ready) })
  client = new FarmClient({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, local: true, token: 'secret' })
})
after(() => {
  server.closeAllConnections()
  server.close()
})

describe('client', () => {
  it('fills in paths and queries, and sends its token', async () => {
    let seen = ''
    answers.push((request, response) => {
      seen = `${request.method} ${request.url} ${request.headers.authorization}`
      response.end('{"id":7}')
    })
    await client.call('waitForEvaluation', { params: { id: 7 }, query: { timeout: 5 } })
    assert.equal(seen, 'GET /api/v1/evaluations/7/wait?timeout=5 Bearer secret')
  })

  it('gives the farm\'s problem as the error it was', async () => {
    answers.push((_, response) => response.writeHead(422, { 'content-type': 'application/problem+json' }).end(JSON.stringify({
      type: 'about:blank', title: 'Unprocessable', status: 422, detail: 'does not fit', kind: 'invalid-input', requestId: 'r1', issues: [{ path: 'body.source', message: 'missing' }],
    })))
    await assert.rejects(client.call('getStatus', {}), { kind: 'invalid-input', message: 'does not fit\n  body.source: missing', data: { requestId: 'r1' } })
    answers.push((_, response) => response.writeHead(502).end('<html>bad gateway'))
    await assert.rejects(client.call('getStatus', {}), { kind: 'unavailable', message: /answered 502 to \/api\/v1\/status: <html>bad gateway/ })
  })

  it('says which farm does not answer', async () => {
    const nobody = new FarmClient({ url: 'http://127.0.0.1:9', local: false })
    await assert.rejects(nobody.call('getStatus', {}), { kind: 'unavailable', message: /^no farm answers at http:\/\/127\.0\.0\.1:9: / })
  })

  it('goes through all pages, up to a limit', async () => {
    const page = (items: number[], next: string | null) => (request: IncomingMessage, response: ServerResponse) => {
      asked.push(request.url!)
      response.end(JSON.stringify({ items, next }))
    }
    const asked: string[] = []
    answers.push(page([1, 2], 'c1'), page([3], null))
    assert.deepEqual(await client.all('listBuilds', { query: {} }), [1, 2, 3])
    assert.deepEqual(asked, ['/api/v1/builds?limit=1000', '/api/v1/builds?limit=1000&cursor=c1'])
    answers.push(page([1, 2], 'c1'))
    assert.deepEqual(await client.all('listBuilds', { query: {} }, 2), [1, 2])
  })

  it('takes events up where a connection broke', async () => {
    answers.push(
      (_, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' })
        response.write('id: 1\nevent: a\ndata: {"n":1}\n\n', () => response.destroy())
      },
      (request, response) => response.end(`id: 2\nevent: b\ndata: {"after":"${String(request.headers['last-event-id'])}"}\n\nid: 2\nevent: end\ndata: {}\n\n`),
    )
    const seen = []
    for await (const event of client.events('evaluationEvents', { params: { id: 1 } })) seen.push(event)
    assert.deepEqual(seen, [{ id: '1', event: 'a', data: { n: 1 } }, { id: '2', event: 'b', data: { after: '1' } }, { id: '2', event: 'end', data: {} }])
  })
})

describe('parseEvents', () => {
  it('reads comments, several data lines, and chunks cut anywhere', async () => {
    const text = ': hello\n\nid: 5\nevent: x\ndata: [1,\ndata: "ü"]\n\n'
    const bytes = new TextEncoder().encode(text)
    async function *oneByOne() {
      for (const byte of bytes) yield Uint8Array.of(byte)
    }
    const seen = []
    for await (const event of parseEvents(oneByOne())) seen.push(event)
    assert.deepEqual(seen, [{ id: '5', event: 'x', data: [1, 'ü'] }])
  })
})
