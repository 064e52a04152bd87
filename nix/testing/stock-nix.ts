/**
 * For tests of this ring: the stock Nix on the PATH with a store of its own in a temporary folder, as the oracle. A
 * store path below it is the same as in a real store, since the store folder's name is.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, mkdirSync, rmSync, writeFileSync, symlinkSync, chmodSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface StockNix {
  /** Root folder; the store is in `nix/store` below it. */
  readonly root: string
  /** Runs a program of Nix; gives its standard output as latin1. */
  run(program: string, args: readonly string[], input?: string | Uint8Array): string
  /** Where the store path really lies. */
  localPath(storePath: string): string
  close(): void
}

export function findStockNix(): boolean {
  try {
    execFileSync('nix-store', ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** What a test gives to node:test as `skip`: false, or why. */
export const WITHOUT_STOCK_NIX: string | false = findStockNix() ? false : 'no nix-store on the PATH to compare with'

export function openStockNix(): StockNix {
  const root = mkdtempSync(join(tmpdir(), 'firn-stock-nix-'))
  mkdirSync(join(root, 'etc'))
  writeFileSync(join(root, 'etc/nix.conf'), [
    'build-users-group =',
    'sandbox = true',
    'sandbox-paths = /bin/sh=/usr/bin/busybox',
    'substituters =',
    'experimental-features = nix-command ca-derivations impure-derivations',
    '',
  ].join('\n'))
  const env = { PATH: process.env['PATH'], HOME: root, NIX_REMOTE: `local?root=${root}`, NIX_CONF_DIR: join(root, 'etc'), NIX_USER_CONF_FILES: '', NIX_PATH: '' }
  return {
    root,
    run: (program, args, input) => execFileSync(program, args, { env, encoding: 'latin1', input, maxBuffer: 1 << 30, stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'] }),
    localPath: (storePath) => join(root, storePath),
    close: () => {
      execFileSync('chmod', ['-R', 'u+w', root])
      rmSync(root, { recursive: true, force: true })
    },
  }
}

/** Writes a tree with a bit of everything that a NAR can hold. */
export function writeSampleTree(folder: string): void {
  mkdirSync(join(folder, 'empty-directory'), { recursive: true })
  mkdirSync(join(folder, 'nested/deeper/still'), { recursive: true })
  writeFileSync(join(folder, 'empty'), '')
  writeFileSync(join(folder, 'one-byte'), 'x')
  writeFileSync(join(folder, 'eight-bytes'), '12345678')
  writeFileSync(join(folder, 'program'), '#!/bin/sh\necho hello\n')
  chmodSync(join(folder, 'program'), 0o755)
  writeFileSync(join(folder, 'nested/deeper/still/larger'), Uint8Array.from({ length: 150_001 }, (_, index) => (index * index) >> 3))
  // Sorted by bytes, not by letters: Z < a, '.' < '/', and what isn't ASCII comes last.
  for (const name of ['Z', 'a', 'a.b', 'a-b', 'A', 'zürich', '日本', '.hidden']) writeFileSync(join(folder, 'nested', name), name)
  mkdirSync(join(folder, 'nested/a0'))
  writeFileSync(Buffer.concat([Buffer.from(join(folder, 'nested/not-utf8-')), Buffer.from([0xff, 0xfe])]), 'raw')
  symlinkSync('nested/a', join(folder, 'link'))
  symlinkSync('/does/not/exist', join(folder, 'dangling'))
  symlinkSync('zürich', join(folder, 'nested/link-ü'))
}
