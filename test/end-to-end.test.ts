/**
 * The whole of Firn from its command line, as a newcomer uses it: a farm of its own in an empty folder, a small real package set
 * (downloads, an import-from-derivation on a published lock file, a C program compiled), failures, and a farm that is killed.
 */
import assert from 'node:assert/strict'
import { execFile, execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { findMirrors, mirrorArguments } from '../examples/tools/mirrors.ts'
import { identityOf, isAlive, readFarmState } from '../infra/embedded/state.ts'
import { findProgram } from '../infra/setup/programs.ts'

const ROOT = resolve(import.meta.dirname, '..')
const folder = mkdtempSync(join(tmpdir(), 'firn-end-to-end-'))
const home = join(folder, 'home')
const options = { timeout: 600_000 }

interface Result { readonly code: number, readonly out: string, readonly err: string }

async function firn(...words: string[]): Promise<Result> {
  return await new Promise((end) => {
    execFile(join(ROOT, 'bin/firn'), words, { cwd: folder, env: { ...process.env, FIRN_HOME: home, FIRN_OTLP: 'false', NO_COLOR: '1' }, maxBuffer: 64 * 1024 ** 2 }, (error, out, err) => {
      end({ code: error ? Number(error.code ?? 1) : 0, out, err })
    })
  })
}

async function ok(...words: string[]): Promise<string> {
  const { code, out, err } = await firn(...words)
  assert.equal(code, 0, `firn ${words.join(' ')}:\n${out}\n${err}`)
  return out
}

function expression(name: string, text: string): string {
  const file = join(folder, name)
  writeFileSync(file, text)
  return file
}

let mirrors: string[]
before(async () => {
  mirrors = mirrorArguments(await findMirrors())
  await ok('up', '--detach')
}, options)
after(async () => {
  await firn('down')
  // stock Nix's store is read-only below
  execFileSync('chmod', ['-R', 'u+w', folder])
  rmSync(folder, { recursive: true, force: true })
}, options)

describe('a farm on this machine', options, () => {
  let outputs: Record<string, string> = {}
  let drvPaths: string[] = []

  it('builds a real set with an import on a lock file', async () => {
    const { evaluation, jobs } = JSON.parse(await ok('build', '--json', '-r', ...mirrors, join(ROOT, 'examples/test'))) as { evaluation: { state: string }, jobs: { attr: string, state: string, drvPath: string, outputs: Record<string, string> }[] }
    assert.equal(evaluation.state, 'succeeded')
    assert.deepEqual(jobs.map(({ attr, state }) => [attr, state]), [['crates', 'succeeded'], ['tree', 'succeeded'], ['wide', 'succeeded']])
    drvPaths = jobs.map((job) => job.drvPath)
    outputs = Object.fromEntries(jobs.map((job) => [job.attr, job.outputs['out']!]))
  })

  it('builds a flake: as it is committed, then as it is changed, and not what it lacks', async () => {
    const flake = join(folder, 'flake')
    mkdirSync(join(flake, 'data'), { recursive: true })
    writeFileSync(join(flake, 'data/text'), 'committed\n')
    writeFileSync(join(flake, 'flake.nix'), `{
      inputs.data = { url = "path:./data"; flake = false; };
      outputs = { self, data }: { packages.x86_64-linux = rec {
        named = derivation { name = "named.nix"; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" "echo '\\"from-the-flake\\"' > $out" ]; };
        default = derivation { name = import named; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" "read line < \${data}/text; echo $line > $out" ]; };
      }; };
    }`)
    const git = (...words: string[]): void => void execFileSync('git', ['-c', 'user.name=test', '-c', 'user.email=test@localhost', ...words], { cwd: flake, stdio: 'ignore' })
    git('init', '-q')
    git('add', '-A')
    git('commit', '-qm', 'first')
    const link = join(folder, 'from-flake')
    const built = await ok('build', `${flake}#`, '--out-link', link)
    assert.match(built, /-from-the-flake$/m)
    assert.equal(readFileSync(link, 'utf8'), 'committed\n')
    writeFileSync(join(flake, 'data/text'), 'changed\n')
    await ok('build', `${flake}#default`, '--out-link', link)
    assert.equal(readFileSync(link, 'utf8'), 'changed\n')
    const { code, err } = await firn('build', `${flake}#missing`)
    assert.equal(code, 1)
    assert.match(err, /does not provide attribute 'packages\.x86_64-linux\.missing'/)
  })

  it('finds the derivations that stock Nix finds, imports included', async () => {
    const [nix, busybox] = [findProgram('nix-instantiate'), findProgram('busybox')]
    assert.ok(nix && busybox, 'nix-instantiate and busybox are needed')
    const { stdout } = await promisify(execFile)(nix, [
      '--store', join(folder, 'stock'), '--option', 'substituters', '', '--option', 'build-users-group', '',
      ...(process.getuid?.() === 0 ? ['--option', 'sandbox', 'true', '--option', 'sandbox-paths', `/bin/sh=${busybox}`] : ['--option', 'sandbox', 'false']),
      ...mirrors, join(ROOT, 'examples/test'),
    ], { env: { ...process.env, HOME: folder } })
    assert.deepEqual(stdout.trim().split('\n').sort(), drvPaths.toSorted())
  })

  it('finds everything there the second time, and prints the paths', async () => {
    const { code, out, err } = await firn('build', '-r', '--plain', ...mirrors, join(ROOT, 'examples/test'))
    assert.equal(code, 0, err)
    assert.deepEqual(out.trim().split('\n').sort(), Object.values(outputs).sort())
    assert.match(err, /3 of 3 jobs; everything was there already/)
    assert.doesNotMatch(err, /building on/)
  })

  it('brings a result here, whole, behind a link', async () => {
    await ok('build', ...mirrors, join(ROOT, 'examples/test'), '-A', 'tree', '-o', 'result')
    const target = readlinkSync(join(folder, 'result'))
    assert.equal(target, join(home, 'store', outputs['tree']!.slice(11)))
    assert.equal(readFileSync(join(target, 'bin/tree')).subarray(1, 4).toString(), 'ELF')
    // the loader that the program names came with it
    const { paths } = (JSON.parse(await ok('store', 'path-info', '--json', '--closure', outputs['tree']!)) as { paths: { path: string }[] }[])[0]!
    assert.ok(paths.length > 1)
    for (const { path } of paths) assert.ok(existsSync(join(home, 'store', path.slice(11))), path)
  })

  it('shows its store', async () => {
    assert.deepEqual((await ok('store', 'ls', outputs['tree']!)).trim().split('\n'), ['bin/'])
    assert.equal(await ok('store', 'cat', outputs['wide']!), '1 2 3 4 5\n')
    const [info] = JSON.parse(await ok('store', 'path-info', '--json', outputs['wide']!)) as { narHash: string, signatures: string[] }[]
    assert.match(info!.narHash, /^sha256-/)
    assert.match((await ok('key', 'show')).trim(), /^firn-1:/)
  })

  it('fails a build with its cause and the end of its log, keeps the log, and runs it again when asked', async () => {
    const file = expression('failing.nix', `
      let drv = name: script: derivation { inherit name; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" script ]; };
      in rec {
        bad = drv "bad" "echo this went wrong; exit 3";
        top = drv "top" "echo \${bad} > $out";
        good = drv "good" "echo fine > $out";
        none = drv "none" "true";
      }`)
    const { code, out, err } = await firn('build', '--plain', '-r', file)
    assert.equal(code, 1)
    assert.match(out, /-good\n$/, 'the rest is built')
    assert.match(err, /✗ bad failed: builder failed with exit code 3\n {2}│ this went wrong/)
    assert.match(err, /needed by bad, top/)
    assert.match(err, /✗ none failed: builder ended well but did not write 'out'/)
    const [, build] = /firn retry (\d+)/.exec(err)!
    assert.match(await ok('log', 'bad'), /this went wrong/)
    assert.match(await ok('retry', build!), /again/)
    assert.equal((await firn('log', '99999')).code, 1)
  })

  it('says where an expression is wrong', async () => {
    const cases: readonly (readonly [name: string, text: string, message: RegExp, attr?: string])[] = [
      ['syntax.nix', '{ a = ; }', /syntax error[^]*syntax\.nix:1:7/],
      ['recursion.nix', 'let x = x; in x', /infinite recursion/],
      ['attribute.nix', '{ a = 1; }', /attribute 'b'[^]*not found/, 'b'],
      ['throw.nix', '{\n  a = throw "on purpose";\n}', /on purpose[^]*throw\.nix:2:7/, 'a'],
    ]
    for (const [name, text, message, attr] of cases) {
      const { code, err } = await firn('build', '--plain', expression(name, text), ...(attr ? ['-A', attr] : []))
      assert.equal(code, 1, name)
      assert.match(err, message, name)
    }
    const { code, err } = await firn('build', 'nowhere.nix')
    assert.deepEqual([code, err], [1, 'error: there is no file \'nowhere.nix\'\n'])
  })

  it('starts a service that died again, and cleans up after a supervisor that was killed', async () => {
    const before = readFarmState(home)!
    process.kill(before.services['api']!.pid, 'SIGKILL')
    await until(async () => (readFarmState(home)?.services['api']?.restarts ?? 0) === 1 && (await firn('status')).code === 0)

    process.kill(before.supervisor.pid, 'SIGKILL')
    await until(() => Promise.resolve(!isAlive(before.supervisor)))
    const { code, err } = await firn('status')
    assert.equal(code, 3)
    assert.match(err, /no farm runs in .*Start one with 'firn up --detach'/)

    await ok('up', '--detach')
    const now = readFarmState(home)!
    assert.equal(now.endpoints.api, before.endpoints.api, 'it is found where it was')
    for (const [name, identity] of Object.entries(before.services)) assert.equal(isAlive(identity), false, `${name} of the killed farm is gone`)
    assert.match((await ok('build', ...mirrors, join(ROOT, 'examples/test'), '-A', 'wide')).trim(), /-ifd-wide$/)
  })

  it('leaves nothing running', async () => {
    const { services } = readFarmState(home)!
    assert.equal(await ok('down'), 'the farm is down\n')
    for (const [name, { pid, startTime }] of Object.entries(services)) assert.notEqual(identityOf(pid).startTime, startTime, name)
    assert.match(await ok('down'), /^no farm runs in /)
    assert.ok(realpathSync(home) && readdirSync(join(home, 'logs')).length >= 4)
  })
})

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 120_000; !(await condition());) {
    assert.ok(Date.now() < end, 'it did not happen within two minutes')
    await new Promise((resume) => setTimeout(resume, 200))
  }
}
