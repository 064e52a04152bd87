/**
 * Ring: eval. One evaluator: its settings, its builtins, the files it has read and what it has made of them. Upstream
 * counterpart: EvalState in src/libexpr/eval.cc.
 */
import type { EvaluationSettings } from '../contract/evaluations.ts'
import { byteStringOfBytes } from '../nix/bytes.ts'
import type { CompletedDerivation } from '../nix/derivation-completion.ts'
import type { DerivationHash } from '../nix/derivation-hash.ts'
import { derivationHash } from '../nix/derivation-hash.ts'
import { parseDerivation, type Derivation } from '../nix/derivation.ts'
import { derivationName, parseStorePath } from '../nix/store-path.ts'
import { COMPILER } from './compile/expression.ts'
import { FrameShape, Scope, type Context } from './compile/scope.ts'
import { Files, guarded } from './files.ts'
import type { EvalIO } from './io.ts'
import { keepSyntax } from './kept-syntax.ts'
import type { LanguageOptions } from './language.ts'
import { showWarning } from './printing/errors.ts'
import { resolveChannel } from './builtins/fetch.ts'
import { makeGlobals } from './builtins/registry.ts'
import { asEvaluationError, EvaluationError } from './runtime/errors.ts'
import { isAllowedUri } from './uris.ts'
import type { Host } from './runtime/host.ts'
import { machine, markMachine, MAX_CALL_DEPTH, restoreMachine } from './runtime/machine.ts'
import { Memo } from './runtime/memo.ts'
import { Recall } from './runtime/recall.ts'
import { Thunk, type Code } from './runtime/thunk.ts'
import { ParseError } from './syntax/errors.ts'
import type { ParsedFile, SourceFile } from './syntax/ast.ts'
import { parse, type ParseOptions } from './syntax/parser.ts'
import { canonicalPath } from './syntax/paths.ts'
import { findUndefinedVariable } from './syntax/scope.ts'
import { segmented } from './syntax/segments.ts'
import { readSyntax } from './syntax/stored/reader.ts'
import { writeSyntax } from './syntax/stored/writer.ts'
import { Location } from './values/location.ts'
import { singleContext, type StringContext } from './values/context.ts'
import { layoutOfSorted } from './values/layout.ts'
import { Attributes, Lambda, type Frame, type Slot, type Value } from './values/value.ts'

export interface EvaluatorOptions {
  readonly io: EvalIO
  readonly settings: EvaluationSettings
  /** Whether `traceVerbose` traces. */
  readonly traceVerbose?: boolean
  /** Folder that relative entries of the search path start from; else the root. */
  readonly workingFolder?: string
  readonly language?: LanguageOptions
  /** Where traces and warnings go; else to the EvalIO. */
  readonly trace?: (level: 'trace' | 'warn', text: string) => void
  /** Syntax of files that were parsed before. For evaluators that don't stay: those look for what an edit left the same. */
  readonly syntax?: SyntaxStore | undefined
}

/** Keeps syntax (syntax/stored/) of texts that nothing is wrong with. Paths in it are absolute, so what they start from is a part of the question. */
export interface SyntaxStore {
  find(content: Uint8Array, folders: string): Uint8Array | undefined
  /** `write` gives undefined for what can't be stored. */
  add(content: Uint8Array, folders: string, write: () => Uint8Array | undefined): void
}

const POSITION = layoutOfSorted(['column', 'file', 'line'])
const COLUMN: Code = { location: undefined, run: (location: Location) => location.place.column }
const LINE: Code = { location: undefined, run: (location: Location) => location.place.line }

export class Evaluator implements Host {
  readonly io: EvalIO
  readonly settings: EvaluationSettings
  readonly files: Files
  readonly traceVerbose: boolean
  readonly language: LanguageOptions
  readonly trace: (level: 'trace' | 'warn', text: string) => void
  /** What every file sees; `builtins` among them. */
  readonly globals: ReadonlyMap<string, Slot>
  /** Hashes of derivations made or read so far, by `.drv` path. */
  readonly derivationHashes = new Map<string, DerivationHash>()
  /** What imports that wait were given. */
  readonly recall = new Recall()
  /** Folder that relative entries of the search path start from. */
  private readonly workingFolder: string
  private readonly syntax: SyntaxStore | undefined
  /** Store paths that this evaluation made valid. */
  private readonly added = new Set<string>()
  private readonly textReferences = new Map<string, readonly string[]>()
  private readonly searchPaths = new Memo<string | undefined>()
  private readonly values = new Memo<Value>()
  private readonly resolved = new Memo<string>()
  private readonly parsed = new Memo<ParsedFile>()
  /** Files whose syntax was another in a later evaluation. */
  private readonly changedFiles = new Set<string>()
  private readonly copied = new Memo<{ readonly text: string; readonly context: StringContext }>()

  constructor(options: EvaluatorOptions) {
    this.io = options.io
    this.settings = options.settings
    this.traceVerbose = options.traceVerbose ?? false
    this.language = options.language ?? {}
    machine.maxCallDepth = this.language.maxCallDepth ?? MAX_CALL_DEPTH
    this.trace = options.trace ?? ((level, text) => options.io.trace(level, text))
    this.workingFolder = options.workingFolder ?? '/'
    this.syntax = options.syntax
    this.files = new Files(options.io, options.settings)
    this.globals = makeGlobals(this)
    // restricted evaluation may read what the search path names from the start; later entries of `findFile` open nothing
    if (options.settings.mode !== 'impure') for (const { path } of options.settings.searchPath) if (!isAddress(path)) this.files.allow(this.absolute(path))
  }

  /** A local entry of the search path. */
  private absolute(path: string): string {
    return canonicalPath(path.startsWith('/') ? path : `${this.workingFolder}/${path}`)
  }

  /** The value of a file, evaluated once. `path` is canonical; a folder stands for its default.nix. */
  evaluateFile(path: string): Value {
    const file = this.resolveExpression(path)
    // Not a thunk: a file that imports itself is evaluated again, as Nix does, until the depth of calls ends it.
    return this.values.get(file, () => {
      const { depth } = machine
      try {
        return this.evaluateParsed(this.parseFile(file))
      } catch (error) {
        const evaluation = asEvaluationError(error)
        if (evaluation === undefined) throw error
        throw evaluation.addTrace(`while evaluating the file '${file}':`, undefined, depth)
      }
    })
  }

  /** The value of a text that comes with the evaluator, evaluated once. `path` names it. */
  evaluateOwn(path: string, text: string): Value {
    return this.values.get(path, () => this.evaluateText(text, '/'))
  }

  private resolveExpression(path: string): string {
    return this.resolved.get(path, () => this.files.resolveExpression(path))
  }

  /** The value of a text. `basePath` is the folder that relative paths start from. */
  evaluateText(text: string, basePath: string, kind: 'string' | 'stdin' = 'string'): Value {
    return this.evaluateParsed(this.parseSource({ origin: { kind }, text }, basePath))
  }

  /** `scopedImport`: with more names in scope, and never remembered. */
  evaluateFileWith(path: string, scope: Attributes): Value {
    const file = this.files.resolveExpression(path)
    const source = this.read(file)
    const parsed = this.parseSource(source, folderOf(file), (name) => scope.has(name))
    const outer = new FrameShape(undefined)
    const slots = new Map<string, number>()
    const frame: Frame = [undefined]
    scope.layout.names.forEach((name, i) => {
      slots.set(name, outer.allocate())
      frame.push(scope.values[i])
    })
    return this.run(parsed, new Scope(undefined, outer, slots), frame, outer)
  }

  /** Runs a parsed file. */
  evaluateParsed(parsed: ParsedFile): Value {
    const outer = new FrameShape(undefined)
    return this.run(parsed, undefined, [undefined], outer)
  }

  private run(parsed: ParsedFile, scope: Scope | undefined, outerFrame: Frame, outer: FrameShape): Value {
    const shape = new FrameShape(outer)
    const context: Context = { compiler: COMPILER, host: this, source: parsed.source, globals: this.globals, scope, frame: shape, extensible: true }
    const run = COMPILER.strict(parsed.expression, context)
    const frame = shape.template()
    frame[0] = outerFrame
    return run(frame)
  }

  /** The syntax of a file, read once. An edit that leaves the syntax the same changes nothing for whoever reads it here. */
  parseFile(file: string): ParsedFile {
    return this.parsed.get(file, () => {
      let parsed: ParsedFile | undefined
      // a file that has changed is likely to change again: then what its parts are is looked at one by one
      const inParts = this.changedFiles.has(file) ? segmented : (whole: ParsedFile) => whole
      const bytes = this.files.readSource(this.files.resolve(file), file, (content) => {
        const edited = parsed && this.parseEdited(parsed.source.origin, byteStringOfBytes(content), folderOf(file))
        if (edited === undefined) return false
        if (keepSyntax(parsed!, inParts(edited))) return true
        // what flake.nix may hold goes by its syntax
        if (!file.endsWith('/flake.nix')) this.changedFiles.add(file)
        return false
      })
      const text = byteStringOfBytes(bytes)
      const source: SourceFile = { origin: { kind: 'file', path: file }, text, standing: { text, positions: undefined, observation: undefined } }
      const { syntax } = this
      const folders = syntax === undefined ? '' : this.foldersOf(text, file)
      const stored = syntax?.find(bytes, folders)
      if (stored !== undefined) return { source, expression: readSyntax(stored) }
      let warned = false
      const found = this.parseSource(source, folderOf(file), undefined, () => { warned = true })
      // a warning has a place in its text, which would be an old one
      if (warned) return found
      syntax?.add(bytes, folders, () => writeSyntax(found.expression))
      return parsed = inParts(found)
    })
  }

  /** What the paths in a text start from. */
  private foldersOf(text: string, file: string): string {
    return text.includes('~/') ? `${folderOf(file)}\0${this.io.environment('HOME') ?? ''}` : folderOf(file)
  }

  /** The syntax of an edited file; undefined where there is something to say about it. */
  private parseEdited(origin: SourceFile['origin'], text: string, basePath: string): ParsedFile | undefined {
    try {
      let warned = false
      const parsed = parse({ origin, text }, this.parseOptions(basePath, () => { warned = true }))
      return warned || this.undefinedVariable(parsed) !== undefined ? undefined : parsed
    } catch (error) {
      if (error instanceof ParseError) return undefined
      throw error
    }
  }

  private read(file: string): SourceFile {
    const text = byteStringOfBytes(this.files.readFile(this.files.resolve(file)))
    return { origin: { kind: 'file', path: file }, text }
  }

  private parseOptions(basePath: string, warn: NonNullable<ParseOptions['warn']>): ParseOptions {
    const isPure = this.settings.mode === 'pure'
    return {
      basePath, homePath: isPure ? undefined : this.io.environment('HOME'), pure: isPure, pipeOperators: this.language.pipeOperators ?? true, warn,
      ...(this.language.lints !== undefined && { lints: this.language.lints }),
    }
  }

  /** Parses and checks that every variable exists. */
  parseSource(source: SourceFile, basePath: string, inScope: (name: string) => boolean = () => false, onWarning?: () => void): ParsedFile {
    let parsed: ParsedFile
    try {
      parsed = parse(source, this.parseOptions(basePath, (message, position) => {
        onWarning?.()
        this.trace('warn', showWarning(message, position === undefined ? undefined : new Location(source, position)))
      }))
    } catch (error) {
      if (!(error instanceof ParseError)) throw error
      throw new EvaluationError('parse', error.message, { location: error.position === undefined ? undefined : new Location(error.source, error.position), cause: error })
    }
    const unknown = this.undefinedVariable(parsed, inScope)
    if (unknown !== undefined) throw new EvaluationError('undefined-variable', `undefined variable '${unknown.name}'`, { location: new Location(source, unknown.position) })
    return parsed
  }

  private undefinedVariable({ expression }: ParsedFile, inScope: (name: string) => boolean = () => false): ReturnType<typeof findUndefinedVariable> {
    return findUndefinedVariable(expression, (name) => this.globals.has(name) || inScope(name))
  }

  copyPathToStore(path: string): { readonly text: string; readonly context: StringContext } {
    return this.copied.get(path, () => this.copyToStore(path))
  }

  private copyToStore(path: string): { readonly text: string; readonly context: StringContext } {
    if (path.endsWith('.drv')) throw new EvaluationError('eval', 'file names are not allowed to end in \'.drv\'')
    const real = this.files.resolve(path, 'ancestors')
    this.files.existing(real)
    const name = path === '/' ? 'source' : path.slice(path.lastIndexOf('/') + 1)
    const text = guarded(real, () => this.io.addPath({ path: real, name, method: 'nar' }))
    const copied = { text, context: singleContext('opaque', text) }
    this.files.allow(text)
    this.added.add(text)
    return copied
  }

  positionValue(location: Location | undefined): Value {
    if (location?.source.origin.kind !== 'file') return null
    const { path } = location.source.origin
    return new Attributes(POSITION, [new Thunk(COLUMN, location), path, new Thunk(LINE, location)])
  }

  /** Makes sure that a store path is valid, or suspends. */
  ensurePath(storePath: string): void {
    if (this.added.has(storePath) || this.derivationHashes.has(storePath)) return
    guarded(storePath, () => this.io.ensurePath(storePath))
  }

  /** Adds a text to the store; what it refers to is remembered. */
  addText(name: string, text: string, references: readonly string[]): string {
    const storePath = guarded(name, () => this.io.addText(name, text, references))
    this.added.add(storePath)
    if (references.length > 0) this.textReferences.set(storePath, references)
    return storePath
  }

  /** What a source path refers to, as far as this evaluation knows. */
  referencesOf(storePath: string): readonly string[] {
    return this.textReferences.get(storePath) ?? this.io.references?.(storePath) ?? []
  }

  /** Store paths that a file below a store path names, among those that the store path refers to. */
  referencesIn(path: string, text: string): readonly string[] {
    const match = /^(\/nix\/store\/[^/]+)(?:\/|$)/.exec(path)
    if (match === null) return []
    return this.referencesOf(match[1]!).filter((reference) => text.includes(reference.slice('/nix/store/'.length).slice(0, 32)))
  }

  /** Where an entry of the search path is; undefined (with a warning, once) where it leads nowhere. */
  resolveSearchPath(path: string): string | undefined {
    return this.searchPaths.get(path, () => {
      const url = resolveChannel(path)
      if (isAddress(url)) return guarded(url, () => this.io.fetchUnlocked({ kind: 'tarball', name: 'source', url })).storePath
      const absolute = this.absolute(path)
      if (this.files.status(this.files.resolve(absolute)) !== undefined) return absolute
      this.trace('warn', `Nix search path entry '${path}' does not exist, ignoring`)
      return undefined
    })
  }

  /** Throws where restricted evaluation may not fetch an address. */
  checkUri(uri: string): void {
    if ((this.settings.mode !== 'restricted' && this.settings.restrictUris !== true) || isAllowedUri(uri, this.settings.allowedUris)) return
    if (uri.startsWith('/')) return this.files.check(canonicalPath(uri))
    if (uri.startsWith('file://')) return this.files.check(canonicalPath(uri.slice('file://'.length)))
    throw new EvaluationError('restricted', `access to URI '${uri}' is forbidden in restricted mode`)
  }

  /** The hash of an input, by its `.drv` path. */
  readonly derivationHashOf = (drvPath: string): DerivationHash => {
    let hash = this.derivationHashes.get(drvPath)
    if (hash === undefined) this.derivationHashes.set(drvPath, (hash = derivationHash(this.readDerivation(drvPath), this.derivationHashOf)))
    return hash
  }

  /** The derivation of a `.drv` path. Fails where there is none. */
  readDerivation(drvPath: string): Derivation {
    return parseDerivation(guarded(drvPath, () => this.io.readDerivation(drvPath)), derivationName(parseStorePath(drvPath)))
  }

  /** Adds a derivation to the store; what stands for it in the hashes of others is remembered. */
  addDerivation(derivation: CompletedDerivation): void {
    const { drvPath, hash } = derivation
    if (this.derivationHashes.has(drvPath)) return
    this.derivationHashes.set(drvPath, hash)
    this.io.addDerivation(derivation)
  }

  /** Whether a value is a function that `--arg` can fill. */
  isPatternFunction(value: Value): value is Lambda {
    return value instanceof Lambda && value.code.parameter.kind === 'pattern'
  }
}

/** Whether an entry of the search path has to be fetched. */
function isAddress(text: string): boolean {
  return /^[a-z][a-z0-9+.-]*:/.test(text)
}

/** The folder that a file is in. */
export function folderOf(file: string): string {
  const slash = file.lastIndexOf('/')
  return slash <= 0 ? '/' : file.slice(0, slash)
}

/** Runs work at a level of its own: whatever it throws, the machine is as before. */
export function isolated<T>(work: () => T): T {
  const mark = markMachine()
  try {
    return work()
  } finally {
    restoreMachine(mark)
  }
}

