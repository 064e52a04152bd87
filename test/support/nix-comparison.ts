/**
 * Firn's `nix-instantiate` beside that of Nix 2.26, in a folder of their own: the same expression, the same value or the same error. A folder of the
 * test is written FOLDER in files and expressions.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { nixReference } from '../../infra/setup/nix-reference.ts'

const COMPAT = join(import.meta.dirname, '../../compat/bin')

export interface Outcome {
  readonly value: unknown
  /** The innermost `error: …`. */
  readonly error: string | undefined
  readonly warnings: readonly string[]
}

export class NixComparison {
  readonly folder = mkdtempSync(join(tmpdir(), 'firn-comparison-'))
  readonly stock = nixReference()

  close(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }

  write(files: Readonly<Record<string, string>>): void {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(this.folder, path)), { recursive: true })
      writeFileSync(join(this.folder, path), this.#filled(text))
    }
  }

  /** Evaluates with both; gives what both give. Options are those of nix-instantiate. */
  both(expression: string, ...options: readonly string[]): Outcome {
    const { theirs, ours } = this.each(expression, ...options)
    assert.deepEqual(ours, theirs, expression)
    return ours
  }

  /** What each gives. */
  each(expression: string, ...options: readonly string[]): { readonly theirs: Outcome; readonly ours: Outcome } {
    const words = ['--eval', '--strict', '--json', ...options.map((word) => this.#filled(word)), '-E', this.#filled(expression)]
    const theirs = this.#run(join(this.stock, 'nix-instantiate'), ['--read-write-mode', '--store', join(this.folder, 'root'), ...words])
    return { theirs, ours: this.firn(...words) }
  }

  firn(...words: readonly string[]): Outcome {
    return this.#run(join(COMPAT, 'nix-instantiate'), words)
  }

  #filled(text: string): string {
    return text.replaceAll('FOLDER', this.folder)
  }

  #run(program: string, words: readonly string[]): Outcome {
    const environment = {
      ...process.env, HOME: join(this.folder, 'home'), XDG_CACHE_HOME: join(this.folder, 'cache'), FIRN_HOME: join(this.folder, 'firn'), NIX_CONF_DIR: '/var/empty', NIX_PATH: '',
      NIX_CONFIG: 'experimental-features = nix-command flakes fetch-tree fetch-closure ca-derivations dynamic-derivations\nbuild-users-group =\nsubstituters =\ndownload-attempts = 1',
    }
    const { status, stdout, stderr } = spawnSync(program, words, { encoding: 'utf8', env: environment, cwd: this.folder })
    const lines = stderr.replaceAll(join(this.folder, 'root/nix/store'), '/nix/store').split('\n')
    return {
      value: status === 0 ? JSON.parse(stdout) : undefined,
      error: lines.findLast((line) => /^\s*error: ./.test(line))?.trim(),
      warnings: lines.filter((line) => /^warning: (?!the group)|^• |^ {4}'/.test(line)),
    }
  }
}
