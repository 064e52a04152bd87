/**
 * Ring: evaluator. EvalIO over this machine's files and a folder that holds store paths. What an evaluation adds to the store is told to
 * a sink (a supervisor, a local store, nobody) and readable at once under its store path, wherever it really lies. What isn't there
 * yet becomes a need. Upstream counterpart: the store and accessors that Nix's EvalState is given.
 */
import { Buffer } from 'node:buffer'
import { hash } from 'node:crypto'
import { lstatSync, writeFileSync } from 'node:fs'
import type { FetchRequest, UnlockedFetch, UnlockedFetchResult } from '../contract/fetch.ts'
import type { Need, NeedAnswer } from '../contract/evaluations.ts'
import { EvalIOError, NeedFailed, Suspended, type AddedDerivation, type EvalIO, type FileKind, type FileStatus, type Realised } from '../eval/io.ts'
import type { ObservableIO, ObservationKind } from '../eval/observed-io.ts'
import { formatHash } from '../nix/hash.ts'
import { narOfFile } from '../nix/nar-writer.ts'
import { makeFixedOutputPath, makeTextPath } from '../nix/store-path.ts'
import { ContentHashes } from './content-hashes.ts'
import type { FileIOOptions } from './file-io-options.ts'
import { KnownDerivations, realiseKey } from './known-derivations.ts'
import { LocalFiles } from './local-files.ts'
import { isWellFormed, nativePath, splitStorePath, textOfBytes } from './paths.ts'
import { readSourceTree } from './source-tree.ts'
import { followLinks } from './store-links.ts'

/** Where the content of a store path is. */
type Place =
  | { readonly kind: 'local'; readonly path: string; /** what a filter left in */ readonly entries?: ReadonlySet<string> }
  | { readonly kind: 'text'; readonly content: string }

export class FileIO implements ObservableIO {
  private options: FileIOOptions
  private files = new LocalFiles()
  private readonly places = new Map<string, Place>()
  private readonly derivations = new KnownDerivations((drvPath) => Buffer.from(this.readFile(drvPath)).toString('latin1'))
  private readonly knownReferences = new Map<string, readonly string[]>()
  private readonly fetches = new Map<string, FetchRequest>()
  private readonly unlocked = new Map<string, UnlockedFetchResult>()
  private readonly failures = new Map<string, string>()
  private readonly added = new Map<string, string>()
  /** Store paths that were added from a path of this machine. */
  private readonly sources = new Map<string, Set<string>>()
  /** Store paths that somebody made readable for this evaluation. */
  private readonly lent = new Set<string>()
  private readonly contents = new ContentHashes()
  /** Outputs whose path only their build tells: by `DRV!OUTPUT`, and the needs that ask for them. */
  private readonly resolvedOutputs = new Map<string, string>()
  private readonly outputNeeds = new Map<string, string>()
  private scratchFiles = 0
  private time: number | undefined

  constructor(options: FileIOOptions) {
    this.options = options
  }

  /** Begins another evaluation: files are looked at anew. Store paths, whose names say what they hold, stay known. */
  renew(options: FileIOOptions): void {
    this.options = options
    this.files = new LocalFiles()
    this.unlocked.clear()
    this.failures.clear()
    this.added.clear()
    this.time = undefined
    // nobody keeps them there any more; where they still are, they are found again
    for (const storePath of this.lent) this.places.delete(storePath)
    this.lent.clear()
  }

  observe(kind: ObservationKind, subject: string, content?: Uint8Array): string | undefined {
    switch (kind) {
      case 'once': return undefined
      case 'time': return String(this.currentTime())
      case 'environment': return JSON.stringify(this.environment(subject) ?? null)
      case 'present': return this.storePlace(subject) === undefined ? undefined : 'present'
      default: return this.observeFiles(kind, subject, content)
    }
  }

  private observeFiles(kind: 'file' | 'directory' | 'status' | 'link' | 'tree', path: string, content: Uint8Array | undefined): string {
    try {
      switch (kind) {
        case 'status': return this.status(path)?.kind ?? 'nothing'
        case 'link': return this.readLink(path)
        case 'directory': return JSON.stringify([...this.readDirectory(path)].sort(([a], [b]) => (a < b ? -1 : 1)))
        case 'file': {
          const place = this.find(path)
          if (place.kind === 'text') return 'text'
          return this.following(place.path, path, (local) => this.contents.of(local, content))
        }
        case 'tree': {
          const place = this.find(path)
          return place.kind === 'text' ? 'text' : this.contents.ofTree(this.files, place.path)
        }
      }
    } catch (error) {
      if (error instanceof EvalIOError) return `error ${error.kind}`
      // it isn't there now, and was before, or the other way round
      if (error instanceof Suspended || error instanceof NeedFailed) return 'awaited'
      throw error
    }
  }

  forgetSource(path: string): void {
    for (const storePath of this.sources.get(path) ?? []) this.places.delete(storePath)
    this.sources.delete(path)
  }

  /** Takes in answers; from now on what they are about is readable, or fails. */
  answer(answers: readonly NeedAnswer[]): void {
    for (const answer of answers) {
      if (!answer.ok) {
        this.failures.set(answer.key, answer.message)
        continue
      }
      this.failures.delete(answer.key)
      this.places.set(answer.storePath, { kind: 'local', path: answer.localPath })
      this.lent.add(answer.storePath)
      const output = this.outputNeeds.get(answer.key)
      if (output !== undefined) this.resolvedOutputs.set(output, answer.storePath)
      if (answer.fetched !== undefined) {
        this.unlocked.set(answer.key, answer.fetched)
        this.options.record(answer.key, answer.fetched)
      }
    }
  }

  readFile(path: string): Uint8Array {
    const place = this.find(path)
    if (place.kind === 'text') return Buffer.from(place.content, 'latin1')
    return this.following(place.path, path, (local) => this.files.readFile(local))
  }

  readDirectory(path: string): ReadonlyMap<string, FileKind> {
    if (path === '/nix/store') return new Map()
    const place = this.find(path)
    if (place.kind === 'text') throw new EvalIOError('not-a-directory', path, `'${textOfBytes(path)}' is not a directory`)
    const entries = this.following(place.path, path, (local) => this.files.readDirectory(local))
    if (place.entries === undefined) return entries
    const prefix = place.relative === '' ? '' : `${place.relative}/`
    return new Map([...entries].filter(([name]) => place.entries!.has(prefix + name)))
  }

  status(path: string): FileStatus | undefined {
    if (path === '/nix/store' || path === '/nix') return { kind: 'directory', executable: false, size: 0 }
    let place: Found
    try {
      place = this.find(path)
    } catch (error) {
      // asking whether a path exists is no error, whoever could not find it
      if (error instanceof EvalIOError && error.kind === 'missing') return undefined
      if (error instanceof NeedFailed && error.key.startsWith('path:')) return undefined
      throw error
    }
    if (place.kind === 'text') return { kind: 'regular', executable: false, size: place.content.length }
    return this.following(place.path, path, (local) => this.files.status(local))
  }

  readLink(path: string): string {
    const place = this.find(path)
    if (place.kind === 'text') throw new EvalIOError('failed', path, `'${textOfBytes(path)}' is not a symlink`)
    return this.following(place.path, path, (local) => this.files.readLink(local))
  }

  /**
   * Symlinks within the store point to `/nix/store/…`, which the machine may not have there: where the plain way finds nothing, the
   * path is walked link by link and each link's target looked up anew.
   */
  private following<T>(local: string, path: string, work: (local: string) => T): T {
    let result: T
    try {
      result = work(local)
      if (result !== undefined) return result
    } catch (error) {
      if (!(error instanceof EvalIOError) || error.kind !== 'missing') throw error
      const other = this.withoutLinks(path)
      if (other === undefined) throw error
      return work(other)
    }
    const other = this.withoutLinks(path)
    return other === undefined ? result : work(other)
  }

  private withoutLinks(path: string): string | undefined {
    const at = followLinks(path, this.files, (next) => {
      const place = this.placeOf(next)
      return place?.kind === 'local' ? place.path : undefined
    })
    if (at === undefined || at === path) return undefined
    const place = this.find(at)
    return place.kind === 'local' ? place.path : undefined
  }

  /** Where a path lies; throws or suspends where its store path isn't there. */
  private find(path: string): Found {
    const place = this.placeOf(path)
    if (place !== undefined) return place
    const { storePath } = splitStorePath(path)!
    const request = this.fetches.get(storePath)
    if (request !== undefined) this.obtain({ kind: 'fetch', key: `fetch:${storePath}`, storePath, request })
    else if (this.options.asksForUnknownPaths && isWellFormed(storePath)) this.obtain({ kind: 'path', key: `path:${storePath}`, storePath })
    const obtained = this.placeOf(path)
    if (obtained !== undefined) return obtained
    throw new EvalIOError('missing', path, `path '${textOfBytes(path)}' does not exist`)
  }

  /** As `find`; undefined where the store path isn't there. */
  private placeOf(path: string): Found | undefined {
    const split = splitStorePath(path)
    if (split === undefined) return { kind: 'local', path, relative: '' }
    const place = this.storePlace(split.storePath)
    if (place === undefined) return undefined
    const relative = split.rest.slice(1)
    if (place.kind === 'text') {
      if (relative === '') return place
      throw new EvalIOError('missing', path, `path '${textOfBytes(path)}' does not exist`)
    }
    if (place.entries !== undefined && relative !== '' && !place.entries.has(relative)) throw new EvalIOError('missing', path, `path '${textOfBytes(path)}' does not exist`)
    return { kind: 'local', path: place.path + split.rest, relative, ...(place.entries === undefined ? {} : { entries: place.entries }) }
  }

  private storePlace(storePath: string): Place | undefined {
    const known = this.places.get(storePath)
    if (known !== undefined) return known
    if (this.derivations.has(storePath)) return { kind: 'text', content: this.derivations.text(storePath) }
    const baseName = storePath.slice('/nix/store/'.length)
    for (const folder of this.options.storeFolders) {
      const path = `${folder}/${baseName}`
      // not remembered where it is missing: it may come
      if (lstatSync(nativePath(path), { throwIfNoEntry: false }) === undefined) continue
      const place: Place = { kind: 'local', path }
      this.places.set(storePath, place)
      return place
    }
    return undefined
  }

  /** Throws unless the need can be met at once. */
  private obtain(need: Need): void {
    if (!this.isMet(need)) throw new Suspended(need)
  }

  /** Whether the need can be met at once. Throws where that fails, or has failed. */
  private isMet(need: Need): boolean {
    this.failIfFailed(need)
    const answer = this.options.answerNow?.(need)
    if (answer === undefined) return false
    this.answer([answer])
    this.failIfFailed(need)
    return true
  }

  private failIfFailed(need: Need): void {
    const failure = this.failures.get(need.key)
    if (failure !== undefined) throw new NeedFailed(need.key, failure)
  }

  environment(name: string): string | undefined {
    return this.options.environment.get(name)
  }

  currentTime(): number {
    if (this.time !== undefined) return this.time
    const recorded = this.options.journal['current-time']
    this.time = typeof recorded === 'number' ? recorded : this.options.time ?? Math.floor(Date.now() / 1000)
    if (recorded === undefined) this.options.record('current-time', this.time)
    return this.time
  }

  addPath(request: Parameters<EvalIO['addPath']>[0]): string {
    const { path, name, method, filter } = request
    const key = filter === undefined ? `${method} ${name} ${path}` : undefined
    const known = key === undefined ? undefined : this.added.get(key)
    if (known !== undefined) return known
    const place = this.find(path)
    const storePath = place.kind === 'text' ? this.addVirtual(place.content, name, method) : this.addTree(place, path, name, method, filter)
    if (key !== undefined) this.added.set(key, storePath)
    const from = this.sources.get(path)
    if (from === undefined) this.sources.set(path, new Set([storePath]))
    else from.add(storePath)
    return storePath
  }

  private addTree(place: Found & { readonly kind: 'local' }, path: string, name: string, method: 'flat' | 'nar', filter: Parameters<EvalIO['addPath']>[0]['filter']): string {
    if (method === 'flat') {
      // one file, and never executable: that is what the path says
      const content = this.readFile(path)
      const storePath = makeFixedOutputPath(name, { method, hash: { algorithm: 'sha256', bytes: hash('sha256', content, 'buffer') } }).toString()
      const narHash = hash('sha256', Buffer.concat(narOfFile(content)), 'buffer')
      return this.announce(storePath, place.path, formatHash({ algorithm: 'sha256', bytes: narHash }, 'sri'), false, undefined)
    }
    const within = place.entries
    const prefix = place.relative === '' ? '' : `${place.relative}/`
    const accepts = within === undefined
      ? filter
      : (at: string, kind: FileKind): boolean => within.has(prefix + at.slice(path.length + 1)) && (filter === undefined || filter(at, kind))
    const tree = readSourceTree(this.files, place.path, path, accepts)
    const storePath = makeFixedOutputPath(name, { method, hash: tree.narHash }).toString()
    return this.announce(storePath, place.path, formatHash(tree.narHash, 'sri'), true, tree.entries)
  }

  describeTree(path: string): { readonly narHash: string; readonly lastModified: number } {
    const place = this.find(path)
    if (place.kind === 'text') return { narHash: formatHash({ algorithm: 'sha256', bytes: hash('sha256', Buffer.concat(narOfFile(Buffer.from(place.content, 'latin1'))), 'buffer') }, 'sri'), lastModified: 1 }
    const { narHash, lastModified } = readSourceTree(this.files, place.path, path, undefined)
    return { narHash: formatHash(narHash, 'sri'), lastModified }
  }

  private announce(storePath: string, localPath: string, narHash: string, recursive: boolean, entries: readonly string[] | undefined): string {
    if (!this.places.has(storePath)) {
      this.places.set(storePath, { kind: 'local', path: localPath, ...(entries === undefined ? {} : { entries: new Set(entries) }) })
      this.options.add?.({ kind: 'source', storePath, localPath, narHash, recursive, ...(entries === undefined ? {} : { entries }) })
    }
    return storePath
  }

  /** The file of a derivation or text of this evaluation, added under another name. */
  private addVirtual(content: string, name: string, method: 'flat' | 'nar'): string {
    const bytes = Buffer.from(content, 'latin1')
    const nar = hash('sha256', Buffer.concat(narOfFile(bytes)), 'buffer')
    const storePath = makeFixedOutputPath(name, { method, hash: { algorithm: 'sha256', bytes: method === 'flat' ? hash('sha256', bytes, 'buffer') : nar } }).toString()
    const localPath = `${this.options.scratchFolder()}/${this.scratchFiles++}`
    writeFileSync(localPath, bytes)
    return this.announce(storePath, localPath, formatHash({ algorithm: 'sha256', bytes: nar }, 'sri'), method === 'nar', undefined)
  }

  addText(name: string, content: string, references: readonly string[]): string {
    const storePath = makeTextPath(name, { algorithm: 'sha256', bytes: hash('sha256', Buffer.from(content, 'latin1'), 'buffer') }, references).toString()
    if (this.places.get(storePath)?.kind === 'text') return storePath
    this.places.set(storePath, { kind: 'text', content })
    this.knownReferences.set(storePath, references)
    this.options.add?.({ kind: 'text', storePath, content, references })
    return storePath
  }

  addDerivation(derivation: AddedDerivation): void {
    const { drvPath, references } = derivation
    if (this.derivations.add(derivation)) this.options.add?.({ kind: 'derivation', drvPath, aterm: derivation.aterm(), references })
  }

  readDerivation(drvPath: string): string {
    return this.derivations.text(drvPath)
  }

  realise(drvPath: string, outputs: readonly string[]): Realised {
    const paths: string[] = []
    const missing: string[] = []
    for (const name of outputs) {
      const output = this.derivations.output(drvPath, name)
      if (output === undefined) throw new NeedFailed(realiseKey(drvPath, [name]), `derivation '${drvPath}' does not have an output named '${name}'`)
      if ('path' in output) {
        paths.push(output.path)
        if (this.storePlace(output.path) === undefined) missing.push(name)
        continue
      }
      const need = this.outputNeed(drvPath, name)
      if (need !== undefined && !this.isMet(need)) return { need }
      paths.push(this.resolvedOutputs.get(`${drvPath}!${name}`)!)
    }
    if (missing.length === 0) return { paths }
    const need: Need = { kind: 'realise', key: realiseKey(drvPath, missing), drvPath, outputs: missing }
    return this.isMet(need) ? { paths } : { need }
  }

  /** What tells the path of an output that no derivation names beforehand, unless it is known. Asked for one by one, since an answer tells one path. */
  private outputNeed(drvPath: string, name: string): Need | undefined {
    if (this.resolvedOutputs.has(`${drvPath}!${name}`)) return undefined
    const key = realiseKey(drvPath, [name])
    this.outputNeeds.set(key, `${drvPath}!${name}`)
    return { kind: 'realise', key, drvPath, outputs: [name] }
  }

  ensurePath(storePath: string): void {
    if (this.storePlace(storePath) !== undefined) return
    this.find(storePath)
  }

  references(storePath: string): readonly string[] | undefined {
    return this.derivations.references(storePath) ?? this.knownReferences.get(storePath)
  }

  mentionFetch(storePath: string, request: FetchRequest): void {
    if (this.fetches.has(storePath)) return
    this.fetches.set(storePath, request)
    this.options.add?.({ kind: 'known-fetch', storePath, request })
  }

  fetchUnlocked(request: UnlockedFetch): UnlockedFetchResult {
    const key = `unlocked:${JSON.stringify(Object.entries(request).sort(([a], [b]) => a < b ? -1 : 1))}`
    const known = this.unlocked.get(key) ?? (this.options.journal[key] as UnlockedFetchResult | undefined)
    if (known !== undefined) return known
    this.obtain({ kind: 'unlocked-fetch', key, request })
    return this.unlocked.get(key)!
  }

  trace(level: 'trace' | 'warn', text: string): void {
    this.options.trace(level, text)
  }
}

type Found =
  | { readonly kind: 'local'; readonly path: string; readonly relative: string; readonly entries?: ReadonlySet<string> }
  | { readonly kind: 'text'; readonly content: string }
