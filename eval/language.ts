/** Settings of Nix that change what is accepted or said, but not what a value is. All have defaults. */
import type { ParseOptions } from './syntax/parser.ts'

export interface LanguageOptions {
  /** `|>` and `<|`; on by default. */
  readonly pipeOperators?: boolean
  /** Timestamps in TOML become sets instead of an error. */
  readonly tomlTimestamps?: boolean
  /** `builtins.warn` is an error. */
  readonly abortOnWarn?: boolean
  /** Limit of nested calls; Nix's by default. */
  readonly maxCallDepth?: number
  /** File or address of the global registry of flakes; empty for none. */
  readonly flakeRegistry?: string
  readonly lints?: NonNullable<ParseOptions['lints']>
}
