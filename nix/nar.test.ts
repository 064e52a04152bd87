import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FormatError } from './errors.ts'
import { formatHash, hashBytes, createHash } from './hash.ts'
import { readNar, type NarEvent } from './nar.ts'
import { narOfFile, writeNar, writeNarSync, type NarSourceSync } from './nar-writer.ts'
import { byteStringOfBytes, bytesOfByteString, encodeBase16 } from './bytes.ts'
import { damaged, inPieces } from './testing/fuzz.ts'
import { goldenBytes } from './testing/goldens.ts'
import { WireWriter } from './wire.ts'

const tree = goldenBytes('tree.nar')

async function gather(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of source) chunks.push(chunk.slice())
  return Buffer.concat(chunks)
}

async function describe(source: Iterable<Uint8Array>): Promise<string[]> {
  const lines: string[] = []
  for await (const event of readNar(source)) {
    if (event.kind === 'file') lines.push(`file ${event.path} ${event.executable} ${event.size} ${formatHash(hashBytes('sha256', await gather(event.content)), 'nix32').slice(0, 8)}`)
    else lines.push(`${event.kind} ${event.path}${event.kind === 'symlink' ? ` ${event.target}` : ''}`)
  }
  return lines
}

test('a tree that stock Nix dumped is read as events in its order', async () => {
  const lines = await describe([tree])
  const names = lines.map((line) => Buffer.from(line.split(' ').slice(0, 2).join(' '), 'latin1').toString('utf8'))
  assert.equal(names[0], 'directory-start ')
  assert.equal(names.at(-1), 'directory-end ')
  assert.ok(names.includes('file nested/zürich'))
  assert.ok(names.includes('file nested/日本'))
  assert.ok(lines.includes('symlink link nested/a'))
  assert.ok(lines.some((line) => line.startsWith('file program true 21 ')))
  assert.ok(lines.some((line) => line.startsWith('file nested/deeper/still/larger false 150001 ')))
  const below = names.filter((name) => /^file nested\/[^/]*$/.test(name)).map((name) => name.slice('file nested/'.length))
  assert.deepEqual(below.slice(0, 7), ['.hidden', 'A', 'Z', 'a', 'a-b', 'a.b', 'not-utf8-\uFFFD\uFFFD'])
})

test('how the stream is cut makes no difference, and written again it is the same', async () => {
  const expected = await describe([tree])
  for (const largest of [1000, 20_000]) {
    assert.deepEqual(await describe(inPieces(tree, largest)), expected)
    assert.ok(Buffer.from(tree).equals(await gather(writeNar(readNar(inPieces(tree, largest))))))
  }
})

test('content that nobody reads is skipped', async () => {
  const kinds: string[] = []
  for await (const event of readNar(inPieces(tree, 1000))) {
    kinds.push(event.kind)
    if (event.kind === 'file' && event.size > 10) for await (const _ of event.content) break
  }
  assert.equal(kinds.filter((kind) => kind === 'file').length, (await describe([tree])).filter((line) => line.startsWith('file ')).length)
})

test('content can be read only once', async () => {
  for await (const event of readNar(narOfFile(bytesOfByteString('abc')))) {
    assert.ok(event.kind === 'file')
    assert.equal((await gather(event.content)).toString(), 'abc')
    assert.throws(() => event.content[Symbol.asyncIterator](), /only once/)
  }
})

/** The tree of a NAR in memory. */
async function memory(source: Iterable<Uint8Array>): Promise<NarSourceSync> {
  const entries = new Map<string, Exclude<NarEvent, { kind: 'directory-end' }> & { bytes?: Uint8Array }>()
  for await (const event of readNar(source)) {
    if (event.kind === 'directory-end') continue
    entries.set(event.path, event.kind === 'file' ? { ...event, bytes: await gather(event.content) } : event)
  }
  return {
    status: (path) => {
      const { kind } = entries.get(path)!
      const entry = entries.get(path)!
      return { kind: kind === 'file' ? 'regular' : kind === 'symlink' ? 'symlink' : 'directory', executable: entry.kind === 'file' && entry.executable }
    },
    readFile: (path) => entries.get(path)!.bytes!,
    readDirectory: (path) => [...entries.keys()].filter((name) => name !== '' && name.slice(0, Math.max(0, name.lastIndexOf('/'))) === path).map((name) => name.slice(name.lastIndexOf('/') + 1)).reverse(),
    readLink: (path) => {
      const entry = entries.get(path)!
      return entry.kind === 'symlink' ? entry.target : ''
    },
  }
}

test('a tree is written at once, names in any order', async () => {
  const source = await memory([tree])
  const hash = createHash('sha256')
  writeNarSync(source, (chunk) => hash.update(chunk))
  assert.equal(encodeBase16(hash.digest()), encodeBase16(hashBytes('sha256', tree).bytes))
})

test('a lone file', async () => {
  const content = bytesOfByteString('hello')
  const nar = Buffer.concat(narOfFile(content))
  const expected = new WireWriter()
  for (const token of ['nix-archive-1', '(', 'type', 'regular', 'contents', 'hello', ')']) expected.string(token)
  assert.deepEqual(new Uint8Array(nar), expected.take())
  for (const size of [0, 1, 7, 8, 9, 70_000]) {
    for (const executable of [false, true]) {
      const file = new Uint8Array(size).fill(65)
      const chunks: Uint8Array[] = []
      writeNarSync({ status: () => ({ kind: 'regular', executable }), readFile: () => file, readDirectory: () => [], readLink: () => '' }, (chunk) => chunks.push(chunk))
      assert.deepEqual(Buffer.concat(narOfFile(file, executable)), Buffer.concat(chunks))
    }
  }
})

/** A NAR of tokens; a number is written as it is. */
function nar(...tokens: (string | number)[]): Uint8Array {
  const writer = new WireWriter()
  for (const token of tokens) typeof token === 'number' ? writer.number(token) : writer.string(token)
  return writer.take()
}

const FILE = ['(', 'type', 'regular', 'contents', 'x', ')']
const entry = (name: string, ...node: string[]): string[] => ['entry', '(', 'name', name, 'node', ...node, ')']
const directory = (...entries: string[][]): Uint8Array => nar('nix-archive-1', '(', 'type', 'directory', ...entries.flat(), ')')

test('malformed archives are rejected with a FormatError', async () => {
  const padding = Uint8Array.from(nar('nix-archive-1', ...FILE))
  padding[padding.length - 16 - 1] = 1
  const cases: Record<string, Uint8Array> = {
    empty: new Uint8Array(0),
    magic: nar('nix-archive-2', ...FILE),
    'long magic': nar('nix-archive-10', ...FILE),
    'no node': nar('nix-archive-1'),
    'unknown type': nar('nix-archive-1', '(', 'type', 'fifo', ')'),
    'unsorted names': directory(entry('b', ...FILE), entry('a', ...FILE)),
    'a name twice': directory(entry('a', ...FILE), entry('a', ...FILE)),
    'no name': directory(entry('', ...FILE)),
    dot: directory(entry('.', ...FILE)),
    'dot dot': directory(entry('..', ...FILE)),
    slash: directory(entry('a/b', ...FILE)),
    'zero byte in a name': directory(entry('a\0b', ...FILE)),
    'too long a name': directory(entry('x'.repeat(256), ...FILE)),
    'empty target': nar('nix-archive-1', '(', 'type', 'symlink', 'target', '', ')'),
    'zero byte in a target': nar('nix-archive-1', '(', 'type', 'symlink', 'target', 'a\0', ')'),
    'too long a target': nar('nix-archive-1', '(', 'type', 'symlink', 'target', 'x'.repeat(4096), ')'),
    'no target': nar('nix-archive-1', '(', 'type', 'symlink', ')'),
    'executable behind contents': nar('nix-archive-1', '(', 'type', 'regular', 'contents', 'x', 'executable', '', ')'),
    'executable with a value': nar('nix-archive-1', '(', 'type', 'regular', 'executable', 'x', 'contents', 'x', ')'),
    'executable twice': nar('nix-archive-1', '(', 'type', 'regular', 'executable', '', 'executable', '', 'contents', 'x', ')'),
    'no contents': nar('nix-archive-1', '(', 'type', 'regular', ')'),
    'name behind node': nar('nix-archive-1', '(', 'type', 'directory', 'entry', '(', 'node', ...FILE, 'name', 'a', ')', ')'),
    'huge size': nar('nix-archive-1', '(', 'type', 'regular', 'contents', Number.MAX_SAFE_INTEGER),
    'non-zero padding': padding,
    'something behind': Buffer.concat([nar('nix-archive-1', ...FILE), Buffer.alloc(8)]),
    'deeply nested': nar('nix-archive-1', ...Array.from({ length: 2000 }, () => ['(', 'type', 'directory', 'entry', '(', 'name', 'a', 'node']).flat()),
  }
  for (const [what, bytes] of Object.entries(cases)) {
    await assert.rejects(gather(writeNar(readNar([bytes]))), FormatError, what)
    if (bytes.length < 5000) await assert.rejects(describe(inPieces(bytes, 9)), FormatError, what)
  }
  const beyond = nar('nix-archive-1', '(', 'type', 'regular', 'contents', 'x')
  beyond.fill(0xff, beyond.length - 16, beyond.length - 8)
  await assert.rejects(describe([beyond]), FormatError)
})

test('every truncation is a FormatError', async () => {
  const small = directory(entry('a', ...FILE), entry('b', '(', 'type', 'symlink', 'target', 't', ')'))
  assert.equal((await describe([small])).length, 4)
  for (const largest of [1, 2, 3, 7]) assert.ok(Buffer.from(small).equals(await gather(writeNar(readNar(inPieces(small, largest))))))
  for (let length = 0; length < small.length; length++) await assert.rejects(describe([small.subarray(0, length)]), FormatError, `${length} bytes`)
})

test('damaged archives give a FormatError, or are valid and so written again as they were', async () => {
  const small = directory(entry('a', ...FILE), entry('b', '(', 'type', 'regular', 'executable', '', 'contents', 'some content', ')'), entry('c', '(', 'type', 'directory', ...entry('d', ...FILE), ')'))
  for (const [input, count] of [[small, 500], [tree, 20]] as const) {
    for (const bytes of damaged(input, count)) {
      let again: Uint8Array | undefined
      try {
        again = await gather(writeNar(readNar(inPieces(bytes, 4096))))
      } catch (error) {
        if (!(error instanceof FormatError)) throw error
      }
      if (again !== undefined) assert.ok(Buffer.from(bytes).equals(again))
    }
  }
})

test('the writer refuses events that are no tree', async () => {
  const file = (path: string, size = 0, content: Uint8Array[] = []): NarEvent => ({ kind: 'file', path, executable: false, size, content: gatherable(content) })
  const start = (path: string): NarEvent => ({ kind: 'directory-start', path })
  const end = (path: string): NarEvent => ({ kind: 'directory-end', path })
  const cases: NarEvent[][] = [
    [], [start('')], [file('a')], [file(''), file('')], [start(''), file('b'), file('a'), end('')], [start(''), file('a'), file('a'), end('')], [start(''), file('a/b'), end('')],
    [start(''), start('a'), file('b'), end('a'), end('')], [start(''), end('a')], [end('')], [start(''), file('..'), end('')], [start(''), { kind: 'symlink', path: 'a', target: '' }, end('')],
    [file('', 3, [Uint8Array.of(1)])], [file('', 1, [Uint8Array.of(1, 2)])],
  ]
  for (const events of cases) await assert.rejects(gather(writeNar(events)), FormatError, JSON.stringify(events))
})

async function* gatherable(chunks: Uint8Array[]): AsyncGenerator<Uint8Array, void, undefined> {
  yield* chunks
}

test('a source that fails is let go, and its error passes through', async () => {
  let released = false
  const source = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      yield tree.subarray(0, 1000)
      throw new Error('the connection broke')
    } finally {
      released = true
    }
  }
  await assert.rejects(gather(writeNar(readNar(source()))), /the connection broke/)
  released = false
  for await (const event of readNar(source())) if (event.kind === 'directory-start') break
  assert.ok(released)
  assert.equal(byteStringOfBytes(tree.subarray(8, 21)), 'nix-archive-1')
})
