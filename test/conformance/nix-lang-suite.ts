/**
 * Nix's own suite of the language (tests/functional/lang of a checkout of NixOS/nix), driven as its lang.sh drives it: a process of
 * compat/bin/nix-instantiate for each case.
 *
 *   npm run conformance -- nix-lang-suite NIX-SOURCE [--failures | --lines | --whole] [--only REGEX] [--in-process | --command PROGRAM]
 *
 * Prints for each family how many pass, and of how many expected messages the `error:` line and the whole is met. `--failures`, `--lines`
 * and `--whole` show the cases that aren't. `--in-process` evaluates all in one process, which takes two seconds instead of two minutes
 * and tests all but the start; `--command` drives another nix-instantiate. Exits with 1 if there are fewer than expected.json says.
 */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import pLimit from 'p-limit'
import { nixInstantiate } from '../../cli/evaluate/nix-instantiate.ts'
import { redirectStreams } from '../../cli/evaluate/output.ts'
import { largeStackCommand } from '../../evaluator/spawn.ts'
import { meetsExpectations } from './expected.ts'

type Family = 'parse-okay' | 'parse-fail' | 'eval-okay' | 'eval-fail'

interface Outcome {
  readonly name: string
  readonly family: Family
  readonly passed: boolean
  /** Of expected messages: whether the line that says what is wrong is the same, and whether everything is. */
  readonly errorLine?: boolean
  readonly wholeError?: boolean
  readonly detail: string
}

interface Run {
  readonly code: number | null
  readonly output: string
  readonly errors: string
}

const FAMILIES: readonly Family[] = ['parse-okay', 'parse-fail', 'eval-okay', 'eval-fail']
const COMPAT = fileURLToPath(new URL('../../compat/bin', import.meta.url))

class Suite {
  private readonly folder: string
  /** Absent: this process. */
  private readonly command: string | undefined
  private readonly scratch: string

  constructor(source: string, command: string | undefined, scratch: string) {
    this.folder = join(source, 'tests', 'functional')
    this.command = command
    this.scratch = scratch
  }

  cases(pattern: RegExp): { name: string; family: Family }[] {
    const found: { name: string; family: Family }[] = []
    for (const file of readdirSync(join(this.folder, 'lang')).sort()) {
      const family = FAMILIES.find((prefix) => file.startsWith(`${prefix}-`) && file.endsWith('.nix'))
      const name = file.slice(0, -4)
      if (family !== undefined && pattern.test(name) && !existsSync(this.path(name, '.exp-disabled'))) found.push({ name, family })
    }
    return found
  }

  private path(name: string, end: string): string {
    return join(this.folder, 'lang', name + end)
  }

  private expected(name: string, end: string): string | undefined {
    return existsSync(this.path(name, end)) ? readFileSync(this.path(name, end), 'latin1') : undefined
  }

  async run(name: string, family: Family): Promise<Outcome> {
    switch (family) {
      case 'parse-okay': return this.okay(name, family, await this.nix(['--parse', '-'], `lang/${name}.nix`), '.exp')
      case 'parse-fail': return this.fail(name, family, await this.nix(['--parse', '-'], `lang/${name}.nix`))
      case 'eval-fail': return this.fail(name, family, await this.nix([...this.flags(name, ['--eval', '--strict', '--show-trace']), `lang/${name}.nix`]))
      case 'eval-okay': {
        if (existsSync(this.path(name, '.exp.xml'))) return this.okay(name, family, await this.nix(['--eval', '--xml', '--no-location', '--strict', `lang/${name}.nix`]), '.exp.xml')
        const environment = { NIX_PATH: 'lang/dir3:lang/dir4', HOME: '/fake-home' }
        return this.okay(name, family, await this.nix([...this.flags(name, []), '--eval', '--strict', `lang/${name}.nix`], undefined, environment), '.exp')
      }
    }
  }

  private flags(name: string, otherwise: readonly string[]): readonly string[] {
    const flags = this.expected(name, '.flags')
    return flags === undefined ? otherwise : flags.replace(/#.*/g, '').split(/\s+/).filter((word) => word !== '')
  }

  private async okay(name: string, family: Family, run: Run, end: string): Promise<Outcome> {
    const wanted = this.expected(name, end) ?? ''
    const passed = run.code === 0 && run.output === wanted
    const errors = this.expected(name, '.err.exp')
    return {
      name, family, passed,
      ...(errors === undefined ? {} : { wholeError: run.errors === errors }),
      detail: passed ? `stderr: ${run.errors}` : `exit code ${run.code}\n--- got\n${run.output.slice(0, 2000)}\n--- wanted\n${wanted.slice(0, 2000)}\n--- stderr\n${run.errors.slice(0, 2000)}`,
    }
  }

  private async fail(name: string, family: Family, run: Run): Promise<Outcome> {
    const errors = await this.postprocessed(name, run.errors)
    const wanted = this.expected(name, '.err.exp')
    return {
      name, family, passed: run.code === 1,
      ...(wanted === undefined ? {} : { errorLine: lastErrorLine(errors) === lastErrorLine(wanted), wholeError: errors === wanted }),
      detail: `exit code ${run.code}\n--- got\n${errors.slice(0, 3000)}\n--- wanted\n${(wanted ?? '').slice(0, 3000)}`,
    }
  }

  /** Some cases have a script that takes what varies out of the message. */
  private async postprocessed(name: string, errors: string): Promise<string> {
    if (!existsSync(this.path(name, '.postprocess'))) return errors
    const base = join(this.scratch, name)
    await writeFile(`${base}.err`, errors, 'latin1')
    await this.start('bash', [this.path(name, '.postprocess'), base], undefined, {})
    return readFileSync(`${base}.err`, 'latin1')
  }

  private async nix(words: readonly string[], input?: string, environment: Record<string, string> = {}): Promise<Run> {
    const run = this.command === undefined ? this.here(words, input, environment) : await this.start(this.command, words, input, environment)
    const clean = (text: string): string => text.replaceAll(this.folder, '/pwd')
    return { ...run, output: clean(run.output), errors: clean(run.errors) }
  }

  private environment(more: Record<string, string>): Record<string, string> {
    return {
      PATH: process.env['PATH'] ?? '', HOME: this.scratch, FIRN_HOME: join(this.scratch, 'firn'), NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] ?? join(this.scratch, 'compile'),
      TEST_VAR: 'foo', NIX_REMOTE: 'dummy://', NIX_STORE_DIR: '/nix/store', NIX_CONFIG: 'show-trace = true', NIX_CONF_DIR: '/nonexistent', ...more,
    }
  }

  /** Without a process for each case: ten times as fast, but less like what users do. */
  private here(words: readonly string[], input: string | undefined, environment: Record<string, string>): Run {
    const text = { 1: '', 2: '' }
    const before = { folder: process.cwd(), environment: process.env }
    process.chdir(this.folder)
    process.env = this.environment(environment)
    redirectStreams({ write: (descriptor, written) => { text[descriptor] += written }, input: input === undefined ? '' : readFileSync(join(this.folder, input), 'latin1') })
    try {
      return { code: nixInstantiate(words), output: text[1], errors: text[2] }
    } catch (error) {
      return { code: null, output: text[1], errors: text[2] + String(error instanceof Error ? error.stack : error) }
    } finally {
      redirectStreams(undefined)
      process.chdir(before.folder)
      process.env = before.environment
    }
  }

  private start(program: string, words: readonly string[], input: string | undefined, environment: Record<string, string>): Promise<Run> {
    return new Promise((resolve, reject) => {
      const child = spawn(program, words, {
        cwd: this.folder,
        env: this.environment(environment),
        stdio: ['pipe', 'pipe', 'pipe'],
      })
      const output: Buffer[] = []
      const errors: Buffer[] = []
      child.stdout.on('data', (chunk: Buffer) => output.push(chunk))
      child.stderr.on('data', (chunk: Buffer) => errors.push(chunk))
      child.once('error', reject)
      child.once('close', (code) => resolve({ code, output: Buffer.concat(output).toString('latin1'), errors: Buffer.concat(errors).toString('latin1') }))
      // a program that ends without reading its input is no fault of ours
      child.stdin.on('error', () => undefined)
      child.stdin.end(input === undefined ? '' : readFileSync(join(this.folder, input)))
    })
  }
}

/** The innermost `error: …`: what is wrong, without how it was reached. */
export function lastErrorLine(text: string): string | undefined {
  return text.split('\n').findLast((line) => /^\s*error: \S/.test(line))?.trim()
}

interface Count {
  passed: number
  failed: number
  errorLines: number
  ofErrorLines: number
  wholeErrors: number
  ofWholeErrors: number
}

function count(outcomes: readonly Outcome[]): Count {
  return {
    passed: outcomes.filter((outcome) => outcome.passed).length,
    failed: outcomes.filter((outcome) => !outcome.passed).length,
    errorLines: outcomes.filter((outcome) => outcome.errorLine === true).length,
    ofErrorLines: outcomes.filter((outcome) => outcome.errorLine !== undefined).length,
    wholeErrors: outcomes.filter((outcome) => outcome.wholeError === true).length,
    ofWholeErrors: outcomes.filter((outcome) => outcome.wholeError !== undefined).length,
  }
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      failures: { type: 'boolean', default: false }, lines: { type: 'boolean', default: false }, whole: { type: 'boolean', default: false },
      only: { type: 'string', default: '' }, command: { type: 'string' }, 'in-process': { type: 'boolean', default: false },
    },
  })
  const source = positionals[0] ?? process.env['FIRN_NIX_SOURCE']
  if (source === undefined) {
    console.error('usage: npm run conformance -- nix-lang-suite NIX-SOURCE (a checkout of NixOS/nix, or FIRN_NIX_SOURCE) [--failures] [--only REGEX] [--in-process]')
    return 2
  }
  if (values['in-process'] && !process.execArgv.some((word) => word.startsWith('--stack-size'))) return inLargeStack()
  const scratch = await mkdtemp(join(tmpdir(), 'firn-nix-lang-'))
  try {
    const suite = new Suite(resolve(source), values['in-process'] ? undefined : values.command ?? join(COMPAT, 'nix-instantiate'), scratch)
    const limit = pLimit(availableParallelism())
    const outcomes = await Promise.all(suite.cases(new RegExp(values.only)).map(({ name, family }) => limit(() => suite.run(name, family))))
    for (const outcome of outcomes) {
      const shown = (values.failures && !outcome.passed) || (values.lines && outcome.errorLine === false) || (values.whole && outcome.wholeError === false)
      if (shown) console.log(`==== ${outcome.name}\n${outcome.detail}`)
    }
    const counts = Object.fromEntries(FAMILIES.map((family) => [family, count(outcomes.filter((outcome) => outcome.family === family))]))
    for (const [family, { passed, failed, errorLines, ofErrorLines, wholeErrors, ofWholeErrors }] of Object.entries(counts)) {
      const lines = ofErrorLines === 0 ? '' : `; error line met in ${errorLines} of ${ofErrorLines}`
      const whole = ofWholeErrors === 0 ? '' : `; whole message in ${wholeErrors} of ${ofWholeErrors}`
      console.log(`${family}: ${passed} passed, ${failed} failed${lines}${whole}`)
    }
    return values.only !== '' || FAMILIES.map((family) => meetsExpectations(family, { ...counts[family] })).every(Boolean) ? 0 : 1
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

/** Starts this again in a process with the stack that the drop-in commands have. */
function inLargeStack(): number {
  const { command, arguments: words } = largeStackCommand([fileURLToPath(import.meta.url), ...process.argv.slice(2)])
  return spawnSync(command, words, { stdio: 'inherit' }).status ?? 1
}

if (import.meta.main) process.exitCode = await main()
