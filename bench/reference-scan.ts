/**
 * How fast references are found: `node bench/reference-scan.ts [FILE]`. Four kinds of data, since the scanner's speed
 * depends on how much of it is of the base-32 alphabet; beside `nix-hash`, which reads and hashes the same file.
 */
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ReferenceScanner } from '../castore/reference-scan.ts'
import { ModuloHash } from '../nix/rewriting.ts'

const ALPHABET = '0123456789abcdfghijklmnpqrsvwxyz'
const candidates = (count: number): string[] => Array.from({ length: count }, () => [...randomBytes(32)].map((byte) => ALPHABET[byte & 31]).join(''))
const work = mkdtempSync(join(tmpdir(), 'firn-bench-'))

function best(run: () => void): number {
  let least = Infinity
  for (let round = 0; round < 5; round++) {
    const start = performance.now()
    run()
    least = Math.min(least, performance.now() - start)
  }
  return least
}

try {
  const program = new Uint8Array(readFileSync(process.argv[2] ?? process.execPath))
  const kinds: Record<string, Uint8Array> = {
    'a program': program,
    'JavaScript': new Uint8Array(readFileSync(new URL('../node_modules/typescript/lib/typescript.js', import.meta.url))),
    'random bytes': new Uint8Array(randomBytes(32 << 20)),
    'hexadecimal digits': new Uint8Array(Buffer.from(randomBytes(16 << 20).toString('hex'))),
  }
  for (const [kind, data] of Object.entries(kinds)) {
    for (const count of [10, 1000, 50_000]) {
      const scanner = new ReferenceScanner(candidates(count))
      const time = best(() => { for (let start = 0; start < data.length; start += 65536) scanner.update(data.subarray(start, start + 65536)) })
      console.log(`${kind.padEnd(20)} ${String(count).padStart(6)} candidates ${(data.length / 1e3 / time).toFixed(0).padStart(6)} MB/s`)
    }
  }
  const rewriting = best(() => {
    const hash = new ModuloHash('sha256', candidates(1)[0]!, () => ({ update: () => {}, digest: () => new Uint8Array() }))
    for (let start = 0; start < program.length; start += 65536) hash.update(program.subarray(start, start + 65536))
    hash.digest()
  })
  console.log(`${'a program'.padEnd(20)} rewriting self-references ${(program.length / 1e3 / rewriting).toFixed(0)} MB/s`)
  const file = join(work, 'program')
  writeFileSync(file, program)
  if (spawnSync('nix-hash', ['--version'], { stdio: 'ignore' }).status === 0) {
    const time = best(() => void spawnSync('nix-hash', ['--flat', '--type', 'sha256', file], { stdio: 'ignore' }))
    console.log(`${'a program'.padEnd(20)} nix-hash, for comparison ${(program.length / 1e3 / time).toFixed(0)} MB/s`)
  }
} finally {
  rmSync(work, { recursive: true, force: true })
}
