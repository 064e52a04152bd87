/** What a build sees is what Nix's sandbox shows: the same .drv here and under stock Nix (testing/sandbox). */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { derivationPath, parseDerivation } from '../nix/derivation.ts'
import { derivationOptions } from '../nix/derivation-options.ts'
import { parseStorePath } from '../nix/store-path.ts'
import { buildRequestOf } from './request.ts'
import { fileInput, NO_LIMITS, openTestDriver, runForLog } from './testing/fixtures.ts'
import { isInstalled } from './container/runtime.ts'

const FOLDER = join(import.meta.dirname, 'testing/sandbox')

/** Lines of the log that differ, for these reasons. */
const DIFFERENCES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  runc: {},
  // crun links /dev/core to /proc/kcore, which can't be read
  crun: { fd: 'core\nfd' },
}

for (const runtime of ['runc', 'crun'] as const) {
  test(`a build under ${runtime} sees what it sees under Nix`, { skip: !await isInstalled(runtime) && `${runtime} is not installed` }, async () => {
    const { driver, folder, close } = await openTestDriver({ runtime })
    after(close)
    const derivation = parseDerivation(readFileSync(join(FOLDER, 'sandbox.drv'), 'latin1'), 'sandbox')
    const input = fileInput(folder, parseStorePath(derivation.inputSources[0]!), 'in\n')
    const request = buildRequestOf(derivation, derivationOptions(derivation), {
      drvPath: derivationPath(derivation),
      closure: [input],
      graphs: new Map([['graph', [{ path: input.storePath.toString(), narHash: { algorithm: 'sha256', bytes: new Uint8Array(32) }, narSize: 0, references: [], closureSize: 0 }]]]),
    }, { cores: 2, limits: NO_LIMITS, kvm: true, impureEnvironment: {} })

    const { end, outputs, log } = await runForLog(driver, request)
    assert.equal(log, expected(runtime))
    assert.deepEqual(end, { kind: 'exited', exitCode: 0 })
    assert.deepEqual([...outputs.keys()].sort(), ['dev', 'out'])
  })
}

function expected(runtime: string): string {
  const lines = readFileSync(join(FOLDER, 'sandbox.log'), 'utf8').split('\n')
  return lines.map((line) => DIFFERENCES[runtime]![line] ?? line).join('\n')
}
