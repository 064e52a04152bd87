import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { hash } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

const LAUNCH = join(import.meta.dirname, 'launch.ts')
/** Sources must have stood as long before a bundle is made of them. */
const SETTLED = 2200

const folder = mkdtempSync(join(tmpdir(), 'firn-launch-'))
const program = join(folder, 'program.ts')
const cache = join(folder, 'cache')
const bundles = join(cache, 'bundles')
after(() => rmSync(folder, { recursive: true, force: true }))

function run(environment: NodeJS.ProcessEnv = { NODE_COMPILE_CACHE: cache }, ...words: readonly string[]): string {
  const { stdout, stderr, status } = spawnSync(process.execPath, ['--disable-warning=ExperimentalWarning', LAUNCH, program, ...words], { encoding: 'utf8', env: { PATH: process.env['PATH'], ...environment } })
  assert.equal(stderr, '')
  assert.equal(status, 0)
  return stdout
}

/** Files of the cache by whether they hold compiled code. */
function kept(): { readonly bundle: string; readonly code: string } {
  const names = readdirSync(bundles)
  assert.deepEqual(names.map((name) => /\.ts\.[0-9a-f]{40}$/.test(name)).sort(), [false, true], names.join(' '))
  return { bundle: join(bundles, names.find((name) => name.endsWith('.ts'))!), code: join(bundles, names.find((name) => !name.endsWith('.ts'))!) }
}

/** Makes the bundle say something else, as no source does. */
function mark(bundle: string): void {
  const [header = '', ...lines] = readFileSync(bundle, 'utf8').split('\n')
  const code = lines.join('\n').replace('greeting', 'from the bundle')
  writeFileSync(bundle, `${JSON.stringify({ ...JSON.parse(header) as object, code: hash('sha256', code) })}\n${code}`)
}

before(async () => {
  writeFileSync(join(folder, 'word.ts'), 'export const word: string = \'greeting\'\n')
  writeFileSync(join(folder, 'later.ts'), 'export const later = import.meta.filename\n')
  writeFileSync(program, `
    import { basename } from 'node:path'
    import { word } from './word.ts'
    class Field { readonly unset: string | undefined }
    const { later } = await1(import('./later.ts'))
    function await1<T>(promise: Promise<T>): { later: Promise<string> } { return { later: promise.then((found) => (found as { later: string }).later) } }
    void later.then((name) => console.log(word, 'unset' in new Field(), process.argv[1] === import.meta.filename, process.argv.slice(2).join(), basename(import.meta.dirname) === basename(import.meta.url.split('/').at(-2)!), basename(name)))
  `)
  await sleep(SETTLED)
})

test('a program says the same with and without a cache, at its first start and later', () => {
  const expected = 'greeting true true a,b true later.ts\n'
  assert.equal(run({}, 'a', 'b'), expected)
  assert.equal(existsSync(cache), false)
  assert.equal(run(undefined, 'a', 'b'), expected)
  kept()
  assert.equal(run(undefined, 'a', 'b'), expected)
})

test('it runs from the bundle, until a source is another', async () => {
  mark(kept().bundle)
  assert.match(run(), /^from the bundle /)
  writeFileSync(join(folder, 'word.ts'), 'export const word: string = \'farewell\'\n')
  assert.match(run(), /^farewell /, 'just changed')
  await sleep(SETTLED)
  assert.match(run(), /^farewell /)
  writeFileSync(join(folder, 'word.ts'), 'export const word: string = \'greeting\'\n')
  await sleep(SETTLED)
  assert.match(run(), /^greeting /)
})

test('what is cut off or written over in the cache is made again', () => {
  for (const which of ['bundle', 'code'] as const) {
    const file = kept()[which]
    const { size } = statSync(file)
    truncateSync(file, size - 10)
    assert.match(run(), /^greeting /)
    assert.equal(statSync(file).size, size)
    const content = readFileSync(file)
    content.fill(0x20, size >> 1)
    writeFileSync(file, content)
    assert.match(run(), /^greeting /)
    assert.notDeepEqual(readFileSync(file), content)
    writeFileSync(file, '')
    assert.match(run(), /^greeting /)
    assert.equal(statSync(file).size, size)
  }
})

test('a cache that cannot be written is done without', () => {
  const file = join(folder, 'file')
  writeFileSync(file, '')
  assert.match(run({ NODE_COMPILE_CACHE: file }), /^greeting /)
  const closed = join(folder, 'closed')
  mkdirSync(closed)
  chmodSync(closed, 0o500)
  assert.match(run({ NODE_COMPILE_CACHE: closed }), /^greeting /)
})
