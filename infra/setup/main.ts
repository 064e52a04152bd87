/**
 * Ring: infra. Set-up in Node 24: installs what a command needs beside npm packages, then runs the command.
 * Called by run.sh. Commands are files that are started with the arguments that follow.
 */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { constants } from 'node:os'
import { resolve } from 'node:path'
import { buildPages } from './pages.ts'
import { installRequirements, type RequirementName } from './requirements.ts'

interface Command {
  /** File run under Node; absent for set-up alone. */
  readonly file?: string
  /** Before those that the user gives. */
  readonly arguments?: readonly string[]
  readonly requires: readonly RequirementName[]
  /** Whether it serves the web pages. */
  readonly pages?: boolean
}

const ROOT = resolve(import.meta.dirname, '../..')
const FARM: readonly RequirementName[] = ['runc', 'crun', 'busybox', 'slirp4netns', 'xz', 'temporal']
const COMMANDS: Readonly<Record<string, Command>> = {
  setup: { requires: FARM, pages: true },
  demo: { file: 'examples/demo.ts', requires: FARM, pages: true },
  test: { file: 'test/run.ts', requires: [...FARM, 'nix', 'versitygw', 'chromium'], pages: true },
  conformance: { file: 'test/conformance/run.ts', requires: [...FARM, 'nix'] },
  chaos: { file: 'test/run.ts', arguments: ['faults', 'faults-of-services'].map((name) => resolve(ROOT, `test/farm/${name}.test.ts`)), requires: [...FARM, 'nix', 'versitygw'] },
  bench: { file: 'bench/run.ts', requires: [...FARM, 'nix', 'versitygw', 'chromium'] },
  screenshots: { file: 'web/testing/screenshots.ts', requires: ['temporal', 'chromium'], pages: true },
}

const [name = '', ...rest] = process.argv.slice(2)
const command = COMMANDS[name]
if (!command) {
  console.error(`usage: infra/setup/run.sh ${Object.keys(COMMANDS).join('|')} [arguments]`)
  process.exit(2)
}

async function setUp({ requires, pages }: Command): Promise<string[]> {
  const installed = await installRequirements(requires)
  if (pages) await buildPages({ say: (text) => console.error(`firn: ${text}`) })
  return installed
}

const folders = await setUp(command).catch((error: unknown) => {
  console.error(`firn: ${error instanceof Error ? error.message : String(error)}`)
  process.exit(1)
})
if (command.file === undefined) process.exit(0)
const file = resolve(ROOT, command.file)
if (!existsSync(file)) {
  console.error(`firn: ${command.file} is missing from this clone`)
  process.exit(1)
}

const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', file, ...command.arguments ?? [], ...rest], {
  stdio: 'inherit',
  env: { ...process.env, PATH: [...folders, process.env['PATH'] ?? ''].join(':') },
})
// the terminal sends Ctrl-C to the child as well; it decides what to do
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => signal !== 'SIGINT' && child.kill(signal))
child.on('error', (error) => {
  console.error(`firn: cannot start ${command.file}: ${error.message}`)
  process.exit(1)
})
child.on('exit', (code, signal) => process.exit(signal ? 128 + constants.signals[signal] : (code ?? 1)))
