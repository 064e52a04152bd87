/**
 * Ring: evaluator. Runs a program from one file that holds all of its modules, with what V8 compiled of it before:
 *
 *   node FLAGS launch.ts PROGRAM.ts ARGUMENTS
 *
 * A hundred modules take a tenth of a second to find, read and link, and code that reaches its functions through imports is 5 % slower than code in one
 * scope. The file (bundle.ts makes it) lies where NODE_COMPILE_CACHE says; without that, or where it can't be made, PROGRAM is imported as it is.
 * It is used only while every source is the file that it was made of, by size, times and inode.
 *
 * Modules of Node are taken by `getBuiltinModule`: importing `fs` or `crypto` loads whatever their getters lead to, which is another 10 ms.
 */
const { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } = process.getBuiltinModule('node:fs')
const { hash } = process.getBuiltinModule('node:crypto')
const { constants, Script } = process.getBuiltinModule('node:vm')
const { pathToFileURL } = process.getBuiltinModule('node:url')
const { basename, dirname, join } = process.getBuiltinModule('node:path')

/** A source and what the file system said of it before it was read. */
export type Stamp = readonly [path: string, size: number, modified: number, changed: number, inode: number]

/** The first line of a bundle. */
interface BundleHeader {
  readonly node: string
  readonly program: string
  readonly sources: readonly Stamp[]
  /** SHA-256 of the code, which is the rest. */
  readonly code: string
}

/** A function of `require` and `module`, as text. */
interface Bundle {
  readonly code: string
  readonly hash: string
}

function stampOf(path: string): Stamp {
  const { size, mtimeMs, ctimeMs, ino } = statSync(path)
  return [path, size, mtimeMs, ctimeMs, ino]
}

/** Puts a file in place as a whole, or not at all: what it holds can be made again. */
function replaceFile(file: string, ...parts: readonly (string | Uint8Array)[]): void {
  const unfinished = `${file}.${process.pid}~`
  try {
    writeFileSync(unfinished, Buffer.concat(parts.map((part) => Buffer.from(part))), { mode: 0o600 })
    renameSync(unfinished, file)
  } catch {
    rmSync(unfinished, { force: true })
  }
}

function readBundle(file: string, program: string): Bundle | undefined {
  try {
    const text = readFileSync(file, 'utf8')
    const end = text.indexOf('\n')
    const header = JSON.parse(text.slice(0, end)) as BundleHeader
    if (header.node !== process.version || header.program !== program || !header.sources.every(isUnchanged)) return undefined
    const code = text.slice(end + 1)
    return hash('sha256', code) === header.code ? { code, hash: header.code } : undefined
  } catch {
    return undefined
  }
}

function isUnchanged(stamp: Stamp): boolean {
  return stampOf(stamp[0]).every((part, i) => part === stamp[i])
}

/** What V8 compiled in an earlier run: checked here, since V8 takes what it is given. The layout is that of `keepCode`. */
class CompiledCode {
  readonly data: Uint8Array | undefined
  /** How long the run had computed that left it. */
  readonly milliseconds: number

  constructor(file: string, bundle: Bundle) {
    let content: Buffer | undefined
    try {
      content = readFileSync(file)
      if (hash('sha256', content.subarray(HASH)) !== content.toString('latin1', 0, HASH) || content.toString('latin1', HASH, 2 * HASH) !== bundle.hash) content = undefined
    } catch {
      // there is none yet
    }
    this.data = content?.subarray(2 * HASH + 8)
    this.milliseconds = content?.readDoubleLE(2 * HASH) ?? 0
  }
}

/** Characters of a SHA-256 in hexadecimal. */
const HASH = 64
/** Code is taken again from a run that computed twice as long and so met more of it, up to this long. */
const TWICE = 2
const LONG_MILLISECONDS = 1000

function keepCode(file: string, bundle: Bundle, script: InstanceType<typeof Script>, milliseconds: number): void {
  const duration = Buffer.alloc(8)
  duration.writeDoubleLE(milliseconds)
  const content = Buffer.concat([Buffer.from(bundle.hash, 'latin1'), duration, script.createCachedData()])
  replaceFile(file, hash('sha256', content), content)
}

function run(bundle: Bundle, file: string): void {
  // V8 takes code only under the flags that it was made with
  const codeFile = `${file}.${hash('sha1', [process.arch, ...process.execArgv].join('\0'))}`
  const kept = new CompiledCode(codeFile, bundle)
  const script = new Script(bundle.code, {
    filename: file,
    importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
    ...(kept.data !== undefined && { cachedData: kept.data }),
  })
  const known = script.cachedDataRejected === false ? kept.milliseconds : 0
  if (known < LONG_MILLISECONDS) {
    process.once('exit', () => {
      const { user, system } = process.cpuUsage()
      const milliseconds = (user + system) / 1000
      if (milliseconds > known * TWICE) keepCode(codeFile, bundle, script, milliseconds)
    })
  }
  const start = script.runInThisContext() as (require: (name: string) => unknown, module: object) => void
  start((name) => process.getBuiltinModule(name), {})
}

async function launch(): Promise<void> {
  // the program finds its own name and arguments where it would without this
  process.argv.splice(1, 1)
  const program = process.argv[1]!
  const folder = process.env['NODE_COMPILE_CACHE']
  if (folder !== undefined && folder !== '') {
    const file = `${folder}/bundles/${program.slice(1).replaceAll('/', '+')}`
    const bundle = readBundle(file, program) ?? await made(program, file)
    if (bundle !== undefined) return run(bundle, file)
  }
  await import(pathToFileURL(program).href)
}

/** A source that changed this short before may change again without a newer time. */
const SETTLED_MILLISECONDS = 2000

/** Undefined where it can't be made. */
async function made(program: string, file: string): Promise<Bundle | undefined> {
  try {
    const begun = Date.now()
    const { makeBundle } = await import('./bundle.ts')
    const { code, sources } = await makeBundle(program, stampOf)
    if (sources.some(([, , modified, changed]) => Math.max(modified, changed) > begun - SETTLED_MILLISECONDS)) return undefined
    const header: BundleHeader = { node: process.version, program, sources, code: hash('sha256', code) }
    const folder = dirname(file)
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    // compiled code of what was there before
    for (const name of readdirSync(folder)) if (name.startsWith(`${basename(file)}.`)) rmSync(join(folder, name), { force: true })
    replaceFile(file, `${JSON.stringify(header)}\n`, code)
    return { code, hash: header.code }
  } catch {
    return undefined
  }
}

if (import.meta.main) await launch()
