/** Ring: builder, for tests. A driver in a temporary folder, and requests without a derivation. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { randomBytes } from 'node:crypto'
import { parseBaseName, type StorePath } from '../../nix/store-path.ts'
import type { BuildDriver, BuildInput, BuildLimits, BuildOptions, BuildRequest, BuildResult } from '../interface.ts'
import { openRuncDriver, type RuncSettings } from '../runc.ts'

export const NO_LIMITS: BuildLimits = { timeoutSeconds: 0, silentSeconds: 0, logBytes: 0 }

export interface TestDriver {
  readonly driver: BuildDriver
  readonly folder: string
  readonly settings: RuncSettings
  close(): Promise<void>
}

export async function openTestDriver(settings: Partial<RuncSettings> = {}): Promise<TestDriver> {
  const folder = mkdtempSync(join(tmpdir(), 'firn-builder-'))
  const complete: RuncSettings = { runtime: 'runc', owner: `test-${randomBytes(4).toString('hex')}`, folder: join(folder, 'builds'), ...settings }
  const driver = await openRuncDriver(complete)
  return {
    driver,
    folder,
    settings: complete,
    async close() {
      await driver.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** A store path that nothing else has. */
export function pathNamed(name: string, letter = 'a'): StorePath {
  return parseBaseName(`${letter.repeat(32)}-${name}`)
}

/** A request for a shell script, with one output in `$out`. */
export function shellRequest(script: string, changes: Partial<BuildRequest> = {}): BuildRequest {
  const out = pathNamed('test')
  return {
    name: 'test',
    system: 'x86_64-linux',
    builder: '/bin/sh',
    args: ['-c', script],
    environment: new Map([['PATH', '/path-not-set'], ['out', out.toString()]]),
    files: new Map(),
    inputs: [],
    outputs: [{ name: 'out', storePath: out }],
    network: 'none',
    kvm: false,
    limits: NO_LIMITS,
    ...changes,
  }
}

/** An input that is a file, in a folder that only root can enter. */
export function fileInput(folder: string, storePath: StorePath, content: string): BuildInput {
  const inputs = join(folder, 'inputs')
  mkdirSync(inputs, { recursive: true, mode: 0o700 })
  const localPath = join(inputs, storePath.baseName)
  writeFileSync(localPath, content, { mode: 0o444 })
  return { storePath, localPath }
}

/** Runs a request and gives its result with the whole log; folders are released at once. */
export async function runForLog(driver: BuildDriver, request: BuildRequest, options: BuildOptions = {}): Promise<BuildResult & { readonly log: string }> {
  const chunks: Uint8Array[] = []
  const result = await driver.run(request, {
    ...options,
    onLog: async (chunk) => {
      chunks.push(Uint8Array.from(chunk))
      await options.onLog?.(chunk)
    },
  })
  await result.release()
  return { ...result, log: Buffer.concat(chunks).toString('utf8') }
}
