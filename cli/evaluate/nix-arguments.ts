/**
 * Ring: cli. The part of the command line that Nix's commands have in common: arguments of expressions, search path, settings. Settings that
 * don't concern evaluation are taken and ignored, so that scripts written for stock Nix run unchanged.
 */
import { readFileSync } from 'node:fs'
import type { EvaluationArgument, EvaluationSettings } from '../../contract/evaluations.ts'
import type { LintLevel } from '../../eval/syntax/parser.ts'
import type { SubstitutesOptions } from './substitutes.ts'
import { DEFAULT_LANGUAGE, defaultSettings, parseSearchPathEntry, type LanguageOptions } from './options.ts'

export class UsageError extends Error {
  readonly kind = 'usage'
}

/** Flags of Nix that take values and change nothing here. */
const IGNORED_WITH_VALUE: ReadonlyMap<string, number> = new Map([
  ['--store', 1], ['--eval-store', 1], ['--max-jobs', 1], ['-j', 1], ['--cores', 1], ['--builders', 1], ['--timeout', 1], ['--max-silent-time', 1],
  ['--log-format', 1], ['--out-link', 1], ['-o', 1],
  ['--override-flake', 2], ['--gc-roots-dir', 1], ['--netrc-file', 1],
])
const IGNORED: ReadonlySet<string> = new Set([
  '--quiet', '--verbose', '-v', '-vv', '-vvv', '-vvvv', '-vvvvv', '-Q', '--no-build-output', '--keep-going', '-k', '--keep-failed', '-K', '--fallback',
  '--repair', '--readonly-mode', '--no-out-link', '--offline', '--refresh', '--debug', '--print-build-logs', '-L', '--accept-flake-config', '--no-link',
])

export class NixArguments {
  readonly arguments: Record<string, EvaluationArgument> = {}
  private readonly words: readonly string[]
  private at = 0
  private readonly included: { readonly prefix: string; readonly path: string }[] = []
  private readonly options = new Map<string, string>()
  private readonly base: EvaluationSettings

  constructor(words: readonly string[], environment: NodeJS.ProcessEnv) {
    // `-abc` is not split: none of Nix's short flags that matter here are ever joined
    this.words = words
    this.base = defaultSettings(environment)
    if (environment['NIX_ABORT_ON_WARN'] !== undefined && !['', '0', 'no'].includes(environment['NIX_ABORT_ON_WARN'])) this.options.set('abort-on-warn', 'true')
    for (const line of (environment['NIX_CONFIG'] ?? '').split('\n')) this.configLine(line)
  }

  private configLine(line: string): void {
    const setting = /^\s*([a-z-]+)\s*=\s*(.*?)\s*$/.exec(line.replace(/#.*/, ''))
    if (setting !== null) this.set(setting[1]!, setting[2]!)
  }

  next(): string | undefined {
    return this.words[this.at++]
  }

  /** The value after a flag. */
  value(flag: string): string {
    const word = this.words[this.at++]
    if (word === undefined) throw new UsageError(`flag '${flag}' requires 1 more argument(s)`)
    return word
  }

  /** Handles a flag that all commands have; false if it is none. */
  take(word: string): boolean {
    switch (word) {
      case '--arg':
        this.arguments[this.value(word)] = { kind: 'expression', value: this.value(word) }
        return true
      case '--argstr':
        this.arguments[this.value(word)] = { kind: 'string', value: this.value(word) }
        return true
      case '--arg-from-file':
        this.arguments[this.value(word)] = { kind: 'string', value: readFileSync(this.value(word), 'utf8') }
        return true
      case '--arg-from-stdin':
        this.arguments[this.value(word)] = { kind: 'string', value: readFileSync(0, 'utf8') }
        return true
      case '-I': case '--include':
        this.included.push(parseSearchPathEntry(this.value(word)))
        return true
      case '--option':
        this.set(this.value(word), this.value(word))
        return true
      case '--impure':
        this.options.set('pure-eval', 'false')
        return true
      default:
    }
    if (word.startsWith('-I') && word.length > 2) {
      this.included.push(parseSearchPathEntry(word.slice(2)))
      return true
    }
    const values = IGNORED_WITH_VALUE.get(word)
    if (values !== undefined) {
      for (let count = 0; count < values; count++) this.value(word)
      return true
    }
    return IGNORED.has(word) || this.settingFlag(word)
  }

  /** `--show-trace`, `--no-show-trace`, `--max-call-depth 100`: every setting is a flag too. */
  private settingFlag(word: string): boolean {
    const name = word.slice(2)
    if (!word.startsWith('--')) return false
    if (SWITCHES.has(name)) this.options.set(name, 'true')
    else if (name.startsWith('no-') && SWITCHES.has(name.slice(3))) this.options.set(name.slice(3), 'false')
    else if (VALUES.has(name.replace(/^extra-/, ''))) this.set(name, this.value(word))
    else return false
    return true
  }

  private set(name: string, value: string): void {
    if (!name.startsWith('extra-')) this.options.set(name, value)
    else this.options.set(name.slice(6), `${this.options.get(name.slice(6)) ?? ''} ${value}`.trim())
  }

  private isOn(name: string, otherwise = false): boolean {
    const value = this.options.get(name)
    return value === undefined ? otherwise : ['true', 'yes', '1'].includes(value)
  }

  private wordsOf(name: string): string[] {
    return (this.options.get(name) ?? '').split(/\s+/).filter((word) => word !== '')
  }

  /** Whether `--impure` was given. */
  get isImpure(): boolean {
    return this.options.get('pure-eval') === 'false'
  }

  /** What was said of substituters, else what the settings say. */
  substitutes(otherwise: SubstitutesOptions): SubstitutesOptions {
    const urls = this.options.has('substituters') ? this.wordsOf('substituters').map((url, index) => ({ url, priority: index + 1 })) : otherwise.substituters
    return { ...otherwise, substituters: urls, trustedPublicKeys: [...otherwise.trustedPublicKeys, ...this.wordsOf('trusted-public-keys')] }
  }

  settings(): EvaluationSettings {
    const mode = this.isOn('pure-eval') ? 'pure' : this.isOn('restrict-eval') ? 'restricted' : 'impure'
    const nixPath = this.options.has('nix-path') ? this.wordsOf('nix-path').map(parseSearchPathEntry) : this.base.searchPath
    const searchPath = [...this.included, ...(mode === 'pure' ? [] : nixPath)]
    return {
      ...this.base,
      mode,
      searchPath,
      currentSystem: this.options.get('eval-system') || this.options.get('system') || this.base.currentSystem,
      allowedUris: this.wordsOf('allowed-uris'),
      allowImportFromDerivation: this.isOn('allow-import-from-derivation', true),
      showTrace: this.isOn('show-trace'),
    }
  }

  language(): LanguageOptions {
    const features = new Set(this.wordsOf('experimental-features'))
    const depth = this.options.get('max-call-depth')
    const lint = (name: string): LintLevel => (this.options.get(name) ?? 'ignore') as LintLevel
    return {
      ...DEFAULT_LANGUAGE,
      pipeOperators: features.has('pipe-operators'),
      tomlTimestamps: features.has('parse-toml-timestamps'),
      traceVerbose: this.isOn('trace-verbose'),
      abortOnWarn: this.isOn('abort-on-warn'),
      ...(depth === undefined ? {} : { maxCallDepth: Number(depth) }),
      ...(this.options.has('flake-registry') ? { flakeRegistry: this.options.get('flake-registry')! } : {}),
      lints: { urlLiterals: lint('lint-url-literals'), absolutePathLiterals: lint('lint-absolute-path-literals'), shortPathLiterals: lint('lint-short-path-literals') },
    }
  }
}

const SWITCHES: ReadonlySet<string> = new Set([
  'show-trace', 'pure-eval', 'restrict-eval', 'trace-verbose', 'abort-on-warn', 'allow-import-from-derivation', 'eval-cache', 'substitute', 'sandbox',
  'debugger', 'ignore-try', 'trace-function-calls', 'warn-dirty', 'require-sigs', 'use-xdg-base-directories', 'trace-import-from-derivation',
])
const VALUES: ReadonlySet<string> = new Set([
  'max-call-depth', 'experimental-features', 'system', 'eval-system', 'nix-path', 'allowed-uris', 'lint-url-literals', 'lint-absolute-path-literals',
  'lint-short-path-literals', 'tarball-ttl', 'access-tokens', 'flake-registry', 'substituters', 'trusted-public-keys',
])
