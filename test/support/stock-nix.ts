/**
 * Stock Nix as the other side of comparisons: settings of its own, and a store of its own unless told to use one that is there. Built
 * in its sandbox, with the same static busybox as /bin/sh that Firn's sandbox has. Which Nix is used is the PATH's matter.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { programOnPath } from '../../builder/container/runtime.ts'
import { FirnError } from '../../contract/errors.ts'
import { type Ran, run } from './firn.ts'

export interface PathFigures {
  /** As Nix prints it: base-32 or SRI, by version. */
  readonly narHash: string
  readonly narSize: number
  readonly references: readonly string[]
}

export interface StockNixOptions {
  /** A store to use, as `--store` takes it (`auto` is the machine's own); absent: an empty one in a temporary folder. */
  readonly store?: string
  /** Where the temporary folder is made. */
  readonly below?: string
}

export class StockNix {
  /** Settings, caches and, unless another was named, the store. */
  readonly folder: string
  readonly store: string

  private constructor(folder: string, store: string) {
    this.folder = folder
    this.store = store
  }

  /** Opens a store; throws 'missing-requirement' where there is no Nix. */
  static async open(options: StockNixOptions = {}): Promise<StockNix> {
    const folder = await mkdtemp(join(options.below ?? tmpdir(), 'firn-stock-'))
    await Promise.all(['conf', 'tmp', 'home', 'root'].map((name) => mkdir(join(folder, name))))
    await writeFile(join(folder, 'conf/nix.conf'), [
      'build-users-group =', 'sandbox = true', `sandbox-paths = /bin/sh=${programOnPath('busybox')}`, 'substituters =',
      'experimental-features = nix-command', '',
    ].join('\n'))
    const nix = new StockNix(folder, options.store ?? join(folder, 'root'))
    const version = await nix.run('nix-store', '--version').catch(async (error: unknown) => {
      await nix.#remove()
      throw new FirnError('missing-requirement', 'stock Nix is needed to compare with: apt install nix-bin', { cause: error })
    })
    if (version.code !== 0) throw new FirnError('missing-requirement', `nix-store does not run: ${version.stderr}`)
    return nix
  }

  /** Runs a program of Nix against the store; gives what it said, whatever its exit code. */
  async run(program: string, ...args: string[]): Promise<Ran> {
    const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('NIX_') || name === 'NIX_SSL_CERT_FILE'))
    const store = this.store === 'auto' ? [] : ['--store', this.store]
    return await run(program, [...args, ...store], {
      ...inherited, HOME: join(this.folder, 'home'), XDG_CACHE_HOME: join(this.folder, 'cache'), TMPDIR: join(this.folder, 'tmp'),
      NIX_CONF_DIR: join(this.folder, 'conf'), NIX_USER_CONF_FILES: '', NIX_PATH: '',
    })
  }

  /** As `run`; throws with the end of what it said where it fails. */
  async must(program: string, ...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(program, ...args)
    if (code !== 0) throw new FirnError('internal', `${program} ${args.join(' ')} ended with ${code}: ${stderr.slice(-4000)}`)
    return stdout
  }

  /** `nix-build`; gives the output paths. */
  async build(file: string, ...args: string[]): Promise<string[]> {
    return (await this.must('nix-build', '--no-out-link', file, ...args)).split('\n').filter((line) => line !== '')
  }

  /** What the store knows of paths (and their closure), by absolute path. */
  async pathInfo(paths: readonly string[], options: { readonly recursive?: boolean } = {}): Promise<Map<string, PathFigures>> {
    const text = await this.must('nix', 'path-info', '--json', ...(options.recursive ? ['--recursive'] : []), ...paths)
    const parsed = JSON.parse(text) as Record<string, PathFigures> | (PathFigures & { readonly path: string })[]
    return new Map(Array.isArray(parsed) ? parsed.map((one) => [one.path, one]) : Object.entries(parsed))
  }

  /** Where a store path lies for this process. */
  localPath(storePath: string): string {
    return this.store === 'auto' ? storePath : join(this.store, storePath)
  }

  async close(): Promise<void> {
    await this.#remove()
  }

  async #remove(): Promise<void> {
    await run('chmod', ['-R', 'u+w', this.folder], process.env)
    await rm(this.folder, { recursive: true, force: true })
  }
}
