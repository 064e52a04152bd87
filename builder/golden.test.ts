/** Builds see what they see under stock Nix, and outputs become what they become there: testing/golden holds what Nix made of the same .drv files. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ReferenceScanner } from '../castore/reference-scan.ts'
import { derivationPath, parseDerivation, type Derivation } from '../nix/derivation.ts'
import { derivationOptions } from '../nix/derivation-options.ts'
import { formatHash, hashBytes } from '../nix/hash.ts'
import { narOfFile } from '../nix/nar-writer.ts'
import { parseStorePath } from '../nix/store-path.ts'
import type { ExportedPath } from '../nix/structured-attributes.ts'
import { canonicaliseOutputs } from './canonicalise.ts'
import { isInstalled } from './container/runtime.ts'
import { addressOutputs, type ScratchOutput } from './content-address.ts'
import type { BuildInput } from './interface.ts'
import { hashOfOutput, narOfLocalTree } from './local-nar.ts'
import { buildRequestOf, type RequestSettings } from './request.ts'
import { fileInput, NO_LIMITS, openTestDriver, runForLog, type TestDriver } from './testing/fixtures.ts'

const GOLDEN = join(import.meta.dirname, 'testing/golden')
const SETTINGS: RequestSettings = { cores: 2, limits: NO_LIMITS, kvm: true, impureEnvironment: {} }

/** Lines of the log that differ, and why. */
const DIFFERENCES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  runc: {},
  // crun links /dev/core to /proc/kcore, which can't be read
  crun: { fd: 'core\nfd' },
}

function readDerivation(name: string): Derivation {
  return parseDerivation(readFileSync(join(GOLDEN, name, `${name}.drv`), 'latin1'), name)
}

for (const runtime of ['runc', 'crun'] as const) {
  for (const name of ['sandbox', 'structured']) {
    test(`${name}: a build under ${runtime} sees what it sees under Nix`, { skip: !await isInstalled(runtime) && `${runtime} is not installed` }, async (context) => {
      const fixture = await openTestDriver({ runtime })
      context.after(fixture.close)
      const derivation = readDerivation(name)
      const { input, exported } = inputOf(fixture, derivation)
      const request = buildRequestOf(derivation, derivationOptions(derivation), {
        drvPath: derivationPath(derivation), closure: [input], graphs: new Map([['graph', [exported]], ['closure', [exported]]]),
      }, SETTINGS)
      const { end, outputs, log } = await runForLog(fixture.driver, request)
      const expected = readFileSync(join(GOLDEN, name, `${name}.txt`), 'utf8').split('\n').map((line) => DIFFERENCES[runtime]![line] ?? line).join('\n')
      assert.equal(log, expected)
      assert.deepEqual(end, { kind: 'exited', exitCode: 0 })
      assert.deepEqual([...outputs.keys()].sort(), ['dev', 'out'])
    })
  }
}

/** Both derivations have the same text as their input. */
function inputOf({ folder }: TestDriver, derivation: Derivation): { readonly input: BuildInput; readonly exported: ExportedPath } {
  const input = fileInput(folder, parseStorePath(derivation.inputSources[0]!), 'in\n')
  const narHash = hashBytes('sha256', Buffer.concat(narOfFile(Buffer.from('in\n'))))
  return { input, exported: { path: input.storePath.toString(), narHash, narSize: 120, references: [], closureSize: 120, contentAddress: { method: 'text', hash: hashBytes('sha256', 'in\n') } } }
}

test('floating content-addressed outputs get the paths that Nix gives them', { skip: !await isInstalled('runc') && 'runc is not installed' }, async (context) => {
  const { driver, close } = await openTestDriver()
  context.after(close)
  const derivation = readDerivation('floating')
  const request = buildRequestOf(derivation, derivationOptions(derivation), { drvPath: derivationPath(derivation), closure: [] }, SETTINGS)
  let log = ''
  const result = await driver.run(request, { onLog: (chunk) => void (log += Buffer.from(chunk).toString()) })
  assert.deepEqual(result.end, { kind: 'exited', exitCode: 0 }, log)
  assert.deepEqual((await canonicaliseOutputs(result.outputs, { owner: result.owner! })).ok, true)

  const scratch = new Map<string, ScratchOutput>()
  const paths = new Map(request.outputs.map(({ storePath }) => [storePath.hash, storePath]))
  for (const { name, storePath } of request.outputs) {
    const localPath = result.outputs.get(name)!
    const scanner = new ReferenceScanner(paths.keys())
    for await (const chunk of narOfLocalTree(localPath)) scanner.update(chunk)
    scratch.set(name, { storePath, localPath, references: [...scanner.found()].map((hash) => paths.get(hash)!) })
  }
  const addressed = await addressOutputs(derivation, scratch)
  assert.ok(addressed.ok)
  const made = await Promise.all([...addressed.outputs.values()].map(async ({ storePath, localPath, references }) => ({
    path: storePath.toString(),
    narHash: formatHash(await hashOfOutput(localPath, 'nar', 'sha256'), 'nix32', true),
    references: references.map(String).sort(),
  })))
  assert.deepEqual(made.sort((left, right) => (left.path < right.path ? -1 : 1)), JSON.parse(readFileSync(join(GOLDEN, 'floating/floating.json'), 'utf8')))
  // rewritten trees are canonical still
  const again = await canonicaliseOutputs(new Map([...addressed.outputs].map(([name, { localPath }]) => [name, localPath])), { owner: process.geteuid!() })
  assert.equal(again.ok, true)
  await result.release()
})
