/** What users see of mistakes: on a whole farm, through the command line and the API. */
import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { Job } from '../../contract/api.ts'
import type { Ran, RunningFirn } from '../support/firn.ts'
import { startFirn } from '../support/firn.ts'

const folder = fileURLToPath(new URL('testdata/', import.meta.url))
const CONTENT = 'what the server has\n'
const EXPECTED = 'sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA='

let server: Server
let url: string
/** Where nobody listens. */
let closed: string
let farm: RunningFirn
before(async () => {
  server = createServer((request, response) => {
    if (request.url === '/file') response.end(CONTENT)
    else response.writeHead(404).end('no such file')
  })
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve) })
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const gone = createServer()
  await new Promise<void>((resolve) => { gone.listen(0, '127.0.0.1', resolve) })
  closed = `http://127.0.0.1:${(gone.address() as AddressInfo).port}`
  await new Promise((resolve) => { gone.close(resolve) })
  farm = await startFirn({ settings: { 'fetch.tries': '2' } })
})
after(async () => {
  await farm.stop()
  server.close()
  server.closeAllConnections()
})

/** What was printed about one job or build, down to the next one. */
function said(ran: Ran, start: string): string {
  const found = ran.stderr.split(/^(?=✗ )/m).find((part) => part.startsWith(`✗ ${start}`))
  assert.ok(found !== undefined, `nothing about '${start}' in:\n${ran.stderr}`)
  return found
}

describe('a whole set in which most goes wrong', () => {
  let ran: Ran
  let jobs: ReadonlyMap<string, Job>
  const job = (attr: string): Job => jobs.get(attr)!
  before(async () => {
    ran = await farm.run('build', `${folder}errors.nix`, '-r', '--argstr', 'url', url, '--argstr', 'closed', closed)
    jobs = new Map((await farm.client.all<'listJobs', Job>('listJobs', { params: { id: 1 } })).map((one) => [one.attr, one]))
  })

  test('ends with an exit code of 1, and with all that could be built', () => {
    assert.equal(ran.code, 1, ran.stderr)
    assert.deepEqual(ran.stdout.trim().split('\n').map((path) => path.slice('/nix/store/'.length + 33)).sort(), ['also-fine', 'fine'])
    assert.deepEqual(Object.fromEntries([...jobs].map(([attr, { state }]) => [attr, state])), {
      'also-fine': 'succeeded', 'fine': 'succeeded',
      'exit-code': 'failed', 'dependent': 'failed', 'killed': 'failed', 'no-output': 'failed', 'wrong-hash': 'failed', 'not-there': 'failed', 'refused': 'failed',
      'imported': 'error', 'syntax-error': 'error', 'infinite-recursion': 'error', 'unknown-attribute': 'error', 'undefined-file': 'error', 'thrown': 'error',
    })
  })

  test('a builder that exits with 1: its code and the last lines of its log', () => {
    const text = said(ran, 'exit-code failed')
    assert.match(text, /builder failed with exit code 1/)
    assert.match(text, /│ line 40\n.*│ the last words\n/)
    assert.doesNotMatch(text, /│ line 1\n/)
    assert.match(text, /whole log: firn log \d+/)
  })

  test('what depends on it names the input at fault, and its log', () => {
    assert.match(said(ran, 'exit-code failed'), /needed by .*dependent/)
    const { fault } = job('dependent')
    assert.equal(fault?.name, 'exit-code')
    assert.equal(fault?.buildId, job('exit-code').buildId)
    assert.equal(fault?.logTail.at(-1), 'the last words')
  })

  test('the whole log is there', async () => {
    const log = await farm.run('log', String(job('exit-code').buildId))
    assert.equal(log.code, 0, log.stderr)
    assert.equal(log.stdout, `${Array.from({ length: 40 }, (_, index) => `line ${index + 1}\n`).join('')}the last words\n`)
  })

  test('a builder that was killed', () => {
    const text = said(ran, 'killed failed')
    assert.match(text, /builder was killed by SIGKILL|exit code 137/)
    assert.match(text, /│ before the end/)
  })

  test('a build that writes no output', () => {
    const text = said(ran, 'no-output failed')
    assert.match(text, /did not write 'out'/)
    assert.match(text, /│ nothing is written/)
  })

  test('a wrong hash: both hashes', () => {
    const text = said(ran, 'wrong-hash failed')
    assert.match(text, /hash mismatch/)
    assert.ok(text.includes(EXPECTED), text)
    const { fault } = job('wrong-hash')
    assert.equal(fault?.cause.kind, 'hash-mismatch')
    assert.notEqual(fault?.cause.kind === 'hash-mismatch' ? fault.cause.got : '', EXPECTED)
  })

  test('an address that has nothing: the address and what the server said', () => {
    const text = said(ran, 'not-there failed')
    assert.ok(text.includes(`${url}/missing`), text)
    assert.match(text, /404/)
  })

  test('a server that nobody listens at', () => {
    const text = said(ran, 'refused failed')
    assert.ok(text.includes(`${closed}/file`), text)
    assert.match(text, /refused|could(n't| not) connect/i)
  })

  test('a syntax error: file, line and column', () => {
    const text = said(ran, 'syntax-error could not be evaluated')
    assert.match(text, /syntax error/)
    assert.ok(text.includes(`${folder}syntax-error.nix:2:17`), text)
  })

  test('infinite recursion: said so, with its place', () => {
    const text = said(ran, 'infinite-recursion could not be evaluated')
    assert.match(text, /infinite recursion encountered/)
    assert.match(text, /errors\.nix:40:\d+/)
  })

  test('an unknown attribute: its name and place', () => {
    const text = said(ran, 'unknown-attribute could not be evaluated')
    assert.match(text, /attribute 'nosuch' missing/)
    assert.match(text, /errors\.nix:42:5/)
  })

  test('a file that is not there, and what an expression throws', () => {
    assert.match(said(ran, 'undefined-file could not be evaluated'), /nosuch\.nix/)
    assert.match(said(ran, 'thrown could not be evaluated'), /said so/)
  })

  test('an import whose build failed: the build at fault and the last lines of its log', () => {
    const text = `${job('imported').error}`
    assert.match(text, /imported\.nix/)
    assert.match(text, /exit code 3/)
    assert.match(said(ran, 'imported'), /cannot make it|exit code 3/)
  })
})

describe('an evaluation that fails as a whole', () => {
  const build = (...args: string[]): Promise<Ran> => farm.run('build', ...args)

  test('a file with a syntax error', async () => {
    const { code, stderr, stdout } = await build(`${folder}syntax-error.nix`, '-A', 'broken')
    assert.deepEqual([code, stdout], [1, ''])
    assert.match(stderr, /syntax error/)
    assert.ok(stderr.includes(`${folder}syntax-error.nix:2:17`), stderr)
  })

  test('an undefined variable', async () => {
    const { code, stderr } = await build(`${folder}undefined-variable.nix`, '-A', 'one')
    assert.equal(code, 1)
    assert.match(stderr, /undefined variable 'nosuchvariable'/)
    assert.ok(stderr.includes(`${folder}undefined-variable.nix:3:9`), stderr)
  })

  test('an attribute that is not there', async () => {
    const { code, stderr } = await build(`${folder}errors.nix`, '--argstr', 'url', url, '--argstr', 'closed', closed, '-A', 'absent')
    assert.equal(code, 1)
    assert.match(stderr, /attribute 'absent'.* not found/)
  })

  test('an argument that is missing', async () => {
    const { code, stderr } = await build(`${folder}errors.nix`, '-A', 'fine')
    assert.equal(code, 1)
    assert.match(stderr, /url/)
  })
})
