/** The Docker driver against a real service of that API: Podman's, started here on a socket of its own. */
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { FirnError } from '../contract/errors.ts'
import { isInstalled } from './container/runtime.ts'
import { openDockerDriver } from './docker.ts'
import type { BuildDriver } from './interface.ts'
import { fileInput, NO_LIMITS, pathNamed, runForLog, shellRequest } from './testing/fixtures.ts'

const usable = process.geteuid?.() === 0 && await isInstalled('podman') && await isInstalled('runc')

test('without a daemon, it says what to do', async () => {
  await assert.rejects(openDockerDriver({ socket: '/nowhere/docker.sock', owner: 'test', folder: join(tmpdir(), 'firn-none') }), (error) => error instanceof FirnError && error.kind === 'missing-requirement' && error.message.includes('/nowhere/docker.sock'))
})

describe('docker', { skip: !usable && 'Podman is not installed (or this is not root)' }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'firn-docker-'))
  const settings = { socket: join(folder, 'podman.sock'), owner: `test-${process.pid}`, folder: join(folder, 'builds') }
  let service: ChildProcess
  let driver: BuildDriver
  before(async () => {
    const options = ['--root', join(folder, 'storage'), '--runroot', join(folder, 'run'), '--storage-driver', 'vfs', '--runtime', 'runc', '--cgroup-manager', 'cgroupfs']
    service = spawn('podman', [...options, 'system', 'service', '--time', '0', `unix://${settings.socket}`], { stdio: 'ignore' })
    for (let attempt = 0; attempt < 100 && !existsSync(settings.socket); attempt++) await sleep(100)
    driver = await openDockerDriver(settings)
    await driver.reap()
  })
  after(async () => {
    await driver?.reap()
    await driver?.close()
    service.kill('SIGTERM')
    await once(service, 'exit')
    rmSync(folder, { recursive: true, force: true })
  })

  test('a build writes its output, and sees its inputs only', async () => {
    const input = fileInput(folder, pathNamed('input', 'b'), 'content\n')
    const result = await driver.run(shellRequest(`cat /nix/store/*-input; ls /nix/store; id -u; pwd; (echo x >${input.storePath.toString()}) 2>/dev/null || echo read-only; mkdir $out; echo y >$out/file`, { inputs: [input] }), { onLog: (chunk) => void (log += Buffer.from(chunk).toString()) })
    assert.deepEqual(result.end, { kind: 'exited', exitCode: 0 })
    assert.equal(log, `content\n${input.storePath.baseName}\n1000\n/build\nread-only\n`)
    assert.equal(readFileSync(join(result.outputs.get('out')!, 'file'), 'utf8'), 'y\n')
    await result.release()
    assert.equal(existsSync(result.buildFolder), false)
  })
  let log = ''

  test('exit codes, a builder that isn\'t there, refused system calls', async () => {
    assert.deepEqual((await runForLog(driver, shellRequest('exit 7'))).end, { kind: 'exited', exitCode: 7 })
    const missing = await runForLog(driver, shellRequest('', { builder: '/nope' }))
    assert.deepEqual([missing.end, missing.log], [{ kind: 'exited', exitCode: 1 }, 'error: executing \'/nope\': no such file or directory\n'])
    assert.equal((await runForLog(driver, shellRequest('touch x; chmod 4755 x 2>/dev/null || echo refused; grep NoNewPrivs /proc/self/status | grep -o 1'))).log, 'refused\n1\n')
  })

  test('no network but loopback', async () => {
    assert.equal((await runForLog(driver, shellRequest('ifconfig -a | grep -c "^[a-z]"; ifconfig lo | grep -o "inet addr:127.0.0.1"'))).log, '1\ninet addr:127.0.0.1\n')
  })

  test('limits and cancelling', async () => {
    assert.deepEqual((await runForLog(driver, shellRequest('sleep 100', { limits: { ...NO_LIMITS, timeoutSeconds: 1 } }))).end, { kind: 'timed-out', seconds: 1, silent: false })
    const loud = await runForLog(driver, shellRequest('yes', { limits: { ...NO_LIMITS, logBytes: 5000 } }))
    assert.deepEqual([loud.end, loud.log.length], [{ kind: 'log-limit', bytes: 5000 }, 5000])
    const controller = new AbortController()
    setTimeout(() => controller.abort(), 300)
    assert.deepEqual((await runForLog(driver, shellRequest('sleep 100'), { signal: controller.signal })).end, { kind: 'cancelled' })
  })

  test('what a dead driver left is removed by its name', async () => {
    const left = driver.run(shellRequest('sleep 1000'))
    left.catch(() => {})
    await sleep(1500)
    const next = await openDockerDriver(settings)
    assert.ok((await next.reap()).containers >= 1)
    assert.deepEqual(await next.reap(), { containers: 0, cgroups: 0, folders: 0 })
    await left.then(({ release }) => release(), () => undefined)
  })
})
