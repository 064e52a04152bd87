/** The driver with real containers: how builds end, what they can reach, and what is left when this process dies. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { getPriority, tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { FirnError } from '../contract/errors.ts'
import { cgroupHierarchies, cgroupProcesses, cpuHierarchy, isInstalled } from './container/runtime.ts'
import { openRuncDriver, type RuncSettings } from './runc.ts'
import { fileInput, NO_LIMITS, openTestDriver, pathNamed, runForLog, shellRequest, type TestDriver } from './testing/fixtures.ts'

const hierarchies = await cgroupHierarchies()

for (const runtime of ['runc', 'crun'] as const) {
  describe(runtime, { skip: !await isInstalled(runtime) && `${runtime} is not installed` }, () => {
    let fixture: TestDriver
    before(async () => void (fixture = await openTestDriver({ runtime })))
    after(async () => await fixture.close())
    const run = async (...args: Parameters<typeof shellRequest>) => await runForLog(fixture.driver, shellRequest(...args))

    test('exit codes and signals are told', async () => {
      assert.deepEqual((await run('exit 0')).end, { kind: 'exited', exitCode: 0 })
      assert.deepEqual((await run('exit 3')).end, { kind: 'exited', exitCode: 3 })
      assert.deepEqual((await run('exit 255')).end, { kind: 'exited', exitCode: 255 })
      assert.deepEqual((await run('sh -c "kill -SEGV \\$\\$"; exit $?')).end, { kind: 'exited', exitCode: 139, signal: 'SIGSEGV' })
    })

    test('a builder that can\'t be executed is a failed build, and its log says why', async () => {
      const missing = await run('', { builder: '/nix/store/nothing/bin/sh' })
      assert.deepEqual(missing.end, { kind: 'exited', exitCode: 1 })
      assert.equal(missing.log, 'error: executing \'/nix/store/nothing/bin/sh\': no such file or directory\n')
      const denied = await run('', { builder: '/etc/passwd' })
      assert.equal(denied.log, 'error: executing \'/etc/passwd\': permission denied\n')
    })

    test('both streams come in the order in which they were written, while the build runs', async () => {
      const chunks: string[] = []
      let firstAt = 0
      const started = performance.now()
      const lines = Array.from({ length: 200 }, (_, index) => index)
      const { end, durationSeconds, release } = await fixture.driver.run(shellRequest('for i in $(seq 0 199); do echo $i >&$((i % 2 + 1)); done; sleep 0.5'), {
        onLog: (chunk) => {
          firstAt ||= performance.now() - started
          chunks.push(Buffer.from(chunk).toString())
        },
      })
      await release()
      assert.equal(chunks.join(''), lines.map((line) => `${line}\n`).join(''))
      assert.deepEqual(end, { kind: 'exited', exitCode: 0 })
      assert.ok(firstAt < durationSeconds * 1000 - 300, `the first chunk came after ${firstAt} ms of ${durationSeconds} s`)
    })

    test('a build stands back behind the rest of the machine as far as the setting says', async () => {
      const { driver, close } = await openTestDriver({ runtime, niceness: 7 })
      try {
        assert.equal((await runForLog(driver, shellRequest('cut -d" " -f19 /proc/self/stat'))).log, `${getPriority() + 7}\n`)
      } finally {
        await close()
      }
    })

    test('what the niceness is among cgroups, a build\'s cgroup has', async (context) => {
      if (cpuHierarchy(hierarchies, 'firn-test-probe') === undefined) return context.skip('no cgroup can be made here')
      for (const [niceness, shares] of [[0, 1024], [7, 215], [19, 15]] as const) {
        const { driver, settings, close } = await openTestDriver({ runtime, niceness })
        try {
          let seen: readonly (readonly [string, number])[] = []
          await runForLog(driver, shellRequest('echo; sleep 0.3'), { onLog: () => void (seen = weightsOf(`firn-${settings.owner}-`)) })
          assert.equal(seen.length, 1)
          const [file, value] = seen[0]!
          // runtimes turn shares into a weight by one formula or another: 1024 are 39 or 100
          if (file === 'cpu.weight') assert.equal(value < 39, niceness > 0, `a weight of ${value} for niceness ${niceness}`)
          else assert.equal(value, shares)
        } finally {
          await close()
        }
      }
    })

    test('a driver that is told of a build beforehand gets ready, and what it does then is not seen', async () => {
      const cgroups = readFileSync('/proc/self/cgroup', 'utf8')
      const { driver, close } = await openTestDriver({ runtime })
      driver.prepare!()
      assert.deepEqual((await runForLog(driver, shellRequest('exit 3'))).end, { kind: 'exited', exitCode: 3 })
      driver.prepare!()
      await close()
      // its launcher is ending, or none was started: nothing to say
      driver.prepare!()
      await close()
      assert.equal(readFileSync('/proc/self/cgroup', 'utf8'), cgroups)
    })

    test('outputs are found on the disk, inputs and other builds\' folders are not writable', async () => {
      const input = fileInput(fixture.folder, pathNamed('input', 'b'), 'content\n')
      const folder = { storePath: pathNamed('folder', 'c'), localPath: join(fixture.folder, 'inputs/folder') }
      mkdirSync(folder.localPath)
      writeFileSync(join(folder.localPath, 'a file'), 'deep\n')
      const link = { storePath: pathNamed('link', 'd'), localPath: join(fixture.folder, 'inputs/link') }
      symlinkSync(`${folder.storePath.toString()}/a file`, link.localPath)
      const dangling = { storePath: pathNamed('dangling', 'f'), localPath: join(fixture.folder, 'inputs/dangling') }
      symlinkSync('/nix/store/nowhere', dangling.localPath)

      let log = ''
      const result = await fixture.driver.run(shellRequest(`
        cd /nix/store; ls
        cat ${input.storePath.baseName} ${link.storePath.baseName}
        for i in ${input.storePath.baseName} ${folder.storePath.baseName}/new "${folder.storePath.baseName}/a file"; do
          (echo x >"$i") 2>/dev/null && echo "wrote $i"
        done
        mv ${folder.storePath.baseName} moved 2>/dev/null && echo moved
        rm -rf ${link.storePath.baseName} 2>/dev/null; readlink ${link.storePath.baseName}
        mkdir -p $out/bin; echo result >$out/bin/file; chmod 700 $out/bin/file
      `, { inputs: [input, folder, link, dangling] }), { onLog: (chunk) => void (log += Buffer.from(chunk).toString()) })
      assert.deepEqual(result.end, { kind: 'exited', exitCode: 0 })
      assert.equal(log, [...[input, folder, link, dangling].map(({ storePath }) => storePath.baseName).sort(), 'content', 'deep', `${folder.storePath.toString()}/a file`, ''].join('\n'))
      const out = result.outputs.get('out')!
      assert.equal(readFileSync(join(out, 'bin/file'), 'utf8'), 'result\n')
      assert.equal(lstatSync(join(out, 'bin/file')).uid, result.owner)
      assert.notEqual(result.owner, 0)
      await result.release()
      assert.equal(existsSync(out), false)
      assert.equal(readFileSync(join(folder.localPath, 'a file'), 'utf8'), 'deep\n')
    })

    test('time limits, silence and a log that is too long end the build', async () => {
      const started = performance.now()
      assert.deepEqual((await run('sleep 100 & sleep 100', { limits: { ...NO_LIMITS, timeoutSeconds: 0.4 } })).end, { kind: 'timed-out', seconds: 0.4, silent: false })
      const silent = await run('echo one; sleep 0.2; echo two; sleep 100', { limits: { ...NO_LIMITS, silentSeconds: 0.6 } })
      assert.deepEqual(silent.end, { kind: 'timed-out', seconds: 0.6, silent: true })
      assert.equal(silent.log, 'one\ntwo\n')
      const loud = await run('yes', { limits: { ...NO_LIMITS, logBytes: 100_000 } })
      assert.deepEqual(loud.end, { kind: 'log-limit', bytes: 100_000 })
      assert.equal(loud.log.length, 100_000)
      assert.ok(performance.now() - started < 10_000)
      assertNothingLeft(fixture)
    })

    test('a build is cancelled, also before its container has started', async () => {
      for (const delay of [0, 30, 300]) {
        const controller = new AbortController()
        setTimeout(() => controller.abort(), delay)
        const { end } = await runForLog(fixture.driver, shellRequest('sleep 100'), { signal: controller.signal })
        assert.deepEqual(end, { kind: 'cancelled' })
      }
      await assert.rejects(runForLog(fixture.driver, shellRequest('true'), { signal: AbortSignal.abort() }), { name: 'AbortError' })
      assertNothingLeft(fixture)
    })

    test('a log that can\'t be kept stops the build with its error', async () => {
      const failure = new Error('disk full')
      await assert.rejects(fixture.driver.run(shellRequest('yes'), { onLog: () => Promise.reject(failure) }), failure)
      assertNothingLeft(fixture)
    })

    test('a build that needs more memory than it may have is killed', async () => {
      const { end } = await run('x=a; while :; do x=$x$x; done', { limits: { ...NO_LIMITS, memoryBytes: 32 * 1024 * 1024, timeoutSeconds: 20 } })
      assert.equal(end.kind, 'exited')
      assert.notEqual(end.kind === 'exited' && end.exitCode, 0)
    })

    test('environment and arguments pass unchanged, or are refused', async () => {
      const { log } = await run('tr "\\0" "\\n" </proc/1/environ; true', { environment: new Map([['a b', 'x\ny'], ['Z.z', '\xc3\xa4'], ['A', ''], ['HOME', '/h']]) })
      assert.equal(log, 'a b=x\ny\nZ.z=ä\nA=\nHOME=/h\n')
      await assert.rejects(run('true', { environment: new Map([['X', '\xff']]) }), (error) => error instanceof FirnError && error.kind === 'invalid-input' && error.message.includes('\'X\''))
      assertNothingLeft(fixture)
    })

    test('a failed build\'s folder can be kept', async () => {
      const { release } = await fixture.driver.run(shellRequest('echo precious >note; exit 1'))
      const kept = await release({ keep: true })
      assert.equal(readFileSync(join(kept!, 'note'), 'utf8'), 'precious\n')
    })

    test('many inputs and many builds at once', async () => {
      const inputs = Array.from({ length: 300 }, (_, index) => fileInput(fixture.folder, pathNamed(`input-${index}`, 'g'), ''))
      const results = await Promise.all(Array.from({ length: 6 }, async (_, index) => await run(`ls /nix/store | wc -l; echo ${index} >$out`, { inputs })))
      assert.deepEqual(results.map(({ log }) => log), Array.from({ length: 6 }, () => '300\n'))
      assert.equal(new Set(results.map(({ owner }) => owner)).size, 6)
      assertNothingLeft(fixture)
    })

    test('a driver that is killed leaves a container, which the next one with its name reaps', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'firn-reap-'))
      after(() => rmSync(folder, { recursive: true, force: true }))
      const settings = { runtime, owner: `reap-${process.pid}`, folder: join(folder, 'builds') }
      const child = spawn(process.execPath, [join(import.meta.dirname, 'testing/run-forever.ts'), JSON.stringify(settings)], { stdio: ['ignore', 'pipe', 'inherit'] })
      const [started] = await once(child.stdout, 'data') as [Buffer]
      assert.equal(started.toString(), 'building\n')
      child.kill('SIGKILL')
      await once(child, 'exit')
      assert.ok(processesNamed('firn-reap-marker') > 0, 'the container outlives its driver')

      const driver = await openRuncDriver(settings)
      const report = await driver.reap()
      assert.equal(report.containers, 1)
      assert.equal(processesNamed('firn-reap-marker'), 0)
      assert.deepEqual(readdirSync(settings.folder), [])
      assert.deepEqual(await driver.reap(), { containers: 0, cgroups: 0, folders: 0 })
      assert.equal((await runForLog(driver, shellRequest('echo again'))).log, 'again\n')
      await driver.close()
    })
  })
}

test('the file of a cgroup\'s processes is found where this process is in it', { skip: hierarchies.length === 0 && 'no cgroups here' }, () => {
  const file = cgroupProcesses(hierarchies)
  assert.ok(file !== undefined && readFileSync(file, 'utf8').split('\n').includes(String(process.pid)), file)
  assert.equal(cgroupProcesses(['/nowhere']), undefined)
})

test('what a machine lacks is named', async () => {
  const folder = join(tmpdir(), 'firn-lacks')
  const lacks = async (settings: Partial<RuncSettings>, message: RegExp): Promise<void> =>
    await assert.rejects(openRuncDriver({ runtime: 'runc', owner: 'lacks', folder, ...settings }), (error) => error instanceof FirnError && message.test(error.message))
  await lacks({ program: '/nowhere/runc' }, /'\/nowhere\/runc' can't be run; install it/)
  await lacks({ shell: process.execPath }, /needs shared libraries/)
  await lacks({ owner: 'Not a name' }, /can't name the owner/)
})

/** No containers, cgroups, mounts or build folders of this driver. */
function assertNothingLeft({ settings }: TestDriver): void {
  const prefix = `firn-${settings.owner}`
  assert.deepEqual(readdirSync(`/run/${prefix}/state`), [])
  assert.deepEqual(readdirSync(settings.folder).filter((name) => name !== 'shared' && name !== 'kept'), [])
  assert.equal(readFileSync('/proc/self/mounts', 'utf8').includes(settings.folder), false)
  for (const hierarchy of readdirSync('/sys/fs/cgroup')) {
    const folder = join('/sys/fs/cgroup', hierarchy)
    if (lstatSync(folder).isDirectory()) assert.deepEqual(readdirSync(folder).filter((name) => name.startsWith(prefix)), [], folder)
  }
}

/** Shares or weights of cgroups whose names begin so, by the name of their file. */
function weightsOf(prefix: string): (readonly [string, number])[] {
  const folders = hierarchies.flatMap((hierarchy) => readdirSync(hierarchy).filter((name) => name.startsWith(prefix)).map((name) => join(hierarchy, name)))
  return folders.flatMap((folder) => ['cpu.shares', 'cpu.weight'].filter((file) => existsSync(join(folder, file))).map((file) => [file, Number(readFileSync(join(folder, file), 'utf8'))] as const))
}

function processesNamed(marker: string): number {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name)).filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(marker)
    } catch {
      return false
    }
  }).length
}
