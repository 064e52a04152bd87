/**
 * Ring: eval. An EvalIO of a world in memory, for tests and the browser: files, a store that only this evaluation sees, and
 * answers that a test gives when it likes.
 */
import type { FetchRequest, UnlockedFetch, UnlockedFetchResult } from '../contract/fetch.ts'
import type { Need } from '../contract/evaluations.ts'
import { bytesOfByteString, byteStringOfBytes, byteStringOfText } from '../nix/bytes.ts'
import { createHash, formatHash, hashBytes, type Hash } from '../nix/hash.ts'
import { writeNarSync, type NarSourceSync } from '../nix/nar-writer.ts'
import { makeFixedOutputPath, makeTextPath } from '../nix/store-path.ts'
import { parseDerivation } from '../nix/derivation.ts'
import { EvalIOError, NeedFailed, Suspended, type AddedDerivation, type EvalIO, type FileKind, type FileStatus, type Realised } from './io.ts'

export type MemoryFile =
  | { readonly kind: 'regular'; readonly content: Uint8Array; readonly executable: boolean }
  | { readonly kind: 'symlink'; readonly target: string }
  | { readonly kind: 'directory' }

export class MemoryIO implements EvalIO {
  /** Absolute path → file; folders above are there too. */
  readonly tree = new Map<string, MemoryFile>([['/', { kind: 'directory' }]])
  readonly environmentVariables = new Map<string, string>()
  readonly derivations = new Map<string, string>()
  readonly traces: { readonly level: 'trace' | 'warn'; readonly text: string }[] = []
  readonly mentioned = new Map<string, FetchRequest>()
  /** How often each need suspended something. */
  readonly suspensions = new Map<string, number>()
  private readonly realised = new Map<string, ReadonlyMap<string, string>>()
  private readonly fetched = new Map<string, UnlockedFetchResult>()
  private readonly failed = new Map<string, string>()
  time = 0

  /** Puts a file there, and the folders above it. Text is encoded as UTF-8. */
  writeFile(path: string, content: string | Uint8Array, executable = false): this {
    this.makeFolder(path.slice(0, path.lastIndexOf('/')))
    this.tree.set(path, { kind: 'regular', content: typeof content === 'string' ? bytesOfByteString(byteStringOfText(content)) : content, executable })
    return this
  }

  writeLink(path: string, target: string): this {
    this.makeFolder(path.slice(0, path.lastIndexOf('/')))
    this.tree.set(path, { kind: 'symlink', target })
    return this
  }

  makeFolder(path: string): void {
    if (path === '' || this.tree.has(path)) return
    this.makeFolder(path.slice(0, path.lastIndexOf('/')))
    this.tree.set(path, { kind: 'directory' })
  }

  /** Answers a need of outputs: each has this file. */
  finishRealise(drvPath: string, outputs: Readonly<Record<string, string | Readonly<Record<string, string>>>>): void {
    const derivation = parseDerivation(this.readDerivation(drvPath), 'derivation')
    const paths = new Map<string, string>()
    for (const [name, content] of Object.entries(outputs)) {
      const output = derivation.outputs.get(name)
      const path = output !== undefined && 'path' in output ? output.path : makeFixedOutputPath(name, { method: 'nar', hash: hashBytes('sha256', drvPath + name) }).toString()
      if (typeof content === 'string') this.writeFile(path, content)
      else for (const [file, text] of Object.entries(content)) this.writeFile(`${path}/${file}`, text)
      paths.set(name, path)
    }
    this.realised.set(drvPath, paths)
  }

  /** Answers a need badly. */
  fail(key: string, message: string): void {
    this.failed.set(key, message)
  }

  finishFetch(key: string, result: UnlockedFetchResult): void {
    this.fetched.set(key, result)
  }

  private suspend(need: Need): never {
    throw new Suspended(this.awaited(need))
  }

  /** Throws where the need was answered badly. */
  private awaited(need: Need): Need {
    const message = this.failed.get(need.key)
    if (message !== undefined) throw new NeedFailed(need.key, message)
    this.suspensions.set(need.key, (this.suspensions.get(need.key) ?? 0) + 1)
    return need
  }

  private lookUp(path: string, follow: boolean, depth = 0): MemoryFile | undefined {
    if (depth > 40) throw new EvalIOError('failed', path, `infinite symlink recursion in path '${path}'`)
    const slash = path.lastIndexOf('/')
    const here = this.tree.get(path)
    if (here !== undefined) return here.kind === 'symlink' && follow ? this.lookUp(this.target(path, here.target), true, depth + 1) : here
    if (slash <= 0) return undefined
    const parent = path.slice(0, slash)
    const above = this.tree.get(parent)
    if (above === undefined && this.lookUp(parent, true, depth + 1) === undefined) return undefined
    if (above?.kind === 'symlink') return this.lookUp(this.target(parent, above.target) + path.slice(slash), follow, depth + 1)
    return undefined
  }

  private target(path: string, target: string): string {
    return target.startsWith('/') ? target : `${path.slice(0, path.lastIndexOf('/'))}/${target}`
  }

  /** A path below a store path that isn't there but can be made: suspends. */
  private existing(path: string, follow: boolean): MemoryFile | undefined {
    const found = this.lookUp(path, follow)
    if (found !== undefined) return found
    const storePath = /^\/nix\/store\/[^/]+/.exec(path)?.[0]
    if (storePath === undefined || this.tree.has(storePath)) return undefined
    const request = this.mentioned.get(storePath)
    if (request !== undefined) return this.suspend({ kind: 'fetch', key: `fetch:${storePath}`, storePath, request })
    return undefined
  }

  readFile(path: string): Uint8Array {
    const file = this.existing(path, true)
    if (file === undefined) throw new EvalIOError('missing', path, `no such file: ${path}`)
    if (file.kind !== 'regular') throw new EvalIOError('is-a-directory', path, `is a directory: ${path}`)
    return file.content
  }

  readDirectory(path: string): ReadonlyMap<string, FileKind> {
    const file = this.existing(path, true)
    if (file === undefined) throw new EvalIOError('missing', path, `no such folder: ${path}`)
    if (file.kind !== 'directory') throw new EvalIOError('not-a-directory', path, `not a directory: ${path}`)
    const entries = new Map<string, FileKind>()
    const prefix = path === '/' ? '/' : `${path}/`
    for (const [at, { kind }] of this.tree) {
      if (at !== '/' && at.startsWith(prefix) && !at.slice(prefix.length).includes('/')) entries.set(at.slice(prefix.length), kind)
    }
    return entries
  }

  status(path: string): FileStatus | undefined {
    const file = this.existing(path, false)
    if (file === undefined) return undefined
    return { kind: file.kind, executable: file.kind === 'regular' && file.executable, size: file.kind === 'regular' ? file.content.length : 0 }
  }

  readLink(path: string): string {
    const file = this.existing(path, false)
    if (file?.kind !== 'symlink') throw new EvalIOError('failed', path, `not a symlink: ${path}`)
    return file.target
  }

  environment(name: string): string | undefined {
    return this.environmentVariables.get(name)
  }

  currentTime(): number {
    return this.time
  }

  addPath(request: { readonly path: string; readonly name: string; readonly method: 'flat' | 'nar'; readonly filter?: (path: string, kind: FileKind) => boolean }): string {
    const { path, name, method, filter } = request
    if (method === 'flat') return makeFixedOutputPath(name, { method, hash: hashBytes('sha256', this.readFile(path)) }).toString()
    const storePath = makeFixedOutputPath(name, { method, hash: this.narHash(path, filter) }).toString()
    if (!this.tree.has(storePath)) this.copyTree(path, storePath, filter)
    return storePath
  }

  private narHash(path: string, filter: ((path: string, kind: FileKind) => boolean) | undefined): Hash {
    const hash = createHash('sha256')
    const at = (below: string) => (below === '' ? path : `${path}/${below}`)
    const source: NarSourceSync = {
      status: (below) => {
        const status = this.status(at(below))
        if (status === undefined || status.kind === 'unknown') throw new EvalIOError('missing', at(below), `no such file: ${at(below)}`)
        return { kind: status.kind, executable: status.executable }
      },
      readFile: (below) => this.readFile(at(below)),
      readDirectory: (below) => [...this.readDirectory(at(below))].filter(([child, kind]) => filter === undefined || filter(`${at(below)}/${child}`, kind)).map(([child]) => child),
      readLink: (below) => this.readLink(at(below)),
    }
    writeNarSync(source, (chunk) => hash.update(chunk))
    return { algorithm: 'sha256', bytes: hash.digest() }
  }

  describeTree(path: string): { readonly narHash: string; readonly lastModified: number } {
    return { narHash: formatHash(this.narHash(path, undefined), 'sri'), lastModified: this.time }
  }

  private copyTree(from: string, to: string, filter: ((path: string, kind: FileKind) => boolean) | undefined): void {
    const file = this.lookUp(from, false)!
    this.makeFolder(to.slice(0, to.lastIndexOf('/')))
    this.tree.set(to, file)
    if (file.kind !== 'directory') return
    for (const [name, kind] of this.readDirectory(from)) if (filter === undefined || filter(`${from}/${name}`, kind)) this.copyTree(`${from}/${name}`, `${to}/${name}`, filter)
  }

  addText(name: string, content: string, references: readonly string[]): string {
    const storePath = makeTextPath(name, hashBytes('sha256', content), references).toString()
    this.writeFile(storePath, bytesOfByteString(content))
    return storePath
  }

  addDerivation(derivation: AddedDerivation): void {
    this.derivations.set(derivation.drvPath, byteStringOfBytes(derivation.aterm()))
  }

  readDerivation(drvPath: string): string {
    const aterm = this.derivations.get(drvPath)
    if (aterm === undefined) throw new EvalIOError('missing', drvPath, `no such derivation: ${drvPath}`)
    return aterm
  }

  realise(drvPath: string, outputs: readonly string[]): Realised {
    const paths = this.realised.get(drvPath)
    if (paths === undefined) return { need: this.awaited({ kind: 'realise', key: `realise:${drvPath}`, drvPath, outputs }) }
    return { paths: outputs.map((name) => paths.get(name) ?? '') }
  }

  ensurePath(storePath: string): void {
    if (!this.tree.has(storePath) && !this.derivations.has(storePath)) this.suspend({ kind: 'path', key: `path:${storePath}`, storePath })
  }

  mentionFetch(storePath: string, request: FetchRequest): void {
    this.mentioned.set(storePath, request)
  }

  fetchUnlocked(request: UnlockedFetch): UnlockedFetchResult {
    const key = `unlocked:${request.kind}:${request.url}`
    return this.fetched.get(key) ?? this.suspend({ kind: 'unlocked-fetch', key, request })
  }

  trace(level: 'trace' | 'warn', text: string): void {
    this.traces.push({ level, text })
  }
}
