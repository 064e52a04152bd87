/**
 * Ring: test. `npm test`: types, style and rings, then every *.test.ts of the project under Node's runner, whose summary comes last.
 * `npm test -- store/ cli/x.test.ts` runs what lies there only, without lint. Fails where no test ran.
 */
import { spawn } from 'node:child_process'
import { globSync, readdirSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { relative, resolve } from 'node:path'

const ROOT = resolve(import.meta.dirname, '..')
const LINTS: Readonly<Record<string, readonly string[]>> = {
  types: ['run', '--silent', 'lint:types'],
  style: ['run', '--silent', 'lint:style'],
  rings: ['run', '--silent', 'lint:rings'],
}
/** Longest that one file of tests may take: the end-to-end run downloads and compiles. */
const FILE_SECONDS = 600
/** Longest that all of them may take: then whatever hangs is named and killed, so that the summary still comes. */
const RUN_SECONDS = 1140
/** Marks the processes of this run, however far they detach themselves: Node's runner waits for all who hold its pipes. */
const MARK = `${process.pid}-${Date.now()}`

let runner: number | undefined
const wanted = process.argv.slice(2)
const files = testFiles(wanted)
if (files.length === 0) {
  console.error(wanted.length === 0 ? 'no test files: the clone is not complete' : `no test files in ${wanted.join(', ')}`)
  process.exit(1)
}

if (wanted.length === 0) {
  const results = await Promise.all(Object.entries(LINTS).map(async ([name, args]) => ({ name, ...await run('npm', args, false) })))
  for (const { name, code, output } of results) console.log(`${code === 0 ? '✔' : '✖'} lint: ${name}${code === 0 ? '' : `\n${output}`}`)
  if (results.some(({ code }) => code !== 0)) process.exit(1)
}

let late = false
const watchdog = setTimeout(() => {
  late = true
  // an evaluator's environment carries no mark, but its command names this clone
  killLeft(`the tests have not ended within ${RUN_SECONDS} s`, (entry, command) =>
    isMarked(entry) || (command.includes(`${ROOT}/`) && startedAt(entry) > startedAt('self')))
}, RUN_SECONDS * 1000)
const { code, output } = await run(process.execPath, [
  '--disable-warning=ExperimentalWarning', '--test', '--test-reporter=spec',
  `--test-concurrency=${Math.max(2, availableParallelism())}`, `--test-timeout=${FILE_SECONDS * 1000}`, ...files,
], true)
clearTimeout(watchdog)
killLeft('left running by a test', isMarked)
const ran = Number(/^ℹ tests (\d+)$/m.exec(output)?.[1] ?? 0)
if (ran === 0) console.error('no test ran')
process.exit(code !== 0 ? code : ran === 0 || late ? 1 : 0)

function testFiles(places: readonly string[]): string[] {
  const found = globSync('**/*.test.ts', { cwd: ROOT, exclude: (path) => /(^|\/)(node_modules|dist|coverage|\..*)$/.test(path) })
  const prefixes = places.map((place) => relative(ROOT, resolve(process.env['INIT_CWD'] ?? process.cwd(), place)))
  return found
    .filter((file) => prefixes.length === 0 || prefixes.some((prefix) => prefix === '' || file === prefix || file.startsWith(`${prefix}/`)))
    // what takes longest first, so that the cores end together
    .sort((a, b) => Number(b.startsWith('test/')) - Number(a.startsWith('test/')) || a.localeCompare(b))
    .map((file) => resolve(ROOT, file))
}

/** Kills what of this run still lives, but not the runner itself, and says what that was. */
function killLeft(reason: string, isLeft: (entry: string, command: string) => boolean): void {
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry) || [process.pid, process.ppid, runner].includes(Number(entry))) continue
    try {
      const command = readFileSync(`/proc/${entry}/cmdline`, 'utf8').replaceAll('\0', ' ').slice(0, 300)
      if (!isLeft(entry, command)) continue
      process.kill(Number(entry), 'SIGKILL')
      console.error(`${reason}: process ${entry}: ${command}`)
    } catch {
      // it has ended meanwhile, or is the kernel's
    }
  }
}

function isMarked(entry: string): boolean {
  return readFileSync(`/proc/${entry}/environ`, 'utf8').split('\0').includes(`FIRN_TEST_RUN=${MARK}`)
}

/** In clock ticks since the machine started. */
function startedAt(entry: string): number {
  return Number(readFileSync(`/proc/${entry}/stat`, 'utf8').split(') ').at(-1)!.split(' ')[19])
}

async function run(program: string, args: readonly string[], show: boolean): Promise<{ code: number, output: string }> {
  return await new Promise((end) => {
    const child = spawn(program, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, FIRN_TEST_RUN: MARK } })
    if (show) runner = child.pid
    let output = ''
    for (const [stream, to] of [[child.stdout, process.stdout], [child.stderr, process.stderr]] as const) {
      stream.setEncoding('utf8').on('data', (chunk: string) => {
        output += chunk
        if (show) to.write(chunk)
      })
    }
    child.on('error', (error) => end({ code: 1, output: error.message }))
    child.on('close', (code) => end({ code: code ?? 1, output }))
  })
}
