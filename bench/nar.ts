/**
 * How fast NARs are written, read and hashed, beside `nix-store --dump`: `node bench/nar.ts [FOLDER]`. Ratios to stock
 * Nix in the same run are what counts; both read the same files, from the page cache.
 */
import { spawnSync } from 'node:child_process'
import { createHash, hash as hashAtOnce } from 'node:crypto'
import { createReadStream, lstatSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createDigester } from '../castore/digest.ts'
import { Chunker } from '../castore/chunking.ts'
import { useHashImplementation, createHash as createNixHash } from '../nix/hash.ts'
import { readNar } from '../nix/nar.ts'
import { writeNar, writeNarSync, type NarSourceSync } from '../nix/nar-writer.ts'

const folder = resolve(process.argv[2] ?? 'node_modules/typescript')
const work = mkdtempSync(join(tmpdir(), 'firn-bench-'))
const file = join(work, 'tree.nar')

const at = (path: string): Buffer => Buffer.from(path === '' ? folder : `${folder}/${path}`, 'latin1')
const source: NarSourceSync = {
  status: (path) => {
    const status = lstatSync(at(path))
    return { kind: status.isSymbolicLink() ? 'symlink' : status.isDirectory() ? 'directory' : 'regular', executable: (status.mode & 0o100) !== 0 }
  },
  readFile: (path) => readFileSync(at(path)),
  readDirectory: (path) => readdirSync(at(path), { encoding: 'buffer' }).map((name) => name.toString('latin1')),
  readLink: (path) => readlinkSync(at(path), { encoding: 'buffer' }).toString('latin1'),
}

/** Best of five, milliseconds. */
async function best(run: () => unknown): Promise<number> {
  let least = Infinity
  for (let round = 0; round < 5; round++) {
    const start = performance.now()
    await run()
    least = Math.min(least, performance.now() - start)
  }
  return least
}

try {
  const dump = spawnSync('nix-store', ['--dump', folder], { maxBuffer: 2 ** 31 - 1 })
  const stock = dump.status === 0
  writeFileSync(file, stock ? dump.stdout : Buffer.alloc(0))
  if (!stock) {
    const chunks: Uint8Array[] = []
    writeNarSync(source, (chunk) => chunks.push(chunk))
    writeFileSync(file, Buffer.concat(chunks))
  }
  const size = lstatSync(file).size
  const stockTime = stock ? await best(() => spawnSync('nix-store', ['--dump', folder], { stdio: 'ignore' })) : Number.NaN
  const hashTime = stock ? await best(() => spawnSync('nix-hash', ['--type', 'sha256', folder], { stdio: 'ignore' })) : Number.NaN
  const buffer = new Uint8Array(readFileSync(file))
  const pieces = Array.from({ length: Math.ceil(size / 65536) }, (_, index) => buffer.subarray(index * 65536, (index + 1) * 65536))
  const stream = (): AsyncIterable<Uint8Array> => createReadStream(file, { highWaterMark: 256 * 1024 })
  const drain = async (chunks: AsyncIterable<unknown>): Promise<void> => { for await (const _ of chunks) { /* nothing */ } }
  const digestAll = (hash: { update(piece: Uint8Array): unknown; digest(): unknown }): void => {
    for (const piece of pieces) hash.update(piece)
    hash.digest()
  }

  const rows: [string, number, number][] = [
    ['write a folder at once (stock: nix-store --dump)', await best(() => writeNarSync(source, () => {})), stockTime],
    ['write and hash it, portable SHA-256 (stock: nix-hash)', await best(() => {
      useHashImplementation()
      const hash = createNixHash('sha256')
      writeNarSync(source, (chunk) => hash.update(chunk))
      hash.digest()
    }), hashTime],
    ['write and hash it, node:crypto (stock: nix-hash)', await best(() => {
      useHashImplementation({ create: (algorithm) => createHash(algorithm), digest: (algorithm, data) => hashAtOnce(algorithm, data, 'buffer') })
      const hash = createNixHash('sha256')
      writeNarSync(source, (chunk) => hash.update(chunk))
      hash.digest()
    }), hashTime],
    ['read a stream', await best(() => drain(readNar(stream()))), Number.NaN],
    ['read a stream and write it again', await best(() => drain(writeNar(readNar(stream())))), Number.NaN],
    ['BLAKE3', await best(() => digestAll(createDigester())), Number.NaN],
    ['content-defined chunks', await best(() => {
      const chunker = new Chunker(() => {})
      for (const piece of pieces) chunker.update(piece)
      chunker.finish()
    }), Number.NaN],
  ]
  console.log(`${folder}: ${(size / 1e6).toFixed(1)} MB as a NAR`)
  for (const [what, time, other] of rows) {
    console.log(`${what.padEnd(56)} ${time.toFixed(0).padStart(6)} ms ${(size / 1e3 / time).toFixed(0).padStart(6)} MB/s${Number.isNaN(other) ? '' : `   stock ${other.toFixed(0)} ms, ratio ${(time / other).toFixed(2)}`}`)
  }
} finally {
  rmSync(work, { recursive: true, force: true })
}
