/**
 * Ring: fetchers. Git repositories, by git's own command line, with a cache of bare repositories, one for each address.
 * Upstream: libfetchers/git.cc and git-utils.cc, which use libgit2. Trees are read as objects, as there: no checkout, so
 * no line endings are converted and no filters run.
 */
import { createHash } from 'node:crypto'
import { mkdir, rm, stat } from 'node:fs/promises'
import { isAbsolute, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { FirnError } from '../contract/errors.ts'
import type { Entry } from '../store/ingest/interface.ts'
import { entriesOfLocalTree } from '../store/ingest/local-tree.ts'
import { run, runText, type CommandOptions } from './command.ts'
import { DownloadError } from './errors.ts'
import { treeEntries } from './git-tree.ts'

export interface GitSource {
  readonly url: string
  readonly ref?: string
  readonly revision?: string
  readonly submodules: boolean
  readonly shallow: boolean
  readonly exportIgnore: boolean
  readonly lfs: boolean
}

/** A commit that is in the cache, or a working tree with changes that are in no commit. */
export type GitCheckout =
  | { readonly kind: 'commit'; readonly repository: string; readonly revision: string; readonly lastModified: number; readonly revisionCount?: number }
  | { readonly kind: 'dirty'; readonly folder: string; readonly lastModified: number; /** that of HEAD */ readonly revision?: string }

export interface GitOptions {
  readonly signal?: AbortSignal
  /** For the server of the repository, over HTTP; not for those of submodules. */
  readonly credentials?: GitCredentials
}

export interface GitCredentials {
  readonly username: string
  readonly password: string
}

const FULL_REVISION = /^([0-9a-f]{40}|[0-9a-f]{64})$/

export class GitFetcher {
  readonly #folder: string
  /** The work that is under way on a repository: git locks one against itself, and two fetches would do the same twice. */
  readonly #busy = new Map<string, Promise<unknown>>()

  /** Repositories are kept below this folder. */
  constructor(folder: string) {
    this.#folder = folder
  }

  /** Entries of a revision's tree, fetched where it isn't in the cache. */
  async *entries(source: GitSource & { readonly revision: string }, options: GitOptions = {}): AsyncGenerator<Entry, void, undefined> {
    // only the tree is wanted, so one commit is enough
    const checkout = await this.checkOut({ ...source, shallow: true }, options)
    yield* this.checkoutEntries(checkout, source, options)
  }

  async *checkoutEntries(checkout: GitCheckout, source: GitSource, options: GitOptions = {}): AsyncGenerator<Entry, void, undefined> {
    if (checkout.kind === 'dirty') return yield* await this.#workingTree(checkout.folder, source, options)
    yield* treeEntries({
      repository: checkout.repository,
      revision: checkout.revision,
      exportIgnore: source.exportIgnore,
      git: (args, folder) => this.#command(args, source.url, options, folder),
      ...(source.submodules && {
        submodule: async (url: string, revision: string) => {
          const inner: GitSource = { url: resolveSubmodule(source.url, url), revision, submodules: true, shallow: true, exportIgnore: source.exportIgnore, lfs: false }
          const found = await this.checkOut(inner, options)
          return this.checkoutEntries(found, inner, options)
        },
      }),
    })
  }

  /** Finds the commit that is meant, and fetches it. */
  async checkOut(source: GitSource, options: GitOptions = {}): Promise<GitCheckout> {
    if (source.lfs) throw new FirnError('invalid-input', `'${source.url}' is to be fetched with git LFS, which Firn does not do: files in large file storage are not part of the repository`)
    if (source.revision !== undefined && !FULL_REVISION.test(source.revision)) throw new FirnError('invalid-input', `'${source.revision}' is not a full git revision`)
    const local = localFolder(source.url)
    if (local !== undefined && source.ref === undefined && source.revision === undefined) {
      const tree = await this.#localTree(local, source.url, options)
      if (tree) return tree
    }
    // a repository without its history can't become one that has it without loading all of it anyway
    const repository = join(this.#folder, `${createHash('sha256').update(source.url).digest('hex').slice(0, 40)}${source.shallow ? '-shallow' : ''}`)
    return await this.#alone(repository, async () => {
      await this.#initialise(repository, source.url, options)
      const revision = await this.#fetch(repository, source, options)
      const inside = this.#command(['-C', repository], source.url, options)
      const lastModified = Number(await runText('git', [...inside.args, 'log', '-1', '--format=%ct', '--no-show-signature', revision], inside.options))
      const revisionCount = source.shallow ? undefined : Number(await runText('git', [...inside.args, 'rev-list', '--count', revision], inside.options))
      return { kind: 'commit', repository, revision, lastModified, ...(revisionCount !== undefined && { revisionCount }) }
    })
  }

  /** The revision that a branch, tag or HEAD has on the server now; nothing is fetched. */
  async remoteRevision(source: Pick<GitSource, 'url' | 'ref'>, options: GitOptions = {}): Promise<string> {
    const { args, options: commandOptions } = this.#command([], source.url, options)
    const ref = source.ref === undefined ? 'HEAD' : fullRef(source.ref)
    const listed = await runText('git', [...args, 'ls-remote', '--', addressOf(source.url), ref, `${ref}^{}`], commandOptions)
    const found = new Map(listed.split('\n').map((line) => line.split('\t').reverse() as [string, string]))
    // of an annotated tag, what it points to
    const revision = found.get(`${ref}^{}`) ?? found.get(ref)
    if (revision === undefined || !FULL_REVISION.test(revision)) throw new DownloadError(source.url, `the repository has no '${source.ref ?? 'HEAD'}'`, { permanent: true })
    return revision
  }

  async #alone<T>(repository: string, work: () => Promise<T>): Promise<T> {
    const before = this.#busy.get(repository) ?? Promise.resolve()
    const mine = before.then(work, work)
    const settled = mine.catch(() => {})
    this.#busy.set(repository, settled)
    try {
      return await mine
    } finally {
      if (this.#busy.get(repository) === settled) this.#busy.delete(repository)
    }
  }

  async #initialise(repository: string, url: string, options: GitOptions): Promise<void> {
    if (await stat(join(repository, 'HEAD')).catch(() => undefined)) return
    await rm(repository, { recursive: true, force: true })
    await mkdir(this.#folder, { recursive: true })
    const { args, options: commandOptions } = this.#command([], url, options)
    await run('git', [...args, 'init', '--quiet', '--bare', repository], commandOptions)
  }

  /** Makes sure that the commit is there and returns its revision. */
  async #fetch(repository: string, source: GitSource, options: GitOptions): Promise<string> {
    const { args, options: commandOptions } = this.#command(['-C', repository], source.url, options)
    const has = async (revision: string): Promise<boolean> => await run('git', [...args, 'cat-file', '-e', `${revision}^{commit}`], commandOptions).then(() => true, (error: unknown) => {
      if (error instanceof DownloadError) return false
      throw error
    })
    const fetch = async (...what: string[]): Promise<void> => void await run('git', [...args, 'fetch', '--quiet', '--force', '--no-tags', '--no-write-fetch-head', '--no-recurse-submodules', ...(source.shallow ? ['--depth=1'] : []), '--', addressOf(source.url), ...what], commandOptions)

    if (source.revision !== undefined) {
      const { revision } = source
      if (await has(revision)) return revision
      // most servers give a commit by its name; others only what a branch or tag leads to
      await fetch(`${revision}:refs/firn/${revision}`).catch(async (error: unknown) => {
        if (!(error instanceof DownloadError)) throw error
        await run('git', [...args, 'fetch', '--quiet', '--force', '--no-recurse-submodules', '--', addressOf(source.url), ...(source.ref === undefined ? ['+refs/*:refs/firn/all/*'] : [`+${fullRef(source.ref)}:refs/firn/all/ref`])], commandOptions)
        if (!await has(revision)) throw new DownloadError(source.url, `the repository has no commit ${revision}${source.ref === undefined ? '' : ` in '${source.ref}'`}`, { permanent: true, cause: error })
      })
      return revision
    }
    const target = 'refs/firn/wanted'
    await fetch(`+${source.ref === undefined ? 'HEAD' : fullRef(source.ref)}:${target}`)
    return await runText('git', [...args, 'rev-parse', `${target}^{commit}`], commandOptions)
  }

  /** What a local repository's working tree is: its HEAD, or what is in no commit; undefined for a bare repository. */
  async #localTree(folder: string, url: string, options: GitOptions): Promise<GitCheckout | undefined> {
    const { args, options: commandOptions } = this.#command(['-C', folder], url, options)
    if (await runText('git', [...args, 'rev-parse', '--is-bare-repository'], commandOptions) === 'true') return undefined
    const top = await runText('git', [...args, 'rev-parse', '--show-toplevel'], commandOptions)
    const head = await runText('git', [...args, 'rev-parse', '--verify', '--quiet', 'HEAD'], commandOptions).catch((error: unknown) => {
      if (error instanceof DownloadError) return undefined
      throw error
    })
    if (head === undefined) return { kind: 'dirty', folder: top, lastModified: 0 }
    const changed = await run('git', [...args, 'status', '--porcelain=v1', '--untracked-files=no', '--ignore-submodules=none', '-z'], commandOptions)
    const lastModified = Number(await runText('git', [...args, 'log', '-1', '--format=%ct', '--no-show-signature', 'HEAD'], commandOptions))
    if (changed.length > 0) return { kind: 'dirty', folder: top, revision: head, lastModified }
    // its objects are here: nothing has to be fetched, and the history is whole even where a shallow one would do
    return { kind: 'commit', repository: top, revision: head, lastModified, revisionCount: Number(await runText('git', [...args, 'rev-list', '--count', head], commandOptions)) }
  }

  /** Files that git knows, as they are on the disk. */
  async #workingTree(folder: string, source: GitSource, options: GitOptions): Promise<AsyncIterable<Entry>> {
    const { args, options: commandOptions } = this.#command(['-C', folder], source.url, options)
    const listed = (await run('git', [...args, 'ls-files', '-z', ...(source.submodules ? ['--recurse-submodules'] : [])], commandOptions)).toString('latin1').split('\0')
    const entries = new Set<string>()
    for (const path of listed) {
      for (let end = path.length; end > 0; end = path.lastIndexOf('/', end - 1)) entries.add(path.slice(0, end))
    }
    return entriesOfLocalTree(folder, { entries })
  }

  /** Nothing may ask for a password, and whose repository it is does not matter: nothing of it is executed. */
  #command(before: readonly string[], url: string, { signal, credentials }: GitOptions, folder?: string): { readonly args: string[]; readonly options: CommandOptions } {
    return {
      args: ['-c', 'safe.directory=*', '-c', 'protocol.file.allow=always', '-c', 'gc.auto=0', ...(folder === undefined ? [] : ['-C', folder]), ...before],
      options: { url, install: 'git', environment: { GIT_TERMINAL_PROMPT: '0', GIT_ASKPASS: 'true', LC_ALL: 'C', ...(credentials ? authorisation(addressOf(url), credentials) : {}) }, ...(signal && { signal }) },
    }
  }
}

/** As configuration in the environment, which other users of the machine can't read, and for this server only. */
function authorisation(address: string, { username, password }: GitCredentials): Readonly<Record<string, string>> {
  if (!/^https?:/.test(address)) return {}
  const header = `Authorization: Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
  return { GIT_CONFIG_COUNT: '1', GIT_CONFIG_KEY_0: `http.${new URL(address).origin}/.extraHeader`, GIT_CONFIG_VALUE_0: header }
}

/** `main` is a branch; `refs/…` and HEAD are what they are. */
function fullRef(ref: string): string {
  return ref === 'HEAD' || ref.startsWith('refs/') ? ref : `refs/heads/${ref}`
}

/** `git+https://…` and the like without what git doesn't know. */
function addressOf(url: string): string {
  return url.replace(/^git\+/, '')
}

function localFolder(url: string): string | undefined {
  const address = addressOf(url)
  if (address.startsWith('file://')) return fileURLToPath(address.split('?')[0]!)
  return isAbsolute(address) ? address : undefined
}

/** The address of a submodule, which may be relative to that of the repository. */
export function resolveSubmodule(parent: string, url: string): string {
  if (!/^\.\.?(\/|$)/.test(url)) return url
  let base = parent.replace(/\/+$/, '')
  let rest = url
  for (;;) {
    if (rest.startsWith('../')) {
      base = base.slice(0, Math.max(base.lastIndexOf('/'), base.lastIndexOf(':')))
      rest = rest.slice(3)
    } else if (rest.startsWith('./')) {
      rest = rest.slice(2)
    } else {
      return `${base}/${rest}`
    }
  }
}
