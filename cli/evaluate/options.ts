/** What an evaluation on this machine is asked to do, whichever command line asked for it. */
import type { EvaluationArgument, EvaluationSettings } from '../../contract/evaluations.ts'
import type { LintLevel } from '../../eval/syntax/parser.ts'
import { currentSystem } from '../../config/machine.ts'
import type { SubstitutesOptions } from './substitutes.ts'

export type Input =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'expression'; readonly text: string }
  | { readonly kind: 'standard-input' }
  /** The attribute is looked for below each prefix in turn, then as it is. */
  | { readonly kind: 'flake'; readonly reference: string; readonly prefixes: readonly string[] }

export interface EvaluateOptions {
  /**
   * `parse` prints the syntax, `eval` the value, `instantiate` the derivations' paths, `find-file` looks names up in the
   * search path, `jobs` prints each derivation found as a line of JSON.
   */
  readonly work: 'parse' | 'eval' | 'instantiate' | 'find-file' | 'jobs'
  readonly inputs: readonly Input[]
  /** Attribute paths; empty means the value as a whole. */
  readonly attributes: readonly string[]
  readonly arguments: Readonly<Record<string, EvaluationArgument>>
  readonly format: 'plain' | 'raw' | 'xml' | 'json'
  /** Evaluate all that is in the value before it is printed. */
  readonly strict: boolean
  /** Places in sources, in XML. */
  readonly locations: boolean
  /** Write nothing to the local store. */
  readonly readOnly: boolean
  /** Firn's data folder: the local store is in it. */
  readonly home: string
  readonly settings: EvaluationSettings
  readonly language: LanguageOptions
  readonly jobs: JobsOptions
}

/** Settings of Nix that only the drop-in commands have. */
export interface LanguageOptions {
  readonly pipeOperators: boolean
  readonly tomlTimestamps: boolean
  readonly traceVerbose: boolean
  readonly abortOnWarn: boolean
  readonly maxCallDepth?: number
  readonly flakeRegistry?: string
  readonly lints: { readonly urlLiterals?: LintLevel; readonly absolutePathLiterals?: LintLevel; readonly shortPathLiterals?: LintLevel }
}

/** Of nix-eval-jobs. */
export interface JobsOptions {
  readonly meta: boolean
  readonly showInputDrvs: boolean
  readonly forceRecurse: boolean
  readonly constituents: boolean
  /** Tells whether outputs are there already, or a substituter has them. */
  readonly checkCache?: SubstitutesOptions
  /** A function that is applied to each job. */
  readonly apply?: string
  /** Whether a job's error makes the exit code 1. */
  readonly failOnError: boolean
  /** A function that is applied to the value first. */
  readonly select?: string
  /** Processes that share the work, with the size at which each is replaced; else this process does it. */
  readonly processes?: { readonly count: number; readonly megabytes: number }
}

/** Of nix-eval-jobs' processes. */
export const DEFAULT_MEGABYTES = 4096

export const NIX_VERSION = '2.26.0'

export function defaultSettings(environment: NodeJS.ProcessEnv = process.env): EvaluationSettings {
  return {
    currentSystem: currentSystem(), nixVersion: NIX_VERSION, mode: 'impure', allowedUris: [], allowedPaths: [],
    searchPath: parseNixPath(environment['NIX_PATH'] ?? ''), allowImportFromDerivation: true, showTrace: false,
  }
}

export const DEFAULT_LANGUAGE: LanguageOptions = { pipeOperators: true, tomlTimestamps: false, traceVerbose: false, abortOnWarn: false, lints: {} }
export const DEFAULT_JOBS: JobsOptions = { meta: false, showInputDrvs: false, forceRecurse: false, constituents: false, failOnError: true }

/** Entries of NIX_PATH, parted by colons that are no part of an address. */
export function parseNixPath(text: string): { readonly prefix: string; readonly path: string }[] {
  const entries: string[] = []
  for (let at = 0; at < text.length;) {
    let end = text.indexOf(':', at)
    if (end < 0) end = text.length
    const start = Math.max(at, text.lastIndexOf('=', end) + 1)
    if (end < text.length && isAddress(text.slice(start))) {
      const next = text.indexOf(':', end + 1)
      end = next < 0 ? text.length : next
    }
    if (end > at) entries.push(text.slice(at, end))
    at = end + 1
  }
  return entries.map(parseSearchPathEntry)
}

/** `prefix=path` or `path`. */
export function parseSearchPathEntry(entry: string): { readonly prefix: string; readonly path: string } {
  const equals = entry.indexOf('=')
  return equals < 0 ? { prefix: '', path: entry } : { prefix: entry.slice(0, equals), path: entry.slice(equals + 1) }
}

function isAddress(text: string): boolean {
  return text.startsWith('channel:') || text.startsWith('flake:') || /^(?:https?|file|channel|git|s3|ssh):\/\//.test(text)
}

/** Whether a file argument stands for something to download. */
export function isFetched(path: string): boolean {
  return isAddress(path)
}
