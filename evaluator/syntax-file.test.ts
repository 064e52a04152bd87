import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, beforeEach, test } from 'node:test'
import { SyntaxFile, type SyntaxFileOptions } from './syntax-file.ts'

const root = mkdtempSync(join(tmpdir(), 'firn-syntax-'))
after(() => rmSync(root, { recursive: true, force: true }))

let folder = ''
beforeEach(() => {
  folder = join(mkdtempSync(join(root, 'test-')), 'syntax')
})

const bytes = (text: string): Uint8Array => Buffer.from(text)
const contentOf = (name: string): Uint8Array => Buffer.from(name.padEnd(200))
const open = (more: Partial<SyntaxFileOptions> = {}): SyntaxFile => new SyntaxFile({ folder, settings: { mode: 'impure' }, language: {}, ...more })
const found = (file: SyntaxFile, content: string, of = '/folder'): string | undefined => {
  const record = file.find(contentOf(content), of)
  return record === undefined ? undefined : Buffer.from(record).toString()
}

/** A process that meets these contents. */
function meet(...contents: readonly string[]): void {
  const file = open()
  for (const content of contents) if (found(file, content) === undefined) file.add(contentOf(content), '/folder', () => bytes(`syntax of ${content}`))
  file.close()
}

function fileName(): string {
  const [name, ...others] = readdirSync(folder)
  assert.deepEqual(others, [])
  return join(folder, name!)
}

test('what one process added the next finds, under the same folder and options', () => {
  meet('a', 'b')
  assert.equal(statSync(fileName()).mode & 0o777, 0o600)
  assert.equal(statSync(folder).mode & 0o777, 0o700)
  const file = open()
  assert.equal(found(file, 'a'), 'syntax of a')
  assert.equal(found(file, 'b'), 'syntax of b')
  assert.equal(found(file, 'c'), undefined)
  assert.equal(found(file, 'a', '/other'), undefined)
  file.close()
  const options: Partial<SyntaxFileOptions>[] = [{ settings: { mode: 'pure' } }, { language: { pipeOperators: false } }, { language: { lints: { urlLiterals: 'fatal' } } }]
  for (const more of options) {
    const other = open(more)
    assert.equal(found(other, 'a'), undefined, JSON.stringify(more))
    other.close()
  }
})

test('what is added joins what is there, and a process without news writes nothing', () => {
  meet('a')
  meet('b')
  const written = statSync(fileName()).mtimeMs
  meet('a', 'b')
  assert.equal(statSync(fileName()).mtimeMs, written)
  const file = open()
  assert.deepEqual(['a', 'b'].map((content) => found(file, content)), ['syntax of a', 'syntax of b'])
  file.close()
})

test('much isn\'t written again for little that is new', () => {
  const large = open()
  large.add(contentOf('a'), '/folder', () => new Uint8Array(100_000))
  large.close()
  const before = readFileSync(fileName())
  meet('b')
  assert.deepEqual(readFileSync(fileName()), before)
  meet(...Array.from({ length: 40 }, (_, i) => `c${i}`))
  assert.ok(readFileSync(fileName()).length > before.length)
  const file = open()
  assert.equal(file.find(contentOf('a'), '/folder')?.length, 100_000)
  assert.equal(found(file, 'c39'), 'syntax of c39')
  file.close()
})

test('of two processes that write at once one wins, and what the other found is found again', () => {
  const [one, other] = [open(), open()]
  one.add(contentOf('a'), '/folder', () => bytes('syntax of a'))
  other.add(contentOf('b'), '/folder', () => bytes('syntax of b'))
  one.close()
  other.close()
  meet('a', 'b')
  const file = open()
  assert.deepEqual(['a', 'b'].map((content) => found(file, content)), ['syntax of a', 'syntax of b'])
  file.close()
})

test('what can\'t be stored isn\'t', () => {
  const file = open()
  file.add(contentOf('a'), '/folder', () => undefined)
  file.add(contentOf('b'), '/folder', () => bytes('syntax of b'))
  file.close()
  const later = open()
  assert.deepEqual(['a', 'b'].map((content) => found(later, content)), [undefined, 'syntax of b'])
  later.close()
})

test('nothing that is damaged is used, wherever the damage is, and it is made again', () => {
  meet('a', 'b')
  const whole = readFileSync(fileName())
  for (let at = 0; at < whole.length; at++) {
    const damaged = Buffer.from(whole)
    damaged[at]! ^= 0x55
    writeFileSync(fileName(), damaged)
    const file = open()
    for (const content of ['a', 'b']) assert.ok([undefined, `syntax of ${content}`].includes(found(file, content)), `byte ${at}`)
    file.close()
  }
  for (let length = 0; length < whole.length; length++) {
    writeFileSync(fileName(), whole.subarray(0, length))
    const file = open()
    for (const content of ['a', 'b']) assert.ok([undefined, `syntax of ${content}`].includes(found(file, content)), `${length} bytes`)
    file.close()
  }
  meet('a', 'b')
  const file = open()
  assert.equal(found(file, 'a'), 'syntax of a')
  file.close()
})

test('a folder that nobody can write to costs nothing but time', () => {
  const blocked = join(root, 'a file')
  writeFileSync(blocked, '')
  chmodSync(blocked, 0o400)
  const file = open({ folder: blocked })
  file.add(contentOf('a'), '/folder', () => bytes('syntax of a'))
  assert.equal(found(file, 'a'), undefined)
  file.close()
})
