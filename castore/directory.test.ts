import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestOf } from './digest.ts'
import { decodeDirectory, directoryDigest, directoryNode, EMPTY_DIRECTORY, encodeDirectory, findEntry, makeDirectory, type DirectoryEntry } from './directory.ts'
import { CastoreFormatError } from './errors.ts'
import { nodesEqual, parseNode, type Node } from './nodes.ts'

const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'latin1'))

const file: Node = { kind: 'file', digest: digestOf(bytes('file')), size: 4, executable: false }
const entries: DirectoryEntry[] = [
  { name: 'b', node: file },
  { name: 'a', node: { ...file, executable: true, size: 2 ** 40 } },
  { name: 'a.b', node: { kind: 'symlink', target: '../x' } },
  { name: 'a-b', node: directoryNode(EMPTY_DIRECTORY) },
  { name: '\xff\x80', node: { kind: 'symlink', target: '\xe9' } },
  { name: 'Z', node: directoryNode(makeDirectory([{ name: 'x', node: file }, { name: 'y', node: directoryNode(EMPTY_DIRECTORY) }])) },
]

test('a directory has one encoding, whatever the order it was made in', () => {
  const directory = makeDirectory(entries)
  assert.deepEqual(directory.entries.map(({ name }) => name), ['Z', 'a', 'a-b', 'a.b', 'b', '\xff\x80'])
  const encoded = encodeDirectory(directory)
  assert.deepEqual(encodeDirectory(makeDirectory([...entries].reverse())), encoded)
  assert.deepEqual(decodeDirectory(encoded), directory)
  assert.deepEqual(decodeDirectory(Buffer.concat([Buffer.from('offset'), encoded]).subarray(6)), directory)
  assert.equal(directoryDigest(directory), digestOf(encoded))
})

test('the encoding never changes', () => {
  // Stored digests depend on it: if this fails, the change needs another magic.
  assert.equal(Buffer.from(encodeDirectory(makeDirectory([{ name: 'l', node: { kind: 'symlink', target: 't' } }]))).toString('hex'), '4644693101000000' + '0100' + '6c' + '04' + '01000000' + '74')
  assert.equal(directoryDigest(EMPTY_DIRECTORY), digestOf(Uint8Array.of(0x46, 0x44, 0x69, 0x31, 0, 0, 0, 0)))
  const encoded = Buffer.from(encodeDirectory(makeDirectory([{ name: 'f', node: file }]))).toString('hex')
  assert.equal(encoded, `4644693101000000010066${'01'}${digestOf(bytes('file'))}0400000000000000`)
})

test('a directory\'s node counts what is below', () => {
  assert.equal(directoryNode(EMPTY_DIRECTORY).size, 0)
  assert.equal(directoryNode(makeDirectory(entries)).size, 6 + 2)
})

test('entries are found by name', () => {
  const directory = makeDirectory(entries)
  for (const { name, node } of entries) assert.deepEqual(findEntry(directory, name), node)
  for (const name of ['', '0', 'aa', 'zzz']) assert.equal(findEntry(directory, name), undefined)
})

test('what can\'t be in a directory is refused', () => {
  for (const name of ['', '.', '..', 'a/b', 'a\0', 'x'.repeat(256), '日']) assert.throws(() => makeDirectory([{ name, node: file }]), CastoreFormatError, name)
  assert.throws(() => makeDirectory([{ name: 'a', node: file }, { name: 'a', node: file }]), CastoreFormatError)
  assert.throws(() => encodeDirectory({ entries: [{ name: 'b', node: file }, { name: 'a', node: file }] }), CastoreFormatError)
  for (const node of [{ ...file, size: -1 }, { ...file, size: 1.5 }, { ...file, digest: 'x' }, { kind: 'symlink', target: '' }, { kind: 'symlink', target: 'a\0' }, { kind: 'symlink', target: 'x'.repeat(5000) }] as Node[]) {
    assert.throws(() => makeDirectory([{ name: 'a', node }]), CastoreFormatError)
  }
})

test('damaged directories are rejected, or are another directory in its one encoding', () => {
  const encoded = encodeDirectory(makeDirectory(entries))
  for (let length = 0; length < encoded.length; length++) assert.throws(() => decodeDirectory(encoded.subarray(0, length)), CastoreFormatError)
  assert.throws(() => decodeDirectory(Buffer.concat([encoded, Buffer.of(0)])), CastoreFormatError)
  for (let index = 0; index < encoded.length; index++) {
    for (const value of [0, 1, 0x2f, 0x7f, 0xff, encoded[index]! ^ 1]) {
      const copy = encoded.slice()
      copy[index] = value
      try {
        assert.deepEqual(encodeDirectory(decodeDirectory(copy)), copy)
      } catch (error) {
        if (!(error instanceof CastoreFormatError)) throw error
      }
    }
  }
})

test('nodes are read from JSON and compared', () => {
  for (const { node } of entries) assert.ok(nodesEqual(parseNode(JSON.parse(JSON.stringify(node))), node))
  const all = entries.map(({ node }) => node)
  all.forEach((left, row) => all.forEach((right, column) => assert.equal(nodesEqual(left, right), row === column)))
  for (const value of [null, 1, 'x', {}, { kind: 'file' }, { ...file, size: '4' }, { ...file, executable: 1 }, { ...file, digest: 'x' }, { kind: 'symlink' }, { kind: 'fifo', target: 'x' }, { kind: 'symlink', target: '' }]) {
    assert.throws(() => parseNode(value), CastoreFormatError)
  }
})
